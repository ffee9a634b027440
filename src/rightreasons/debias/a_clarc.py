"""A-ClArC: fine-tune while all images carry the protected attribute alike in their features."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.core.search import Choice, Passes, Real
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
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, fine_tune, run_notes


class AClarcParams(CavParams, OriginParams, TuningParams):
    """The direction, where it is, what is trained, and the budget."""

    strength: float = Field(
        1.0, ge=0, le=1, description="share of the part along the direction that is replaced"
    )
    layer: str = Field("penultimate", description=LAYER)
    freeze: Literal["none", "trunk", "convolutions"] = Field(
        "none", description="what stays as it is: trunk, or all convolutions and batch norms"
    )


@METHODS.register(
    "a_clarc",
    title="A-ClArC",
    paper="Anders et al. 2022",
    params=AClarcParams,
    uses_protected=("fit",),
    small={"steps": 6},
    style=("#009E73", ">", "--"),
    presets={
        "published": {
            "cav_weighting": "images",
            "origin": "attribute",
            "epochs": 1,
            "min_steps": 0,
            "batch_size": 128,
        },
    },
    search={
        "strength": Real(0, 1, zero=0.125),
        "steps": Passes(),
        "learning_rate": Real(1e-5, 1e-2, log=True),
        "freeze": Choice(("none", "trunk")),
        "origin": Choice(("cells", "all", "attribute")),
        "layer": Choice(("penultimate", "last_conv")),
        **CAV_SEARCH,
    },
    knob="strength",
)
def a_clarc(context: Context, params: AClarcParams) -> Debiased:
    """Return vanilla fine-tuned with x <- x - v v^T (x - z) in place, which is removed after it."""
    from rightreasons.models.layers import frozen, intervene, take_away

    model = context.vanilla()
    features = features_of(context, model, params.layer)
    cav, notes = protected_cav(features, params, "a_clarc")
    origin = origin_of(features, cav, params.origin)
    affine = projection(context, cav.direction, origin, params.strength)
    layer = intervene(model, params.layer, affine)
    with frozen(model, params.freeze):
        history = fine_tune(context, model, params, "a_clarc")
    take_away(model, layer)
    decision, chosen = pick_decision(context, model, params, "a_clarc")
    return Debiased(model, decision, {**notes, **run_notes(history), **chosen})
