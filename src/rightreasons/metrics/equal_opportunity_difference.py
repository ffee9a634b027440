"""Equal opportunity difference."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import absolute
from rightreasons.metrics._groups import difference, gap, group_rates


@METRICS.register(
    "equal_opportunity_difference",
    title="Equal opportunity difference",
    paper="Hardt et al. 2016; absolute, as in fairlearn",
    kind="group",
    needs="counts",
    many_groups=True,
    answers="fairness",
    interval=absolute(lambda counts: difference(group_rates(counts, target=1))),
    better="lower",
    bounds=(0, 1),
    formula=r"|\mathrm{TPR}_1 - \mathrm{TPR}_0|",
)
def equal_opportunity_difference(counts: np.ndarray, params: Params) -> np.ndarray:
    """Absolute difference of the protected groups' true positive rates."""
    return gap(group_rates(counts, target=1))
