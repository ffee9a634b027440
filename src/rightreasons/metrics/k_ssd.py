"""Known spurious signal detection."""

from __future__ import annotations

import numpy as np

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._similarity import SignalParams, similarity_where


@METRICS.register(
    "k_ssd",
    title="Known spurious signal detection (K-SSD)",
    short="K-SSD",
    images="with",
    paper="Adebayo et al. 2022, who compare by ssim",
    params=SignalParams,
    needs="located",
    unit="similarity",
    better="lower",
    bounds=(-1, 1),
    claims=1,
    formula=r"S(|r|, \mathbf{1}_R),\quad A = 1",
)
def k_ssd(located: LocatedMaps, params: SignalParams) -> np.ndarray:
    """Similarity of the map to the ROI as an image of 0 and 1, where protected = 1 (N,).

    Missing where protected = 0, for an all-zero map and no ROI.

    Notes
    -----
    SSIM, as published, takes two windows in which both maps are empty for the same. A sparse map
    is like a small region then, wherever its few pixels lie. The overlap asks where they lie.
    """
    signal = LocatedMaps(located.masks.astype(np.float32), located.masks, located.protected)
    return similarity_where(located.protected == 1, located, signal, params)
