"""Hold what saliency metrics claim against what models rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rightreasons.core.job import Files, Job, Running
from rightreasons.stages._tables import write_stamped


class RelianceInput(Files):
    """The table `cell_metrics`, and what was found of maps and models at each level."""

    cell_metrics: Path
    map_means: tuple[Path, ...]
    map_halves: tuple[Path, ...]
    true_reliance: tuple[Path, ...]


class RelianceTables(Files):
    """What models rely on, and how well metrics of maps tell it."""

    reliance: Path = Path("reliance.parquet")
    yardstick_tasks: Path = Path("yardstick_tasks.parquet")
    yardstick: Path = Path("yardstick.parquet")
    yardstick_debiased: Path = Path("yardstick_debiased.parquet")
    yardstick_transfer: Path = Path("yardstick_transfer.parquet")
    retest: Path = Path("retest.parquet")


class RelianceJob(Job):
    """Make the table `reliance`, those of the yardstick, and `retest`.

    Attributes
    ----------
    original
        The method that metrics of pairs compare with.
    elsewhere
        The tasks whose ROI is the place of an artifact that is not their own.
    controls
        The explainers that are noise.
    blind
        The explainers that see neither network nor class, these among them.
    chance
        The methods that are noise, which are left out.
    copies
        The methods whose maps are the original's.
    regions
        What tells each task's ROI from that of others.
    kinds
        The network and the shortcut of each task.
    rate, null
        How claims are called, as `rightreasons.tables.claims.Calling` says.
    """

    input: RelianceInput
    output: RelianceTables
    original: str
    elsewhere: tuple[str, ...]
    controls: tuple[str, ...]
    blind: tuple[str, ...]
    chance: tuple[str, ...]
    copies: tuple[str, ...]
    regions: dict[str, str]
    kinds: dict[str, dict[str, str]]
    rate: float
    null: Literal["auto", "conformal", "student"]


def tabulate_reliance(job: RelianceJob, running: Running) -> None:
    """Hold what saliency metrics claim against what models rely on, write."""
    import pandas as pd

    from rightreasons.tables.claims import Calling
    from rightreasons.tables.reliance import reliance
    from rightreasons.tables.retest import retest
    from rightreasons.tables.schema import read_table
    from rightreasons.tables.yardstick import yardstick
    from rightreasons.tables.yardstick_debiased import yardstick_debiased
    from rightreasons.tables.yardstick_tasks import by_task, held
    from rightreasons.tables.yardstick_transfer import yardstick_transfer

    running.ready()
    cells = read_table(job.input.cell_metrics)
    stamp = str(cells["run"].iloc[0])
    means, halves, truth = (
        pd.concat(map(pd.read_parquet, paths), ignore_index=True)
        for paths in (job.input.map_means, job.input.map_halves, job.input.true_reliance)
    )
    found = reliance(
        cell_metrics=cells,
        maps=means,
        truth=truth[~truth["method"].isin(job.chance)],
        original=job.original,
        elsewhere=job.elsewhere,
        controls=job.controls,
        regions=job.regions,
        calling=Calling(job.rate, job.null),
    )
    rows = held(found, job.original)
    tasks = by_task(rows)
    study = str(cells["study"].iloc[0])
    tables = {
        "reliance": found,
        "yardstick_tasks": tasks,
        "yardstick": yardstick(rows, tasks, rate=job.rate, copies=job.copies),
        "yardstick_debiased": yardstick_debiased(rows, job.original, job.copies),
        "yardstick_transfer": yardstick_transfer(tasks, job.kinds, job.blind),
        "retest": retest(rows, halves, job.copies),
    }
    for name, table in tables.items():
        parts = [table.assign(study=study)] if len(table) else []
        write_stamped(parts, name, getattr(job.output, name), stamp)
