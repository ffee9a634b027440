"""Intervals of metrics of counts: what the trait `interval` of such a metric names.

Each is called with the metric as a function of counts alone and with one table of counts
(2, 2, 2) by target, protected and decision, and returns (low, high). `ANY_GROUPS` are those that
take (2, K, 2), too. The numbers of images by
target and protected are taken as given; decisions within them are independent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rightreasons.metrics._groups import correct, difference, group_rates
from rightreasons.statistics.intervals import (
    folded,
    largest_gap,
    lowest_share,
    weighted_shares,
)

Array = np.ndarray
Measure = Callable[[Array], Array]
CellInterval = Callable[[Measure, Array], tuple[float, float]]


def of_shares(measure: Measure, counts: Array, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a weighted sum of the four cells' shares of decisions 1.

    Accuracies, rates and their signed differences are such sums for given numbers of images: the
    weights are what the metric changes by when a cell's share goes from 0 to 1. Wilson's interval
    for one cell, else Newcombe's hybrid of them.
    """
    totals = counts.sum(axis=-1)
    cells = totals.size
    ones = np.concatenate([np.zeros((1, cells)), np.eye(cells)])
    ones = ones.reshape(cells + 1, *totals.shape) * totals
    none, *others = measure(np.stack([totals - ones, ones], axis=-1))
    _, low, high = weighted_shares(
        counts[..., 1].ravel(), totals.ravel(), np.array(others) - none, level=level
    )
    return float(none + low), float(none + high)


def absolute(signed: Measure) -> CellInterval:
    """Return the interval of |a weighted sum of the cells' shares|, a single gap.

    signed: the gap before its absolute value is taken. Its interval is folded at 0.
    """

    def interval(measure: Measure, counts: Array) -> tuple[float, float]:
        return _folded(signed, counts)

    return interval


def of_mean_gap(measure: Measure, counts: Array) -> tuple[float, float]:
    """Return the interval of the mean of the groups' gaps in true and false positive rate.

    The mean of |a| and |b| is the larger of |a + b| / 2 and |a - b| / 2, each of which has a folded
    interval: the larger upper end, and the larger of the lower ends at Sidak's level for two.
    """

    def half(sign: int) -> Measure:
        def combined(some: Array) -> Array:
            gaps = [difference(group_rates(some, target)) for target in (1, 0)]
            return (gaps[0] + sign * gaps[1]) / 2

        return combined

    low = max(_folded(half(sign), counts, 0.95**0.5)[0] for sign in (1, -1))
    high = max(_folded(half(sign), counts)[1] for sign in (1, -1))
    return low, high


def _folded(signed: Measure, counts: Array, level: float = 0.95) -> tuple[float, float]:
    low, high = folded(*map(np.asarray, of_shares(signed, counts, level)))
    return float(low), float(high)


def of_larger_gap(measure: Measure, counts: Array) -> tuple[float, float]:
    """Return the interval of the larger of the groups' gaps in true and false positive rate."""
    low, high = largest_gap(counts[..., 1], counts.sum(axis=-1))
    return float(low), float(high)


def of_lowest_share(measure: Measure, counts: Array) -> tuple[float, float]:
    """Return the interval of the lowest accuracy of the cells, of more than four those filled."""
    right, totals = correct(counts).ravel(), counts.sum(axis=-1).ravel()
    there = (totals > 0) | (len(totals) == 4)
    low, high = lowest_share(right[there], totals[there])
    return float(low), float(high)


def of_lowest_group(measure: Measure, counts: Array) -> tuple[float, float]:
    """Return the interval of the lowest accuracy of the groups that have images."""
    right, totals = correct(counts).sum(axis=0), counts.sum(axis=(0, -1))
    low, high = lowest_share(right[totals > 0], totals[totals > 0])
    return float(low), float(high)


#: Intervals of tables with any number of groups; of the others the bootstrap takes the place.
ANY_GROUPS = (of_shares, of_lowest_share, of_lowest_group)
