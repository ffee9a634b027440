"""Rectangle difference distribution testing."""

from __future__ import annotations

from rightreasons.metrics import METRICS, RegionView, TestResult
from rightreasons.metrics._significance import TestParams, mean_above_zero


@METRICS.register(
    "rddt",
    title="Rectangle difference distribution testing (RDDT)",
    short="RDDT",
    headline=("figures", "leaderboard"),
    order=11,
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, eq. 4",
    params=TestParams,
    kind="test",
    needs="pair",
    unit="flag",
    better="higher",
    bounds=(0, 1),
    claims=-1,
    formula=r"\mathbf{1}[P_t(\bar d > 0) < \alpha],\quad d_k = \bar p_{V,R}^{(k)} - "
    r"\bar p_{D,R}^{(k)}",
)
def rddt(vanilla: RegionView, view: RegionView, params: TestParams) -> TestResult:
    """Test whether vanilla looks into the ROI more than the model does, over images.

    Identical maps: value 0, p = 1. Fewer than two images with a ROI: missing.
    """
    return mean_above_zero(vanilla.inside_mean - view.inside_mean, alpha=params.alpha)
