"""Worst-group accuracy."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS
from rightreasons.metrics._cell_intervals import of_lowest_share
from rightreasons.metrics._groups import correct, of_cells
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "worst_group_accuracy",
    title="Worst-group accuracy",
    short="Worst-group accuracy",
    headline=HEADLINE,
    order=4,
    paper="Sagawa et al. 2020",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_lowest_share,
    better="higher",
    bounds=(0, 1),
    formula=r"\min_{y, a} P(\hat Y = Y \mid Y = y, A = a)",
)
def worst_group_accuracy(counts: np.ndarray, params: Params) -> np.ndarray:
    """Lowest accuracy of the target x protected cells.

    Missing where one of four is empty: the worst of three may not be the worst of four. Of more
    than two groups it is the lowest of the cells that have images; `empty_cells` counts the others.
    """
    return of_cells(ratio(correct(counts), counts.sum(axis=-1)), np.min)
