"""Relevance rank accuracy."""

from __future__ import annotations

import numpy as np

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._located import SignParams, top_share


@METRICS.register(
    "relevance_rank_accuracy",
    title="Relevance rank accuracy",
    short="Rank accuracy",
    paper="Arras et al. 2022",
    params=SignParams,
    needs="located",
    better="lower",
    bounds=(0, 1),
    claims=1,
    formula=r"\frac{|T_{|R|} \cap R|}{|R|}",
)
def relevance_rank_accuracy(located: LocatedMaps, params: SignParams) -> np.ndarray:
    """Share in the ROI of as many highest pixels as the ROI has (N,).

    Missing for an all-zero map or no ROI.
    """
    strength = located.strength(params.sign)
    shares = top_share(strength, located.masks, np.maximum(located.roi_pixels, 1))
    return np.where(located.measurable(params.sign), shares, np.nan)
