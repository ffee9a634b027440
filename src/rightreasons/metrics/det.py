"""Distribution equivalence testing."""

from __future__ import annotations

from rightreasons.metrics import METRICS, RegionView, TestResult
from rightreasons.metrics._significance import TestParams, mean_above_zero


@METRICS.register(
    "det",
    title="Distribution equivalence testing (DET)",
    short="DET",
    headline=("figures",),
    order=8,
    paper="DetoxAI (Stępka et al. 2025), with the outside mean taken over the outside pixels",
    params=TestParams,
    kind="test",
    unit="flag",
    better="lower",
    bounds=(0, 1),
    claims=1,
    formula=r"\mathbf{1}[P_t(\bar d > 0) < \alpha],\quad d_k = \bar p_{R}^{(k)} - "
    r"\bar p_{M \setminus R}^{(k)}",
)
def det(view: RegionView, params: TestParams) -> TestResult:
    """Test whether the model looks into the ROI more than elsewhere, over images.

    Missing where the ROI is the whole image, and with fewer than two images with a ROI.
    """
    return mean_above_zero(view.inside_mean - view.outside_mean, alpha=params.alpha)
