"""What jobs that make tables share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.core.job import Cell, Group, Job

if TYPE_CHECKING:
    from rightreasons.tables.schema import Rows


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


def write_stamped(parts: Iterable[Rows], name: str, path: Path, stamp: str) -> None:
    """Write the parts of a table, each with the provenance's key `run`."""
    import pandas as pd

    from rightreasons.tables.rows import keyed
    from rightreasons.tables.schema import write_table

    def stamped(part: Rows) -> Rows:
        if isinstance(part, pd.DataFrame):
            return part.assign(run=stamp)
        return keyed(part, {"run": stamp})

    write_table(map(stamped, parts), name, path)


def stamp_of(provenance: Path) -> str:
    """Return the provenance's key."""
    from rightreasons.tables.schema import read_table

    return str(read_table(provenance)["run"].iloc[0])
