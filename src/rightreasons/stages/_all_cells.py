"""What jobs about many cells share. It knows no table, so that no table's words make them stale."""

from __future__ import annotations

from rightreasons.core.job import Cell, Group, Job


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
