"""Make Table 1 of the data-attribution paper, and the grid behind it."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from rightreasons.core.job import Files, Running
from rightreasons.stages._all_cells import CellsJob
from rightreasons.stages._tables import write_stamped
from rightreasons.tables.parameters import TableOne


class AttributionTablesInput(Files):
    """The table `cell_metrics`, and the predictions of each cell."""

    cell_metrics: Path
    predictions: tuple[Path, ...]


class AttributionTables(Files):
    """Table 1 of the data-attribution paper, and the grid behind it."""

    data_attribution: Path = Path("data_attribution.parquet")
    table_one: Path = Path("table_one.parquet")


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
    from rightreasons.tables import tabulate as tables
    from rightreasons.tables.schema import read_table
    from rightreasons.tables.table_one import grid, table_one

    running.ready()
    cells = read_table(job.input.cell_metrics)
    stamp = str(cells["run"].iloc[0])
    held_out = tables.held_out(job.study, job.cells(), job.input.predictions)
    full = grid(cells, job.chosen, job.paper, held_out)
    best = table_one(full, job.paper)
    write_stamped([full], "data_attribution", job.output.data_attribution, stamp)
    write_stamped([best] if len(best) else [], "table_one", job.output.table_one, stamp)
