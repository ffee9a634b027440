"""Cell-balanced accuracy."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import of_shares
from rightreasons.metrics._groups import correct, of_cells
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "cell_balanced_accuracy",
    title="Cell-balanced accuracy",
    short="Balanced accuracy",
    headline=("leaderboard",),
    order=3,
    plays=("utility",),
    chance=0.5,
    paper="Common: the mean of what worst-group accuracy is the minimum of (Sagawa et al. 2020)",
    kind="group",
    needs="counts",
    many_groups=True,
    answers="performance",
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"\tfrac{1}{4} \sum_{y, a} P(\hat Y = Y \mid Y = y, A = a)",
)
def cell_balanced_accuracy(counts: np.ndarray, params: Params) -> np.ndarray:
    """Mean accuracy of the target x protected cells, however many images each has.

    0.5 for a constant predictor. Missing where one of four cells is empty; of more than two groups
    it is the mean of the cells that have images.
    """
    return of_cells(ratio(correct(counts), counts.sum(axis=-1)), np.mean)
