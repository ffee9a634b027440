"""How often class 1 is decided, and whether anything else ever is."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import of_shares
from rightreasons.metrics._groups import positive_rate


@METRICS.register(
    "predicted_positive_rate",
    title="Predicted positive rate",
    paper="Common",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_shares,
    better="none",
    bounds=(0, 1),
    formula=r"P(\hat Y = 1)",
)
def predicted_positive_rate(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of decisions 1."""
    return positive_rate(counts.sum(axis=(-3, -2)))


@METRICS.register(
    "constant_prediction",
    title="Constant prediction",
    paper="Own",
    kind="group",
    needs="counts",
    many_groups=True,
    unit="flag",
    better="lower",
    bounds=(0, 1),
    formula=r"\mathbf{1}[P(\hat Y = 1) \in \{0, 1\}]",
)
def constant_prediction(counts: np.ndarray, params: Params) -> np.ndarray:
    """1 where only one class is ever decided, else 0."""
    rate = predicted_positive_rate(counts, params)
    return np.where(np.isnan(rate), np.nan, (rate == 0) | (rate == 1))


class CollapseParams(Params):
    """Parameters of `collapsed_prediction`."""

    rarest: float = Field(
        0.05, ge=0, le=0.5, description="Share of images that the rarer decision must reach."
    )


@METRICS.register(
    "collapsed_prediction",
    title="Collapsed prediction",
    plays=("collapse",),
    paper="Own",
    params=CollapseParams,
    kind="group",
    needs="counts",
    many_groups=True,
    unit="flag",
    better="lower",
    bounds=(0, 1),
    formula=r"\mathbf{1}[\min(P(\hat Y = 1), P(\hat Y = 0)) < \mathrm{rarest}]",
)
def collapsed_prediction(counts: np.ndarray, params: CollapseParams) -> np.ndarray:
    """1 where the rarer decision falls on under `rarest` of the images (or on none), else 0.

    Test images are balanced, so such a model has no gap to speak of: it is not fair but useless.
    Leaderboard, figures and associations treat it as a constant classifier.
    """
    rate = predicted_positive_rate(counts, params)
    rarer = np.minimum(rate, 1 - rate)
    return np.where(np.isnan(rate), np.nan, (rarer < params.rarest) | (rarer == 0))
