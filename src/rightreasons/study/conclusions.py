"""What a study can conclude about methods: said when it is planned, before anything is computed."""

from __future__ import annotations

from rightreasons.statistics.power import Spread, smallest_effect
from rightreasons.study.grid import Grid

POWER = 0.8


def conclusions(grid: Grid) -> str:
    """Return in one line what a study can conclude about methods.

    Returns
    -------
    str
        Empty where no method is compared with another: then there is nothing to conclude. With one
        seed there is no conclusion about methods; with more it is the smallest difference from the
        original that is found with power 0.8 after Holm's correction over the task with the most
        methods, in standard deviations of the difference over seeds.
    """
    family = max(_compared(grid, task) for task in grid.study.tasks)
    seeds = len(grid.study.seeds)
    if not family:
        return ""
    if seeds == 1:
        return "one run: no conclusion about methods (docs/statistics.md)"
    smallest = smallest_effect(Spread(1.0), seeds, power=POWER, family=family)
    return (
        f"{seeds} seeds, {family} method{'s' * (family > 1)} beside {grid.original}: a difference "
        f"is found with power {POWER:g} from {smallest:.2g} standard deviations over seeds up "
        "(docs/statistics.md)"
    )


def _compared(grid: Grid, task: str) -> int:
    """Return how many methods of a task share a correction when compared with the original."""
    return sum(
        not (method == grid.original or grid.control_of(method) or grid.trait(method, "noise"))
        for method in grid.methods(task)
    )
