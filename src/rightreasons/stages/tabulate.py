"""Join what all groups measured into the study's tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rightreasons.core.job import Cell, Files, Group, Job, Running
from rightreasons.tables.parameters import Comparing, TableOne, Timed

if TYPE_CHECKING:
    import pandas as pd


class TabulateInput(Files):
    """Splits and measures of each group, predictions and metadata of each cell, in their order."""

    splits: tuple[Path, ...]
    predictions: tuple[Path, ...]
    metadata: tuple[Path, ...]
    image_metrics: tuple[Path, ...]
    cell_metrics: tuple[Path, ...]
    tests: tuple[Path, ...]


class Tables(Files):
    """The tables that every study has."""

    splits: Path = Path("splits.parquet")
    predictions: Path = Path("predictions.parquet")
    image_metrics: Path = Path("image_metrics.parquet")
    cell_metrics: Path = Path("cell_metrics.parquet")
    tests: Path = Path("tests.parquet")
    leaderboard: Path = Path("leaderboard.parquet")
    associations: Path = Path("associations.parquet")
    provenance: Path = Path("provenance.parquet")


class CellsJob(Job):
    """A job about all cells.

    Attributes
    ----------
    study
        Its name.
    groups
        All groups of the study.
    methods
        The methods of each task, in the study's order: with `groups`, all cells.
    """

    study: str
    groups: tuple[Group, ...]
    methods: dict[str, tuple[str, ...]]

    def cells(self) -> list[Cell]:
        """Return all cells, methods fastest."""
        return [
            Cell(group=group, method=method)
            for group in self.groups
            for method in self.methods[group.task]
        ]


class TabulateJob(CellsJob):
    """Make the tables that every study has.

    Attributes
    ----------
    config
        The checked config as JSON.
    comparing
        What is compared, and how.
    """

    input: TabulateInput
    output: Tables
    config: str
    comparing: Comparing


def tabulate(job: TabulateJob, running: Running) -> None:
    """Collect, compare, rank, write."""
    from rightreasons.tables import tabulate as tables
    from rightreasons.tables.associations import associations
    from rightreasons.tables.comparisons import tests
    from rightreasons.tables.leaderboard import leaderboard
    from rightreasons.tables.schema import read_table

    running.ready()
    cells, files, progress = job.cells(), job.input, running.progress
    models = tables.models(job.study, cells, files.metadata)
    row = tables.provenance(job.study, job.config, models)
    stamp = row["run"].iloc[0]

    def write(name: str, parts: Iterable[pd.DataFrame]) -> None:
        write_stamped(parts, name, getattr(job.output, name), stamp)

    write("provenance", [row])
    write("splits", tables.splits(job.study, job.groups, files.splits))
    write("predictions", tables.predictions(job.study, cells, files.predictions))
    write("image_metrics", tables.parts(files.image_metrics, progress))
    write("cell_metrics", tables.parts(files.cell_metrics, progress))
    numbers = read_table(job.output.cell_metrics)
    tested = tests(
        job.comparing,
        list(tables.parts(files.tests, progress)),
        read_table(job.output.predictions),
        read_table(job.output.image_metrics),
    )
    write("tests", [tested])
    original = job.comparing.roles.original
    order = list(dict.fromkeys(method for names in job.methods.values() for method in names))
    write("leaderboard", [leaderboard(numbers, tested, order, original)])
    write("associations", [associations(numbers, original)])


def write_stamped(parts: Iterable[pd.DataFrame], name: str, path: Path, stamp: str) -> None:
    """Write the parts of a table, each with the provenance's key `run`."""
    from rightreasons.tables.schema import write_table

    write_table((part.assign(run=stamp) for part in parts), name, path)


def stamp_of(provenance: Path) -> str:
    """Return the provenance's key."""
    from rightreasons.tables.schema import read_table

    return str(read_table(provenance)["run"].iloc[0])


class RuntimesInput(Files):
    """Metadata of each cell's model, and what is made apart from the cells."""

    provenance: Path
    metadata: tuple[Path, ...]
    region: tuple[Path, ...]
    sanity: tuple[Path, ...]


class Runtimes(Files):
    """How long every job took."""

    runtimes: Path = Path("runtimes.parquet")


class RuntimesJob(CellsJob):
    """Make the table `runtimes`.

    Attributes
    ----------
    timed
        The study's jobs.
    """

    input: RuntimesInput
    output: Runtimes
    timed: tuple[Timed, ...]


