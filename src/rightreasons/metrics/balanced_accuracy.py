"""Balanced accuracy."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import of_shares
from rightreasons.metrics._groups import class_accuracy


@METRICS.register(
    "balanced_accuracy",
    title="Balanced accuracy",
    paper="Brodersen et al. 2010",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"\tfrac{1}{2} (\mathrm{TPR} + \mathrm{TNR})",
)
def balanced_accuracy(counts: np.ndarray, params: Params) -> np.ndarray:
    """Mean of true positive and true negative rate. 0.5 for a constant predictor."""
    return class_accuracy(counts).mean(axis=-1)
