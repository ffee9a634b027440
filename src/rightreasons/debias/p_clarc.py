"""P-ClArC: project the protected attribute out of the features, without training."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import (
    CAV_SEARCH,
    LAYER,
    CavParams,
    OriginParams,
    features_of,
    origin_of,
    projection,
    protected_cav,
)
from rightreasons.debias._decision import DecisionParams, pick_decision


class PClarcParams(CavParams, OriginParams, DecisionParams):
    """The direction, where it is, and how much of it is removed."""

    strength: float = Field(
        1.0, ge=0, le=1, description="share of the variation along the direction that is removed"
    )
    layer: str = Field("penultimate", description=LAYER)


@METHODS.register(
    "p_clarc",
    title="P-ClArC",
    paper="Anders et al. 2022",
    params=PClarcParams,
    uses_protected=("fit",),
    random=False,
    style=("#CC79A7", "<", "--"),
    presets={"published": {"cav_weighting": "images", "origin": "clean"}},
    search={
        "strength": Real(0, 1, zero=0.125),
        "origin": Choice(("cells", "all", "clean")),
        "layer": Choice(("penultimate", "last_conv")),
        **CAV_SEARCH,
    },
    knob="strength",
    inert=True,
    trains=False,
)
def p_clarc(context: Context, params: PClarcParams) -> Debiased:
    """Return vanilla with x <- x - v v^T (x - z) behind a layer."""
    from rightreasons.models.layers import intervene

    model = context.vanilla()
    features = features_of(context, model, params.layer)
    cav, notes = protected_cav(features, params, "p_clarc")
    origin = origin_of(features, cav, params.origin)
    affine = projection(context, cav.direction, origin, params.strength)
    intervene(model, params.layer, affine)
    model.eval()
    decision, chosen = pick_decision(context, model, params, "p_clarc")
    return Debiased(model, decision, {**notes, **chosen})
