"""Rectangle relevance fraction."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS, RegionView
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "rrf",
    title="Rectangle relevance fraction (RRF)",
    short="RRF",
    headline=HEADLINE,
    order=5,
    plays=("shift",),
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, eq. 1",
    better="lower",
    bounds=(0, 1),
    claims=1,
    answers="saliency",
    scale_free=True,
    formula=r"\frac{\sum_{R} p}{\sum p}",
)
def rrf(view: RegionView, params: Params) -> np.ndarray:
    """Share of the intensity that lies in the ROI (N,). Missing for an all-zero map or no ROI."""
    return ratio(view.inside_sum, view.total)
