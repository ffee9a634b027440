"""Accuracy of each target class, and the gap between them."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import absolute, of_shares
from rightreasons.metrics._groups import class_accuracy, difference, gap


@METRICS.register(
    "class_accuracy_0",
    title="Accuracy of target class 0",
    order=22,
    table_one="accuracy_0",
    paper="Model-agnostic data attribution, table 1 (women)",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = Y \mid Y = 0)",
)
def class_accuracy_0(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of right decisions where target = 0: the true negative rate."""
    return class_accuracy(counts)[..., 0]


@METRICS.register(
    "class_accuracy_1",
    title="Accuracy of target class 1",
    order=21,
    table_one="accuracy_1",
    paper="Model-agnostic data attribution, table 1 (men)",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = Y \mid Y = 1)",
)
def class_accuracy_1(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of right decisions where target = 1: the true positive rate."""
    return class_accuracy(counts)[..., 1]


@METRICS.register(
    "class_accuracy_gap",
    title="Accuracy gap between target classes",
    order=23,
    table_one="gap",
    paper="Model-agnostic data attribution, table 1 (gap)",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=absolute(lambda counts: difference(class_accuracy(counts))),
    better="lower",
    bounds=(0, 1),
    formula=r"|P(\hat Y = Y \mid Y = 1) - P(\hat Y = Y \mid Y = 0)|",
)
def class_accuracy_gap(counts: np.ndarray, params: Params) -> np.ndarray:
    """Absolute difference of the target classes' accuracies. 1 for a constant predictor."""
    return gap(class_accuracy(counts))
