"""Accuracy."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import of_shares
from rightreasons.metrics._groups import correct
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "accuracy",
    title="Accuracy",
    short="Accuracy",
    headline=("figures", "comparisons"),
    order=3,
    table_one="accuracy",
    paper="Common",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = Y)",
)
def accuracy(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of right decisions."""
    return ratio(correct(counts).sum(axis=(-2, -1)), counts.sum(axis=(-3, -2, -1)))
