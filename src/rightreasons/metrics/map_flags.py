"""Flags of maps that other metrics cannot use; their means over images are shares."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, RegionView


@METRICS.register(
    "zero_map",
    title="All-zero map",
    always=True,
    paper="Own",
    unit="flag",
    interval="share",
    better="none",
    bounds=(0, 1),
    formula=r"\mathbf{1}[\max |R| = 0]",
)
def zero_map(view: RegionView, params: Params) -> np.ndarray:
    """1 where the whole map is zero, else 0 (N,)."""
    return view.zero_map.astype(np.float64)


@METRICS.register(
    "no_roi",
    title="Image without a ROI",
    always=True,
    paper="Own",
    unit="flag",
    interval="share",
    better="none",
    bounds=(0, 1),
    formula=r"\mathbf{1}[|R| = 0]",
)
def no_roi(view: RegionView, params: Params) -> np.ndarray:
    """1 where the image's mask is empty, so that all its ROI metrics are missing, else 0 (N,)."""
    return (view.inside_count == 0).astype(np.float64)
