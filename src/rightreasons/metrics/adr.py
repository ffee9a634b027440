"""Average difference in region."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, RegionView


@METRICS.register(
    "adr",
    title="Average difference in region (ADR)",
    short="ADR",
    headline=("figures", "leaderboard"),
    order=9,
    plays=("shift",),
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, eq. 2",
    kind="pair",
    needs="pair",
    answers="saliency",
    unit="intensity",
    better="higher",
    claims=-1,
    formula=r"\frac{1}{|R|} \sum_{R} (p_V - p_D)",
)
def adr(vanilla: RegionView, view: RegionView, params: Params) -> np.ndarray:
    """Mean of p_V - p_D over the ROI (N,). Positive: the debiased model looks there less."""
    return vanilla.inside_mean - view.inside_mean
