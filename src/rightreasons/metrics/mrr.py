"""Mean relevance ratio."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, RegionView
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "mrr",
    title="Mean relevance ratio (MRR)",
    short="MRR",
    headline=("figures",),
    order=7,
    paper="DetoxAI (Stępka et al. 2025), after Bach et al. 2016 and Kohlbrenner et al. 2020",
    unit="ratio",
    better="lower",
    bounds=(0, np.inf),
    claims=1,
    answers="saliency",
    scale_free=True,
    formula=r"\bar p_{R} / \bar p_{M \setminus R}",
)
def mrr(view: RegionView, params: Params) -> np.ndarray:
    """Mean p in the ROI over mean p outside (N,).

    1: the ROI matters like the rest. Missing without a ROI, where the ROI is the whole image and
    where everything outside is 0 (an all-zero map included).
    """
    return ratio(view.inside_mean, view.outside_mean)
