"""Infidelity: how far relevance is from what the logit loses when squares are hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.probes import PROBES, Probing
from rightreasons.probes._params import BASELINE, Baseline

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


class InfidelityParams(Params):
    """Parameters of infidelity."""

    samples: int = Field(64, ge=2, description="Random squares.")
    largest: float = Field(
        0.3, gt=0, le=1, description="Side of the largest square, as a share of the shorter side."
    )
    baseline: Baseline = BASELINE
    scaled: bool = Field(
        True,
        description="Scale each map to the smallest infidelity, so that its unit does not count.",
    )


@PROBES.register(
    "infidelity",
    title="Infidelity",
    paper="Yeh et al. 2019",
    params=InfidelityParams,
    family="faithfulness",
    better="lower",
    sign="signed",
    needs=("passes",),
    bounds=(0, float("inf")),
    formula=r"E_S\left[\left(\beta \sum_{i \in S} r_i"
    r" - (f(x) - f(x_{\setminus S}))\right)^2\right]",
    order=5,
    small={"samples": 8},
)
def infidelity(given: Probing, params: InfidelityParams) -> Array:
    """Return the mean square over random squares S, in logits squared.

    NaN where the map has no relevance in any square.
    """
    from rightreasons.probes._hidden import falls

    hidden = given.shared("hidden", lambda: _squares(given, params))
    lost = given.shared("falls", lambda: falls(given, hidden, params.baseline))
    claims = np.einsum("nkhw,nhw->nk", hidden, given.maps)
    size = (claims**2).mean(axis=1)
    beta = np.ones(len(size))
    if params.scaled:
        np.divide((claims * lost).mean(axis=1), size, out=beta, where=size > 0)
    return np.where(size > 0, ((beta[:, None] * claims - lost) ** 2).mean(axis=1), np.nan)


def _squares(given: Probing, params: InfidelityParams) -> Array:
    """Return squares of random side and place, bool (n, samples, H, W)."""
    height, width = given.size
    most = max(1, round(params.largest * min(given.size)))
    made = np.zeros((len(given.maps), params.samples, height, width), bool)
    for i, of_image in enumerate(made):
        rng = given.rng(i, "squares")
        for one, side in zip(of_image, rng.integers(1, most + 1, params.samples), strict=True):
            top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
            one[top : top + side, left : left + side] = True
    return made
