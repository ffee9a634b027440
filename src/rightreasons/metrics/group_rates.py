"""True and false positive rate of each protected group."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import of_shares
from rightreasons.metrics._groups import group_rates


@METRICS.register(
    "tpr_0",
    title="True positive rate of protected group 0",
    paper="Common",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = 1 \mid Y = 1, A = 0)",
)
def tpr_0(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share decided 1 where target = 1 and protected = 0. Missing where there is no image."""
    return group_rates(counts, target=1)[..., 0]


@METRICS.register(
    "tpr_1",
    title="True positive rate of protected group 1",
    paper="Common",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = 1 \mid Y = 1, A = 1)",
)
def tpr_1(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share decided 1 where target = 1 and protected = 1. Missing where there is no image."""
    return group_rates(counts, target=1)[..., 1]


@METRICS.register(
    "fpr_0",
    title="False positive rate of protected group 0",
    paper="Common",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="lower",
    bounds=(0, 1),
    formula=r"P(\hat Y = 1 \mid Y = 0, A = 0)",
)
def fpr_0(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share decided 1 where target = 0 and protected = 0. Missing where there is no image."""
    return group_rates(counts, target=0)[..., 0]


@METRICS.register(
    "fpr_1",
    title="False positive rate of protected group 1",
    paper="Common",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="lower",
    bounds=(0, 1),
    formula=r"P(\hat Y = 1 \mid Y = 0, A = 1)",
)
def fpr_1(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share decided 1 where target = 0 and protected = 1. Missing where there is no image."""
    return group_rates(counts, target=0)[..., 1]
