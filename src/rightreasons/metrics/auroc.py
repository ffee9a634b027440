"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "auroc",
    title="Area under the ROC curve (AUROC)",
    paper="Hanley and McNeil 1982",
    kind="group",
    needs="scores",
    better="higher",
    bounds=(0, 1),
    formula=r"P(s_i > s_j) + \tfrac{1}{2} P(s_i = s_j),\quad y_i = 1, y_j = 0",
)
def auroc(target: np.ndarray, score: np.ndarray, weights: np.ndarray, params: Params) -> np.ndarray:
    """Probability that a positive scores above a negative, ties counted half.

    Threshold methods leave it as it is. Missing where only one class occurs.
    """
    order = np.argsort(score, kind="stable")
    first_of_tie = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)
    drawn = np.take(weights, order, axis=-1)  # indexing with [..., order] scatters the memory
    positive = np.add.reduceat(drawn * target[order], first_of_tie, axis=-1)
    negative = np.add.reduceat(drawn, first_of_tie, axis=-1) - positive
    below = np.cumsum(negative, axis=-1) - negative / 2
    return ratio((positive * below).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))
