"""P-ClArC: project the protected attribute out of the features, without training."""

from __future__ import annotations

from pydantic import Field

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import CavParams, penultimate_cav, projection
from rightreasons.debias._decision import DecisionParams, pick_decision


class PClarcParams(CavParams, DecisionParams):
    """The direction and how much of it is removed."""

    strength: float = Field(
        1.0, ge=0, le=1, description="share of the variation along the direction that is removed"
    )


@METHODS.register(
    "p_clarc",
    title="P-ClArC",
    paper="Anders et al. 2022",
    params=PClarcParams,
    uses_protected=("fit",),
    random=False,
    style=("#CC79A7", "<", "--"),
)
def p_clarc(context: Context, params: PClarcParams) -> Debiased:
    """Return vanilla with x <- x - v v^T (x - z), z the mean feature of images without PA."""
    model = context.vanilla()
    cav = penultimate_cav(context, model, params, "p_clarc")
    model.intervention = projection(context, cav, cav.mean_without, params.strength)
    model.eval()
    decision, chosen = pick_decision(context, model, params, "p_clarc")
    return Debiased(model, decision, {"cav_auroc": cav.quality, **chosen})
