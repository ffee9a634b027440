"""Ask every conclusion in every universe, and say which conclusions change."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Group, Running
from rightreasons.stages._all_cells import CellsJob
from rightreasons.stages._tables import stamp_of, write_stamped
from rightreasons.tables.asked import Asked


class MultiverseTablesInput(Files):
    """Predictions of each cell, and what `universe` wrote of the groups whose maps count."""

    provenance: Path
    predictions: tuple[Path, ...]
    universes: tuple[Path, ...]


class MultiverseTables(Files):
    """Conclusions in all universes, and how robust they are."""

    multiverse: Path = Path("multiverse.parquet")
    robustness: Path = Path("robustness.parquet")


class MultiverseTablesJob(CellsJob):
    """Make the tables `multiverse` and `robustness`.

    Attributes
    ----------
    measured
        The groups of `universes`, in their order.
    asked
        What is asked.
    """

    input: MultiverseTablesInput
    output: MultiverseTables
    measured: tuple[Group, ...]
    asked: Asked


def tabulate_multiverse(job: MultiverseTablesJob, running: Running) -> None:
    """Ask, hold the answers against the default ones, write."""
    from rightreasons.tables.multiverse import multiverse, robustness

    running.ready()
    stamp = stamp_of(job.input.provenance)
    universes = multiverse(
        job.asked,
        job.study,
        zip(job.cells(), job.input.predictions, strict=True),
        zip(job.measured, job.input.universes, strict=True),
        running.progress,
    )
    for name, table in (("multiverse", universes), ("robustness", robustness(universes))):
        write_stamped([table] if len(table) else [], name, getattr(job.output, name), stamp)
