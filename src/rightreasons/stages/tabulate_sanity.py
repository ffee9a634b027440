"""Join the sanity checks of all cells into the study's table."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Cell, Files, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped


class SanityTableInput(Files):
    """The sanity checks, in the order of `SanityTableJob.cells`."""

    provenance: Path
    sanity: tuple[Path, ...]


class SanityTable(Files):
    """The study's sanity checks."""

    sanity: Path = Path("sanity.parquet")


class SanityTableJob(Job):
    """Make the table `sanity`."""

    input: SanityTableInput
    output: SanityTable
    study: str
    cells: tuple[Cell, ...]


def tabulate_sanity(job: SanityTableJob, running: Running) -> None:
    """Add the cell key, write."""
    from rightreasons.tables import tabulate as tables

    running.ready()
    parts = tables.sanity(job.study, job.cells, job.input.sanity)
    write_stamped(parts, "sanity", job.output.sanity, stamp_of(job.input.provenance))
