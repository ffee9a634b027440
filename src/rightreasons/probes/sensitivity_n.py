"""Sensitivity-n: whether the relevance of some pixels says how far the logit falls without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.probes import PROBES, Probing
from rightreasons.probes._boxes import boxes, sums
from rightreasons.probes._params import BaselineParams, Share

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


class SensitivityParams(BaselineParams):
    """Parameters of sensitivity-n."""

    grid: int = Field(
        16,
        ge=0,
        description="Boxes per side: grid x grid boxes cover the image, and each is hidden as a "
        "whole; 0: every pixel is a box.",
    )
    shares: list[Share] = Field(
        [0.1, 0.3, 0.5], min_length=1, description="n, as shares of the boxes."
    )
    samples: int = Field(32, ge=3, description="Random sets of n boxes for each n.")


@PROBES.register(
    "sensitivity_n",
    title="Sensitivity-n",
    paper="Ancona et al. 2018",
    params=SensitivityParams,
    family="faithfulness",
    sign="signed",
    needs=("passes",),
    bounds=(-1, 1),
    formula=r"\mathrm{mean}_n\,\rho_S\left(\sum_{i \in S} r_i,\ f(x) - f(x_{\setminus S})\right),"
    r"\quad |S| = n",
    order=4,
    small={"grid": 4, "samples": 8, "shares": [0.3]},
)
def sensitivity_n(given: Probing, params: SensitivityParams) -> Array:
    """Return the mean over n of Pearson's correlation over random sets of n boxes.

    1 where relevance adds up to what the logit loses. NaN where either is the same for all sets.
    """
    box = boxes(params.grid, given.size)
    relevance = sums(given.maps, box)
    hidden = given.shared("hidden", lambda: _hidden(given, params, relevance.shape[1]))
    falls = given.shared("falls", lambda: _falls(given, params, hidden[..., box]))
    claims = np.einsum("nkp,np->nk", hidden, relevance)
    by_n = [x.reshape(len(x), len(params.shares), -1) for x in (claims, falls)]
    return pearson(*by_n).mean(axis=1)


def pearson(one: Array, other: Array) -> Array:
    """Return the correlation (...,) over the last axis, NaN where one of them is constant."""
    a, b = (x - x.mean(axis=-1, keepdims=True) for x in (one, other))
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    varies = (np.ptp(one, axis=-1) > 0) & (np.ptp(other, axis=-1) > 0)
    out = np.full(scale.shape, np.nan)
    return np.divide((a * b).sum(axis=-1), scale, out=out, where=varies & (scale > 0)).clip(-1, 1)


def _hidden(given: Probing, params: SensitivityParams, count: int) -> Array:
    """Return which boxes are in which set, bool (n, shares x samples, P)."""
    sets = np.zeros((len(given.maps), len(params.shares) * params.samples, count), bool)
    sizes = np.repeat([max(1, round(share * count)) for share in params.shares], params.samples)
    for i, of_image in enumerate(sets):
        rng = given.rng(i, "sets")
        for row, size in zip(of_image, sizes, strict=True):
            row[rng.permutation(count)[:size]] = True
    return sets


def _falls(given: Probing, params: SensitivityParams, hidden: Array) -> Array:
    """Return how far the logit falls without each set; hidden: bool (n, sets, H, W)."""
    from rightreasons.probes._hidden import falls

    return falls(given, hidden, params.baseline)
