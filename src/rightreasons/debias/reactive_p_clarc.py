"""Reactive P-ClArC: project PA out of the features of those images that seem to have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import (
    CAV_SEARCH,
    CavParams,
    Features,
    features_of,
    origin_of,
    projection,
    protected_cav,
)
from rightreasons.debias._decision import DecisionParams, pick_decision

if TYPE_CHECKING:
    import numpy as np

    from rightreasons.debias._cav import Cav
    from rightreasons.models.classifier import Classifier


class ReactivePClarcParams(CavParams, DecisionParams):
    """The direction, the condition, and what images that meet it get."""

    condition: Literal["attribute", "class", "both"] = Field(
        "attribute",
        description="who is corrected: images that look as if they have PA, images that vanilla "
        "gives the class that goes with PA, or those of which both is true",
    )
    cut: float = Field(
        0.5,
        description="where PA begins along the direction: 0 is the mean of images without it, 1 of "
        "those with it",
    )
    origin: Literal["clean", "all", "cells"] = Field(
        "clean",
        description="mean of the images without PA, of all, or of all with the same weight for "
        "each cell",
    )
    strength: float = Field(
        1.0, ge=0, le=1, description="share of the variation along the direction that is removed"
    )


@METHODS.register(
    "reactive_p_clarc",
    title="Reactive P-ClArC",
    paper="Bareeva et al. 2024",
    params=ReactivePClarcParams,
    uses_protected=("fit",),
    random=False,
    style=("#AA4499", "<", ":"),
    presets={"published": {"cav_weighting": "images", "condition": "both"}},
    search={
        "strength": Real(0, 1, zero=0.125),
        "condition": Choice(("attribute", "class", "both")),
        "cut": Real(0.2, 0.8),
        "origin": Choice(("clean", "cells")),
        **CAV_SEARCH,
    },
    knob="strength",
    inert=True,
    trains=False,
)
def reactive_p_clarc(context: Context, params: ReactivePClarcParams) -> Debiased:
    """Return vanilla with x <- x - v v^T (x - z) where an image meets the condition."""
    import numpy as np
    import torch

    from rightreasons.models.classifier import Gated

    model = context.vanilla()
    features = features_of(context, model)
    cav, notes = protected_cav(features, params, "reactive_p_clarc")
    origin = origin_of(features, cav, params.origin)
    affine = projection(context, cav.direction, origin, params.strength)
    rows = _half_spaces(model, features, cav, params)
    gates, thresholds = (
        torch.as_tensor(np.array(part), dtype=torch.float32, device=context.device)
        for part in zip(*rows, strict=True)
    )
    model.intervention = gated = Gated(affine, gates, thresholds)
    model.eval()
    with torch.no_grad():
        met = gated.met(torch.from_numpy(features.values).to(context.device)).float().mean()
    decision, chosen = pick_decision(context, model, params, "reactive_p_clarc")
    return Debiased(model, decision, {**notes, "corrected": float(met), **chosen})


def _half_spaces(
    model: Classifier, features: Features, cav: Cav, params: ReactivePClarcParams
) -> list[tuple[np.ndarray, float]]:
    """Return normal (d,) and threshold of each half-space in which a corrected image lies."""
    found = []
    if params.condition in ("attribute", "both"):
        point = cav.mean_without + params.cut * (cav.mean_with - cav.mean_without)
        found.append((cav.direction, float(point @ cav.direction)))
    if params.condition in ("class", "both"):
        share = [features.target[features.protected == a].mean() for a in (0, 1)]
        sign = 1 if share[1] >= share[0] else -1
        weight, bias = (part.detach().cpu().double().numpy() for part in model.head.parameters())
        found.append((sign * (weight[1] - weight[0]), float(sign * (bias[0] - bias[1]))))
    return found
