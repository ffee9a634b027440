"""LEACE: the least change of the features after which PA cannot be read from them linearly."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import LAYER, WeightingParams, features_of
from rightreasons.debias._decision import DecisionParams, pick_decision
from rightreasons.debias._erasure import leace_eraser


class LeaceParams(WeightingParams, DecisionParams):
    """What the eraser is fitted to, where it is, and how much of it is applied."""

    strength: float = Field(
        1.0, ge=0, le=1, description="share of the part that tells PA that is removed"
    )
    shrinkage: float = Field(
        0.1, ge=0, le=1, description="share of the covariance that a round one replaces"
    )
    layer: str = Field("penultimate", description=LAYER)


@METHODS.register(
    "leace",
    title="LEACE",
    paper="Belrose et al. 2023",
    params=LeaceParams,
    uses_protected=("fit",),
    random=False,
    style=("#0072B2", "D", "--"),
    presets={"published": {"cav_weighting": "images", "shrinkage": 0.0}},
    search={
        "strength": Real(0, 1, zero=0.125),
        "shrinkage": Real(1e-4, 1, log=True),
        "cav_weighting": Choice(("cells", "images")),
        "layer": Choice(("penultimate", "last_conv")),
    },
    knob="strength",
    inert=True,
    trains=False,
)
def leace(context: Context, params: LeaceParams) -> Debiased:
    """Return vanilla with x <- x - W^+ P W (x - mean) behind a layer, W the whitening."""
    import torch

    from rightreasons.models.classifier import Affine
    from rightreasons.models.layers import intervene

    model = context.vanilla()
    features = features_of(context, model, params.layer)
    read, write, mean = (
        torch.from_numpy(part)
        for part in leace_eraser(
            features.values,
            features.protected,
            weights=features.weights(params.cav_weighting),
            shrinkage=params.shrinkage,
            what="methods.leace",
        )
    )
    removed = params.strength * write
    eraser = Affine(read[None], -removed[None], (read @ mean) * removed)
    intervene(model, params.layer, eraser.float().to(context.device))
    model.eval()
    decision, chosen = pick_decision(context, model, params, "leace")
    angle = float(read @ write / (read.norm() * write.norm()))
    return Debiased(model, decision, {"cosine_of_read_and_write": angle, **chosen})
