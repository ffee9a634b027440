"""High relevance fraction."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, RegionView
from rightreasons.metrics._intensity import ratio


class HrfParams(Params):
    """Parameters of HRF."""

    eps: float = Field(0.05, ge=0, description="A pixel counts where its intensity exceeds this.")


@METRICS.register(
    "hrf",
    title="High relevance fraction (HRF)",
    short="HRF",
    headline=("figures",),
    order=6,
    paper="DetoxAI (Stępka et al. 2025)",
    params=HrfParams,
    better="lower",
    bounds=(0, 1),
    claims=1,
    formula=r"\frac{1}{|R|} \sum_{R} \mathbf{1}[p > \varepsilon]",
)
def hrf(view: RegionView, params: HrfParams) -> np.ndarray:
    """Share of the ROI's pixels with p > eps (N,). 0 for an all-zero map, missing without a ROI."""
    return ratio(np.count_nonzero(view.inside > params.eps, axis=(1, 2)), view.inside_count)
