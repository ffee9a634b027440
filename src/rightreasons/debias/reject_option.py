"""Reject option: near 0.5 the deprived group gets class 1 and the other class 0 (Kamiran 2012)."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.core.search import Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._group_thresholds import (
    best_width,
    deprived_group,
    judge_pair,
    pair_of_band,
)
from rightreasons.debias._thresholds import LEAST_CELL, cell_sizes, check_cells


class RejectOptionParams(Params):
    """The band, or how it is chosen."""

    width: float | None = Field(
        None,
        ge=0,
        lt=0.5,
        description="half the width of the band around 0.5; none: chosen on the debias split",
    )
    tolerance: float = Field(
        0.02,
        ge=0,
        le=0.5,
        description="mean accuracy of the cells that may be lost where the width is chosen",
    )
    least_cell: int = Field(
        LEAST_CELL, ge=1, description="fewest images of a cell by which a width is chosen"
    )


@METHODS.register(
    "reject_option",
    title="Reject option",
    paper="Kamiran, Karim, Zhang 2012",
    params=RejectOptionParams,
    changes="decision",
    uses_protected=("fit", "decision"),
    random=False,
    small={"tolerance": 0.2},  # else the width may be 0
    search={"width": Real(0.0, 0.49, zero=0.125)},
    knob="width",
    inert=True,
    all_cells=True,
)
def reject_option(context: Context, params: RejectOptionParams) -> Debiased:
    """Return vanilla with the uncertain decisions turned in favour of the deprived group."""
    known = context.predictions
    score, target, protected = (known[name].to_numpy() for name in ("score", "target", "protected"))
    check_cells(target, protected, "methods.reject_option")
    deprived = deprived_group(score, target, protected)
    width, too_few = params.width, False
    if width is None:
        too_few = bool(cell_sizes(target, protected).min() < params.least_cell)
        width = 0.0
        if not too_few:
            width = best_width(score, target, protected, deprived, params.tolerance)
    chosen = judge_pair(score, target, protected, pair_of_band(width, deprived), too_few)
    notes = {**chosen.notes(), "deprived": deprived, "width": width}
    return Debiased(decision=chosen.rule(), notes=notes)
