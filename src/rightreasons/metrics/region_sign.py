"""Signed relevance of the region: whether it speaks for or against the explained class."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "region_sign",
    title="Signed relevance of the region",
    paper="Own",
    needs="located",
    bounds=(-1, 1),
    formula=r"\frac{\sum_{R} r}{\sum |r|}",
)
def region_sign(located: LocatedMaps, params: Params) -> np.ndarray:
    """Sum of the relevance in the ROI, with its sign, by the sum of all |relevance| (N,).

    Above 0 the region speaks for the explained class, below against it; its size is at most RRF's.
    Missing for an all-zero map or no ROI.
    """
    inside = np.where(located.masks, located.maps, 0).sum(axis=(1, 2), dtype=np.float64)
    total = located.absolute.sum(axis=(1, 2), dtype=np.float64)
    return np.where(located.roi_pixels > 0, ratio(inside, total), np.nan)
