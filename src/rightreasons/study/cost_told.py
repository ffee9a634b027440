"""What a study will cost, in words: `rightreasons cost STUDY.yaml`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rightreasons.core.errors import UserError
from rightreasons.runtime.clock import duration
from rightreasons.study.cost import Cost, Estimate, measured
from rightreasons.study.load import load_config, read_merged
from rightreasons.study.plan import Plan

#: Share of the time that cores are busy: jobs wait for others at the end of a stage.
BUSY = 0.85


def room(megabytes: float) -> str:
    """Return megabytes as a person says them."""
    if megabytes < 1000:
        return f"{megabytes:.0f} MB"
    return f"{megabytes / 1000:.1f} GB" if megabytes < 1e4 else f"{megabytes / 1000:,.0f} GB"


def of_run(
    estimate: Estimate, jobs: Mapping[str, int], cores: int, gpus: int = 0
) -> tuple[str, dict[str, float]]:
    """Return what some of a study's jobs cost, in words, and the seconds of one by stage.

    Parameters
    ----------
    estimate
        The study's costs.
    jobs
        How many jobs of each stage there are to run.
    cores, gpus
        What there is to run them on; 0 cores: a cluster.
    """
    run = Cost()
    on_gpu = 0.0
    for name, count in jobs.items():
        if (cost := estimate.stages.get(name)) is None:
            continue
        share = count / max(cost.jobs, 1)
        run.seconds += share * cost.seconds
        run.gpu_seconds += share * cost.gpu_seconds
        run.megabytes += share * cost.megabytes
        on_gpu += share * cost.seconds * bool(cost.gpu_seconds)
    disk = f"{room(run.megabytes)} of disk"
    plain = run.seconds - on_gpu
    seconds = {name: cost.seconds / max(cost.jobs, 1) for name, cost in estimate.stages.items()}
    if not cores:
        hours = f"about {duration(run.gpu_seconds)} of GPUs and {duration(plain)} of cores"
        return f"{hours} (without GPUs {duration(run.seconds)} of cores), {disk}", seconds
    if gpus:
        wall = max(run.gpu_seconds / gpus, plain / cores) / BUSY
        seconds |= {n: c.gpu_seconds / c.jobs for n, c in estimate.stages.items() if c.gpu_seconds}
        return f"about {duration(wall)} on {gpus} GPU{'s' * (gpus > 1)}, {disk}", seconds
    wall = run.seconds / cores / BUSY
    return f"about {duration(wall)} on {cores} core{'s' * (cores > 1)}, {disk}", seconds


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
    jobs = {name: cost.jobs for name, cost in estimate.stages.items()}
    notes = [
        f"{estimate.study.study}: {of_run(estimate, jobs, cores)[0]}.",
        f"With a GPU: {of_run(estimate, jobs, cores, 1)[0]}.",
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
