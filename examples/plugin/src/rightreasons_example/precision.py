"""Precision."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS


@METRICS.register(
    "precision",
    title="Precision",
    paper="van Rijsbergen 1979",
    kind="group",
    needs="counts",
    better="higher",
    bounds=(0, 1),
    formula=r"P(Y = 1 \mid \hat Y = 1)",
    headline=HEADLINE,
)
def precision(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of decisions 1 that are right. Missing where class 1 is never decided."""
    decided = counts[..., 1].sum(axis=-1)  # (..., target)
    total = decided.sum(axis=-1)
    missing = np.full(total.shape, np.nan)
    return np.divide(decided[..., 1], total, out=missing, where=total > 0)
