"""ThrOpt: one decision threshold for everybody, chosen for equalized odds."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._thresholds import choose_threshold
from rightreasons.learning.decisions import Decision


class ThroptParams(Params):
    """How much accuracy a fairer threshold may cost."""

    tolerance: float = Field(
        0.02, ge=0, le=0.5, description="balanced accuracy that may be lost against the best"
    )


@METHODS.register(
    "thropt",
    title="ThrOpt",
    paper="threshold optimisation on the debias split",
    params=ThroptParams,
    changes="decision",
    uses_protected=("fit",),
    all_cells=True,
    random=False,
    style=("#56B4E9", "^", ":"),
)
def thropt(context: Context, params: ThroptParams) -> Debiased:
    """Return vanilla with the threshold of least equalized odds on the debias split."""
    known = context.predictions
    chosen = choose_threshold(
        known["score"].to_numpy(),
        known["target"].to_numpy(),
        known["protected"].to_numpy(),
        params.tolerance,
        "methods.thropt",
    )
    return Debiased(decision=Decision(chosen.threshold), notes=chosen.notes())
