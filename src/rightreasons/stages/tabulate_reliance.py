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
    true_reliance: tuple[Path, ...]


class RelianceTables(Files):
    """What models rely on, and how well metrics of maps tell it."""

    reliance: Path = Path("reliance.parquet")
    yardstick: Path = Path("yardstick.parquet")


class RelianceJob(Job):
    """Make the tables `reliance` and `yardstick`.

    Attributes
    ----------
    original
        The method that metrics of pairs compare with.
    elsewhere
        The tasks whose ROI is the place of an artifact that is not their own.
    controls
        The explainers that are noise.
    chance
        The methods that are noise, which are left out.
    regions
        What tells each task's ROI from that of others.
    rate, null
        How claims are called, as `rightreasons.tables.claims.Calling` says.
    """

    input: RelianceInput
    output: RelianceTables
    original: str
    elsewhere: tuple[str, ...]
    controls: tuple[str, ...]
    chance: tuple[str, ...]
    regions: dict[str, str]
    rate: float
    null: Literal["auto", "conformal", "student"]


def tabulate_reliance(job: RelianceJob, running: Running) -> None:
    """Hold what saliency metrics claim against what models rely on, write."""
    import pandas as pd

    from rightreasons.tables.claims import Calling
    from rightreasons.tables.reliance import reliance
    from rightreasons.tables.schema import read_table
    from rightreasons.tables.yardstick import yardstick

    running.ready()
    cells = read_table(job.input.cell_metrics)
    stamp = str(cells["run"].iloc[0])
    truth = pd.concat(map(pd.read_parquet, job.input.true_reliance), ignore_index=True)
    found = reliance(
        cell_metrics=cells,
        maps=pd.concat(map(pd.read_parquet, job.input.map_means), ignore_index=True),
        truth=truth[~truth["method"].isin(job.chance)],
        original=job.original,
        elsewhere=job.elsewhere,
        controls=job.controls,
        regions=job.regions,
        calling=Calling(job.rate, job.null),
    )
    for name, table in (("reliance", found), ("yardstick", yardstick(found, job.original))):
        write_stamped([table] if len(table) else [], name, getattr(job.output, name), stamp)
