"""Join what all groups measured into the study's tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.core.job import Files, Running
from rightreasons.stages._all_cells import CellsJob
from rightreasons.stages._tables import write_stamped
from rightreasons.tables.parameters import Described

if TYPE_CHECKING:
    from rightreasons.tables.schema import Rows


class TabulateInput(Files):
    """Splits and measures of each group, predictions and metadata of each cell, in their order.

    Attributes
    ----------
    tests
        Of maps, from the measures of each group.
    compared
        Of methods, of each level.
    """

    splits: tuple[Path, ...]
    predictions: tuple[Path, ...]
    metadata: tuple[Path, ...]
    image_metrics: tuple[Path, ...]
    cell_metrics: tuple[Path, ...]
    groups: tuple[Path, ...]
    tests: tuple[Path, ...]
    compared: tuple[Path, ...]


class Tables(Files):
    """The tables that every study has."""

    splits: Path = Path("splits.parquet")
    predictions: Path = Path("predictions.parquet")
    image_metrics: Path = Path("image_metrics.parquet")
    cell_metrics: Path = Path("cell_metrics.parquet")
    groups: Path = Path("groups.parquet")
    tests: Path = Path("tests.parquet")
    leaderboard: Path = Path("leaderboard.parquet")
    associations: Path = Path("associations.parquet")
    methods: Path = Path("methods.parquet")
    provenance: Path = Path("provenance.parquet")


class TabulateJob(CellsJob):
    """Make the tables that every study has.

    Attributes
    ----------
    config
        The checked config as JSON.
    original
        The method that changes are against.
    described
        What is known of each method without running it.
    compositions
        By design, what each role of its splits holds.
    """

    input: TabulateInput
    output: Tables
    config: str
    original: str
    described: dict[str, Described]
    compositions: dict[str, dict[str, str]]


def tabulate(job: TabulateJob, running: Running) -> None:
    """Collect, rank, write: of what there is for every image, never more than a group at once."""
    from rightreasons.tables import tabulate as tables
    from rightreasons.tables.associations import associations
    from rightreasons.tables.leaderboard import leaderboard
    from rightreasons.tables.schema import read_table

    running.ready()
    cells, files, progress = job.cells(), job.input, running.progress
    models = tables.models(job.study, cells, files.metadata)
    row = tables.provenance(job.study, job.config, models)
    stamp = row["run"].iloc[0]

    def write(name: str, parts: Iterable[Rows]) -> None:
        write_stamped(parts, name, getattr(job.output, name), stamp)

    write("provenance", [row])
    write("splits", tables.splits(job.study, job.groups, files.splits, job.compositions))
    write("predictions", tables.predictions(job.study, cells, files.predictions))
    write("image_metrics", tables.image_metrics(files.image_metrics, progress))
    write("cell_metrics", tables.parts(files.cell_metrics, progress))
    write("groups", tables.parts(files.groups, progress))
    write("tests", tables.parts((*files.tests, *files.compared), progress))
    numbers, tested = read_table(job.output.cell_metrics), read_table(job.output.tests)
    order = list(dict.fromkeys(method for names in job.methods.values() for method in names))
    write("methods", [tables.methods(job.study, cells, files.metadata, job.described)])
    write("leaderboard", [leaderboard(numbers, tested, order, job.original, job.described)])
    chance = [name for name, known in job.described.items() if known.noise]
    looking = numbers[~numbers["method"].isin(chance)]
    write("associations", [associations(looking, job.original)])
