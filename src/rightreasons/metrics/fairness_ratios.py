"""The smallest ratio of two groups' rates, beside the largest differences."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._groups import group_rates, positive_rate, quotient


@METRICS.register(
    "demographic_parity_ratio",
    title="Demographic parity ratio",
    paper="Feldman et al. 2015 (disparate impact); as in fairlearn",
    kind="group",
    needs="counts",
    many_groups=True,
    better="higher",
    bounds=(0, 1),
    formula=r"\min_{a, b} \frac{P(\hat Y = 1 \mid A = a)}{P(\hat Y = 1 \mid A = b)}",
)
def demographic_parity_ratio(counts: np.ndarray, params: Params) -> np.ndarray:
    """Smallest ratio of two groups' shares of decisions 1. Missing where 1 is never decided."""
    return quotient(positive_rate(counts.sum(axis=-3)))


@METRICS.register(
    "equal_opportunity_ratio",
    title="Equal opportunity ratio",
    paper="Hardt et al. 2016; as in fairlearn",
    kind="group",
    needs="counts",
    many_groups=True,
    better="higher",
    bounds=(0, 1),
    formula=r"\min_{a, b} \mathrm{TPR}_a / \mathrm{TPR}_b",
)
def equal_opportunity_ratio(counts: np.ndarray, params: Params) -> np.ndarray:
    """Smallest ratio of two groups' true positive rates. Missing where all are 0."""
    return quotient(group_rates(counts, target=1))


@METRICS.register(
    "equalized_odds_ratio",
    title="Equalized odds ratio",
    paper="Hardt et al. 2016; as in fairlearn",
    kind="group",
    needs="counts",
    many_groups=True,
    better="higher",
    bounds=(0, 1),
    formula=r"\min_{a, b} \min(\mathrm{TPR}_a / \mathrm{TPR}_b, \mathrm{FPR}_a / \mathrm{FPR}_b)",
)
def equalized_odds_ratio(counts: np.ndarray, params: Params) -> np.ndarray:
    """Smaller of the smallest ratios of true and of false positive rates.

    Missing where all true, or all false positive rates are 0: read the difference there.
    """
    odds = [quotient(group_rates(counts, target=target)) for target in (1, 0)]
    return np.minimum(*odds)
