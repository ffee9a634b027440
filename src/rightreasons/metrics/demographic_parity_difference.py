"""Demographic parity difference."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import absolute
from rightreasons.metrics._groups import difference, gap, positive_rate


@METRICS.register(
    "demographic_parity_difference",
    title="Demographic parity difference",
    paper="Dwork et al. 2012; absolute, as in fairlearn",
    kind="group",
    needs="counts",
    many_groups=True,
    answers="fairness",
    interval=absolute(lambda counts: difference(positive_rate(counts.sum(axis=-3)))),
    better="lower",
    bounds=(0, 1),
    formula=r"|P(\hat Y = 1 \mid A = 1) - P(\hat Y = 1 \mid A = 0)|",
)
def demographic_parity_difference(counts: np.ndarray, params: Params) -> np.ndarray:
    """Absolute difference of the protected groups' shares of decisions 1."""
    return gap(positive_rate(counts.sum(axis=-3)))
