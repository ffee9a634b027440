"""Top fraction."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._located import SignParams, top_share


class TopFractionParams(SignParams):
    """Parameters of the top fraction."""

    top: float = Field(
        0.005, gt=0, le=1, description="Share of an image's pixels that count as its highest."
    )


@METRICS.register(
    "top_fraction",
    title="Top fraction",
    short="Top fraction",
    headline=("images",),
    paper="Searching for Unintended Biases With Saliency",
    params=TopFractionParams,
    needs="located",
    better="lower",
    bounds=(0, 1),
    claims=1,
    formula=r"\frac{|T_k \cap B|}{k},\quad k = \max(1, \mathrm{top} \cdot |M|)",
)
def top_fraction(located: LocatedMaps, params: TopFractionParams) -> np.ndarray:
    """Share of the highest pixels in the smallest rectangle around the ROI (N,).

    The number of pixels is rounded, halves up. Missing for an all-zero map or no ROI.
    """
    strength = located.strength(params.sign)
    pixels = strength[0].size
    count = np.full(len(strength), max(1, math.floor(params.top * pixels + 0.5)))
    shares = top_share(strength, located.boxes, count)
    return np.where(located.measurable(params.sign), shares, np.nan)
