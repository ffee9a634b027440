"""INLP: project out the normals of classifiers of PA, round after round."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import LAYER, WeightingParams, features_of, projection
from rightreasons.debias._decision import DecisionParams, pick_decision
from rightreasons.debias._erasure import inlp_directions


class InlpParams(WeightingParams, DecisionParams):
    """The classifiers, where they are fitted, and how much of their span is removed."""

    rounds: int = Field(2, ge=1, description="classifiers, each of what is left by those before")
    regularisation: float = Field(10.0, gt=0, description="strength of their L2 penalty")
    origin: Literal["zero", "all", "cells"] = Field(
        "cells",
        description="whose part along the normals all images get: 0, the mean of all, or with the "
        "same weight for each cell",
    )
    strength: float = Field(
        1.0, ge=0, le=1, description="share of the part along the normals that is removed"
    )
    layer: str = Field("penultimate", description=LAYER)


@METHODS.register(
    "inlp",
    title="INLP",
    paper="Ravfogel et al. 2020",
    params=InlpParams,
    uses_protected=("fit",),
    random=False,
    style=("#56B4E9", "d", "--"),
    presets={"published": {"rounds": 35, "cav_weighting": "images", "origin": "zero"}},
    search={
        "strength": Real(0, 1, zero=0.125),
        "rounds": Choice((1, 2, 4, 8, 16, 32)),
        "regularisation": Real(1e-3, 1e3, log=True),
        "cav_weighting": Choice(("cells", "images")),
        "layer": Choice(("penultimate", "last_conv")),
    },
    knob="strength",
    inert=True,
    trains=False,
)
def inlp(context: Context, params: InlpParams) -> Debiased:
    """Return vanilla with x <- x - Q^T Q (x - z) behind a layer, Q a basis of the normals."""
    import numpy as np

    from rightreasons.models.layers import intervene

    model = context.vanilla()
    features = features_of(context, model, params.layer)
    directions = inlp_directions(
        features.values,
        features.protected,
        rounds=params.rounds,
        weights=features.weights(params.cav_weighting),
        regularisation=params.regularisation,
        what="methods.inlp",
    )
    weights = features.cells if params.origin == "cells" else None
    mean = np.average(features.values.astype(np.float64), axis=0, weights=weights)
    origin = 0 * mean if params.origin == "zero" else mean
    intervene(model, params.layer, projection(context, directions, origin, params.strength))
    model.eval()
    decision, chosen = pick_decision(context, model, params, "inlp")
    return Debiased(model, decision, {"rounds": len(directions), **chosen})
