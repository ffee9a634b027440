"""MPRT: how alike maps stay while the network's layers are made random, output first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics._similarity import similarity
from rightreasons.probes import PROBES, Probing

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


class MprtParams(Params):
    """Parameters of MPRT."""

    stages: int = Field(
        4, ge=2, description="Steps in which all layers are made random, the head alone first."
    )
    similarity: Literal["ssim", "spearman"] = Field(
        "ssim", description="Structural similarity, or rank correlation over pixels, of |r|."
    )


@PROBES.register(
    "mprt",
    title="Model parameter randomisation (MPRT)",
    paper="Adebayo et al. 2018",
    params=MprtParams,
    family="randomisation",
    better="lower",
    needs=("maps", "fresh"),
    bounds=(-1, 1),
    formula=r"\mathrm{mean}_k\,\mathrm{sim}(|R|, |R_k|)",
    order=30,
    small={"stages": 2},
)
def mprt(given: Probing, params: MprtParams) -> Array:
    """Return the mean over the steps of the similarity to the map of the trained network.

    The explainer draws the same random numbers for all networks.
    """
    from rightreasons.saliency.sanity import cascade

    before = given.explain()
    steps = cascade(given.model, given.fresh(), params.stages)
    made = [
        similarity(before, given.explain(model=network), params.similarity)
        for _, _, network in steps
    ]
    return np.mean(made, axis=0)
