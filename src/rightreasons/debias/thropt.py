"""ThrOpt: one decision threshold for everybody, chosen for equalized odds."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.core.search import Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._thresholds import CAUTION, LEAST_CELL, choose_threshold
from rightreasons.learning.decisions import Decision


class ThroptParams(Params):
    """How much accuracy a fairer threshold may cost, and how sure it must be fairer."""

    tolerance: float = Field(
        0.02, ge=0, le=0.5, description="mean accuracy of the cells that may be lost"
    )
    caution: float = Field(
        CAUTION,
        ge=0,
        description="standard errors by which the fairest threshold must be fairer than one nearer "
        "0.5; 0: the fairest, however small the cells",
    )
    least_cell: int = Field(
        LEAST_CELL, ge=1, description="fewest images of a cell by which a threshold is chosen"
    )


@METHODS.register(
    "thropt",
    title="ThrOpt",
    paper="threshold optimisation on the debias split",
    params=ThroptParams,
    changes="decision",
    uses_protected=("fit",),
    random=False,
    style=("#56B4E9", "^", ":"),
    presets={"published": {"tolerance": 0.5, "caution": 0.0, "least_cell": 1}},
    search={"tolerance": Real(0.0, 0.1), "caution": Real(0.0, 2.0, zero=0.125)},
    all_cells=True,
)
def thropt(context: Context, params: ThroptParams) -> Debiased:
    """Return vanilla with a threshold that equalises odds on the debias split."""
    known = context.predictions
    chosen = choose_threshold(
        known["score"].to_numpy(),
        known["target"].to_numpy(),
        known["protected"].to_numpy(),
        params.tolerance,
        "methods.thropt",
        params.caution,
        params.least_cell,
    )
    return Debiased(decision=Decision(chosen.threshold), notes=chosen.notes())
