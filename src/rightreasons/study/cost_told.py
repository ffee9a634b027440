"""What a study will cost, in words: `rightreasons cost STUDY.yaml`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rightreasons.core.errors import UserError
from rightreasons.study.cost import Estimate, measured
from rightreasons.study.load import load_config, read_merged
from rightreasons.study.plan import Plan

#: Share of the time that cores are busy: jobs wait for others at the end of a stage.
BUSY = 0.85


def duration(seconds: float) -> str:
    """Return seconds as a person says them: 40 s, 12 min, 3.5 h, 80 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 10 else f"{hours:,.0f} h"


def room(megabytes: float) -> str:
    """Return megabytes as a person says them."""
    if megabytes < 1000:
        return f"{megabytes:.0f} MB"
    return f"{megabytes / 1000:.1f} GB" if megabytes < 1e4 else f"{megabytes / 1000:,.0f} GB"


def summary(estimate: Estimate, cores: int, gpus: int = 0) -> str:
    """Return the cost of a study on a line.

    Parameters
    ----------
    estimate
        Its costs.
    cores, gpus
        What there is to run it on.
    """
    total = estimate.total
    on_gpu = sum(cost.seconds for cost in estimate.stages.values() if cost.gpu_seconds)
    if gpus:
        wall = max(total.gpu_seconds / gpus, (total.seconds - on_gpu) / cores) / BUSY
        hours = f"{duration(total.gpu_seconds)} of a GPU and {duration(total.seconds - on_gpu)} of "
        return (
            f"about {duration(wall)} on {gpus} GPU{'s' * (gpus > 1)} and {cores} cores ({hours}a "
            f"core), {room(total.megabytes)} on the disk"
        )
    return (
        f"about {duration(total.seconds / cores / BUSY)} on {cores} core{'s' * (cores > 1)} "
        f"({duration(total.seconds)} of one core), {room(total.megabytes)} on the disk"
    )


def printed(estimate: Estimate, cores: int) -> str:
    """Return a table of a study's costs by stage, and what all of it takes."""
    rows = [
        f"{'stage':10} {'jobs':>7} {'images':>12} {'core time':>10} {'GPU time':>9} {'disk':>8}"
    ]
    for name, cost in [*estimate.stages.items(), ("all", estimate.total)]:
        gpu = duration(cost.gpu_seconds) if cost.gpu_seconds else "-"
        rows.append(
            f"{name:10} {cost.jobs:7,} {cost.passes:12,.0f} {duration(cost.seconds):>10} {gpu:>9} "
            f"{room(cost.megabytes):>8}"
        )
    unknown = {
        name
        for task in estimate.study.tasks
        if ("pass", name := estimate.study.task_model(task).architecture) not in measured()
    }
    notes = [
        f"{estimate.study.study}: {summary(estimate, cores)}.",
        f"With a GPU: {summary(estimate, cores, 1)}.",
        "Images: how often one goes through a network, there and back. From measured costs, within "
        "about a factor of two; downloads are not counted.",
        *(f"{name} was never measured, and counts as resnet50." for name in sorted(unknown)),
    ]
    return "\n".join([*rows, "", *notes])


def main(arguments: Sequence[str]) -> int:
    """Print what studies cost.

    Parameters
    ----------
    arguments
        Of the command line: files of one study, the study first, and `--cores`.
    """
    parser = argparse.ArgumentParser(prog="rightreasons cost", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="the study, then changes to it")
    parser.add_argument("--cores", type=int, default=_cores(), help="cores of the machine")
    given = parser.parse_args(arguments)
    try:
        study = load_config(read_merged(given.files), [file.parent for file in given.files])
        print(printed(Estimate(Plan(study)), given.cores))
    except UserError as error:
        parser.exit(1, f"error: {error}\n")
    return 0


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