def tabulate_runtimes(job: RuntimesJob, running: Running) -> None:
    """Read Snakemake's benchmark files and the models' metadata, write."""
    from rightreasons.tables import tabulate as tables

    running.ready()
    models = tables.models(job.study, job.cells(), job.input.metadata)
    table = tables.runtimes(job.study, job.timed, models)
    write_stamped([table], "runtimes", job.output.runtimes, stamp_of(job.input.provenance))


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


class RegionTablesInput(Files):
    """The measures of every patch classifier, in one order."""

    provenance: Path
    region: tuple[Path, ...]
    calibration: tuple[Path, ...]
    reliability: tuple[Path, ...]
    positions: tuple[Path, ...]
    maps: tuple[Path, ...]


class RegionTables(Files):
    """The tables of patch classifiers, each joined from the files of the same ending."""

    region_calibration: Path = Path("region_calibration.parquet")
    region_reliability: Path = Path("region_reliability.parquet")
    region_positions: Path = Path("region_positions.parquet")
    region_maps: Path = Path("region_maps.parquet")


class RegionTablesJob(Job):
    """Make the tables of patch classifiers."""

    input: RegionTablesInput
    output: RegionTables
    study: str


def tabulate_regions(job: RegionTablesJob, running: Running) -> None:
    """Add what each classifier is, write one table after the other."""
    from rightreasons.core.files import read_json
    from rightreasons.tables.regions import region_parts

    running.ready()
    stamp = stamp_of(job.input.provenance)
    records = [read_json(path) for path in job.input.region]
    for name in RegionTables.model_fields:
        files = getattr(job.input, name.removeprefix("region_"))
        parts = region_parts(name, job.study, files, records)
        write_stamped(parts, name, getattr(job.output, name), stamp)


class AttributionTablesInput(Files):
    """The table `cell_metrics`, and the predictions of each cell."""

    cell_metrics: Path
    predictions: tuple[Path, ...]


class AttributionTables(Files):
    """Table 1 of the data-attribution paper, and the grid behind it."""

    data_attribution: Path = Path("data_attribution.parquet")
    table_one: Path = Path("table_one.parquet")
    text: Path = Path("table_one.txt")


class AttributionTablesJob(CellsJob):
    """Make the tables of data attribution.

    Attributes
    ----------
    chosen
        The methods with their kinds and parameters.
    paper
        What Table 1 is made of.
    """

    input: AttributionTablesInput
    output: AttributionTables
    chosen: dict[str, dict[str, JsonValue]]
    paper: TableOne


def tabulate_attribution(job: AttributionTablesJob, running: Running) -> None:
    """Read the study's tables, compute, write."""
    import pandas as pd

    from rightreasons.tables import tabulate as tables
    from rightreasons.tables.schema import read_table
    from rightreasons.tables.table_one import grid, table_one
    from rightreasons.tables.table_one_text import save_text

    running.ready()
    cells = read_table(job.input.cell_metrics)
    stamp = str(cells["run"].iloc[0])
    held_out = pd.concat(tables.held_out(job.study, job.cells(), job.input.predictions))
    full = grid(cells, job.chosen, job.paper, held_out)
    best = table_one(full, job.paper)
    write_stamped([full], "data_attribution", job.output.data_attribution, stamp)
    write_stamped([best] if len(best) else [], "table_one", job.output.table_one, stamp)
    save_text(best, job.paper, job.output.text, classes=("class 0", "class 1"))


class RelianceInput(Files):
    """The study's tables that true reliance and the yardstick are computed from."""

    cell_metrics: Path
    image_metrics: Path
    predictions: Path


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
    injected
        The tasks whose protected attribute is an artifact.
    elsewhere
        The tasks whose ROI is the place of an artifact that is not their own.
    controls
        The explainers that are noise.
    """

    input: RelianceInput
    output: RelianceTables
    original: str
    injected: tuple[str, ...]
    elsewhere: tuple[str, ...]
    controls: tuple[str, ...]


def tabulate_reliance(job: RelianceJob, running: Running) -> None:
    """Hold what saliency metrics claim against what models rely on, write."""
    from rightreasons.tables.reliance import reliance, yardstick
    from rightreasons.tables.schema import read_table

    running.ready()
    cells = read_table(job.input.cell_metrics)
    stamp = str(cells["run"].iloc[0])
    found = reliance(
        cell_metrics=cells,
        image_metrics=read_table(job.input.image_metrics),
        predictions=read_table(job.input.predictions),
        original=job.original,
        injected=job.injected,
        elsewhere=job.elsewhere,
        controls=job.controls,
    )
    for name, table in (("reliance", found), ("yardstick", yardstick(found, job.original))):
        write_stamped([table] if len(table) else [], name, getattr(job.output, name), stamp)
