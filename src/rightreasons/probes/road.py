"""ROAD: whether the class survives when its most relevant pixels are filled in from around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.probes import PROBES, Probing
from rightreasons.probes._boxes import known, places
from rightreasons.probes._params import Share

if TYPE_CHECKING:
    import torch

    from rightreasons.probes._probing import Array


class RoadParams(Params):
    """Parameters of ROAD."""

    shares: list[Share] = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9],
        min_length=1,
        description="Shares of the pixels that are filled in.",
    )
    noise: float = Field(
        0.01, ge=0, description="Standard deviation of the noise on what is filled in (normalised)."
    )


@PROBES.register(
    "road",
    title="ROAD",
    paper="Rong et al. 2022",
    params=RoadParams,
    family="faithfulness",
    better="lower",
    sign="signed",
    needs=("passes",),
    bounds=(0, 1),
    formula=r"\frac{1}{K} \sum_k [\hat y(\tilde x_{\setminus s_k}) = \hat y(x)]",
    order=3,
    small={"shares": [0.2, 0.6]},
)
def road(given: Probing, params: RoadParams) -> Array:
    """Return the share of fillings after which the network still decides for the class explained.

    NaN where it does not decide for it to begin with.
    """
    place, count = places(given, 0)
    filled = _filled(given, place, [round(share * count) for share in params.shares], params.noise)
    logits = given.outputs(len(params.shares), lambda image, copy: filled[image, copy])
    kept = given.asked(logits) > logits.sum(axis=-1) - given.asked(logits)
    first = given.before()
    decided = given.asked(first) > first.sum(axis=-1) - given.asked(first)
    return known(kept.mean(axis=1), given.empty | ~decided)


def _filled(given: Probing, place: Array, counts: list[int], noise: float) -> torch.Tensor:
    """Return the images (n, K, 3, H, W) with their first pixels in `place` filled in."""
    import torch

    from rightreasons.probes._impute import impute

    images = given.inputs.double().cpu().numpy()
    made = np.empty((len(images), len(counts), *images.shape[1:]), np.float32)
    for i, image in enumerate(images):
        for k, count in enumerate(counts):
            hidden = place[i] < count
            drawn = noise * given.rng(i, "noise", k).standard_normal(image.shape)
            made[i, k] = np.where(hidden, impute(image, hidden) + drawn, image)
    return torch.from_numpy(made).to(given.inputs)
