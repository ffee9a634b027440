"""Frontier: a threshold per group, the fairest pair that hardly costs accuracy (OxonFair)."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._group_thresholds import Criterion, best_pair
from rightreasons.debias._thresholds import LEAST_CELL


class FrontierParams(Params):
    """What is made fair, and at what price."""

    criterion: Criterion = Field(
        "equalized_odds",
        description="what is least: the gap of both rates, of the true positive rates, or the "
        "error of the worst cell",
    )
    tolerance: float = Field(
        0.02, ge=0, le=0.5, description="mean accuracy of the cells that may be lost"
    )
    grid: int = Field(200, ge=2, le=2000, description="most thresholds per group that are tried")
    least_cell: int = Field(
        LEAST_CELL, ge=1, description="fewest images of a cell by which thresholds are chosen"
    )


@METHODS.register(
    "frontier",
    title="Fairness frontier",
    paper="OxonFair: Delaney et al. 2024",
    params=FrontierParams,
    changes="decision",
    uses_protected=("fit", "decision"),
    random=False,
    search={
        "criterion": Choice(("equalized_odds", "equal_opportunity", "worst_group")),
        "tolerance": Real(0.0, 0.1),
    },
    all_cells=True,
)
def frontier(context: Context, params: FrontierParams) -> Debiased:
    """Return vanilla with the fairest accurate pair of thresholds on the debias split."""
    known = context.predictions
    chosen = best_pair(
        known["score"].to_numpy(),
        known["target"].to_numpy(),
        known["protected"].to_numpy(),
        criterion=params.criterion,
        tolerance=params.tolerance,
        grid=params.grid,
        least_cell=params.least_cell,
        what="methods.frontier",
    )
    return Debiased(decision=chosen.rule(), notes=chosen.notes())
