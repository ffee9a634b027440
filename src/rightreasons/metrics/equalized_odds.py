"""Equalized odds."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS
from rightreasons.metrics._cell_intervals import of_larger_gap
from rightreasons.metrics._groups import gap, group_rates
from rightreasons.statistics.intervals import unbiased_largest_gap


@METRICS.register(
    "equalized_odds",
    title="Equalized odds (difference)",
    short="Equalized odds",
    headline=HEADLINE,
    aim="fairer",
    order=1,
    plays=("rank", "outcome"),
    paper="Hardt et al. 2016; Investigating the Relationship Between Debiasing and Artifact "
    "Removal, eq. 5",
    kind="group",
    needs="counts",
    many_groups=True,
    answers="fairness",
    interval=of_larger_gap,
    better="lower",
    bounds=(0, 1),
    formula=r"\max(|\mathrm{TPR}_1 - \mathrm{TPR}_0|, |\mathrm{FPR}_1 - \mathrm{FPR}_0|)",
)
def equalized_odds(counts: np.ndarray, params: Params) -> np.ndarray:
    """Larger of the protected groups' gaps in true and in false positive rate.

    0 for a constant predictor: read it beside `constant_prediction`. Missing where one of the
    four target x protected cells is empty.
    """
    return np.maximum(gap(group_rates(counts, target=1)), gap(group_rates(counts, target=0)))


@METRICS.register(
    "equalized_odds_unbiased",
    title="Equalized odds (difference), median-unbiased",
    short="Equalized odds, unbiased",
    paper="Own",
    kind="group",
    needs="counts",
    interval=of_larger_gap,
    better="lower",
    bounds=(0, 1),
    formula=r"\theta: P_\theta(\hat\theta \geq \hat\theta_\mathrm{found}) = \tfrac{1}{2}",
    exempt={
        "test_metrics_of_counts_know_rates_only": "what a gap is worth depends on how many images "
        "it is of"
    },
)
def equalized_odds_unbiased(counts: np.ndarray, params: Params) -> np.ndarray:
    """Equalized odds that is above the true value as often as below it.

    The larger of two gaps in a sample is too large on average, by half a standard error where the
    true ones are alike. Never above `equalized_odds`, 0 where that is no larger than no bias makes
    it half of the time, and missing where it is.
    """
    return unbiased_largest_gap(counts[..., 1], counts.sum(axis=-1))
