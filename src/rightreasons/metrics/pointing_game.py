"""Pointing game."""

from __future__ import annotations

import numpy as np

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._located import SignParams, top_share


@METRICS.register(
    "pointing_game",
    title="Pointing game",
    short="Pointing game",
    paper="Zhang et al. 2018, without their margin of 15 pixels",
    params=SignParams,
    needs="located",
    interval="share",
    better="lower",
    bounds=(0, 1),
    claims=1,
    formula=r"\mathbf{1}[\operatorname{arg\,max}_M |r| \in R]",
)
def pointing_game(located: LocatedMaps, params: SignParams) -> np.ndarray:
    """1 where the highest pixel lies in the ROI, else 0 (N,); the share of tied highest pixels.

    Missing for an all-zero map or no ROI.
    """
    strength = located.strength(params.sign)
    hits = top_share(strength, located.masks, np.ones(len(strength), dtype=np.int64))
    return np.where(located.measurable(params.sign), hits, np.nan)
