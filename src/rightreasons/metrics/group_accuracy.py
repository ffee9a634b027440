"""Accuracy of each protected group, and the gap between them."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import absolute, of_lowest_group, of_shares
from rightreasons.metrics._groups import difference, gap, group_accuracy


@METRICS.register(
    "accuracy_0",
    title="Accuracy of protected group 0",
    paper="Common",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = Y \mid A = 0)",
)
def accuracy_0(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of right decisions where protected = 0. Missing where there is no such image."""
    return group_accuracy(counts)[..., 0]


@METRICS.register(
    "accuracy_1",
    title="Accuracy of protected group 1",
    paper="Common",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="higher",
    bounds=(0, 1),
    formula=r"P(\hat Y = Y \mid A = 1)",
)
def accuracy_1(counts: np.ndarray, params: Params) -> np.ndarray:
    """Share of right decisions where protected = 1. Missing where there is no such image."""
    return group_accuracy(counts)[..., 1]


@METRICS.register(
    "accuracy_gap",
    title="Accuracy gap between protected groups",
    paper="Overall accuracy equality: Verma and Rubin 2018",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=absolute(lambda counts: difference(group_accuracy(counts))),
    better="lower",
    bounds=(0, 1),
    formula=r"|P(\hat Y = Y \mid A = 1) - P(\hat Y = Y \mid A = 0)|",
)
def accuracy_gap(counts: np.ndarray, params: Params) -> np.ndarray:
    """Absolute difference of the protected groups' accuracies."""
    return gap(group_accuracy(counts))


@METRICS.register(
    "lowest_group_accuracy",
    title="Lowest accuracy of a protected group",
    paper="Common; as in fairlearn",
    kind="group",
    needs="counts",
    many_groups=True,
    interval=of_lowest_group,
    better="higher",
    bounds=(0, 1),
    formula=r"\min_a P(\hat Y = Y \mid A = a)",
)
def lowest_group_accuracy(counts: np.ndarray, params: Params) -> np.ndarray:
    """Accuracy of the group with the least. Missing where no group has images.

    `worst_group_accuracy` divides the groups by the target as well.
    """
    accuracy = group_accuracy(counts)
    known = ~np.isnan(accuracy)
    lowest = np.where(known, accuracy, np.inf).min(axis=-1)
    return np.where(known.any(axis=-1), lowest, np.nan)
