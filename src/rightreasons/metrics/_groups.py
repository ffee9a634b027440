"""Counts of predictions by target, protected and decision, and the rates that come from them.

Counts are (..., 2, K, 2), indexed [..., target, protected, decision], with K = 2 unless the
protected attribute has more groups; where a decision is drawn by lot they are expected counts,
which need not be whole. Everything broadcasts over the leading axes, so that all bootstrap
replicates are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rightreasons.metrics._intensity import ratio

Array = np.ndarray


def groups_in(protected: Array) -> int:
    """Return the number K of groups, at least 2: one more than the largest number (N,)."""
    return max(2, int(np.max(protected, initial=0)) + 1)


def cell_of(target: Array, protected: Array, groups: int = 2) -> Array:
    """Return the number of each image's cell, int64 (N,): K target + protected."""
    return groups * target.astype(np.int64) + protected.astype(np.int64)


def shares(chance: Array) -> Array:
    """Return how much each image counts for decision 0 and for decision 1, float64 (N, 2).

    chance: how often 1 is decided (N,), in [0, 1].
    """
    chance = np.asarray(chance, dtype=np.float64)
    return np.stack([1 - chance, chance], axis=-1)


def count_cells(target: Array, protected: Array, chance: Array) -> Array:
    """Return the expected counts of images by target, protected and decision.

    Parameters
    ----------
    target : (N,)
        0 or 1.
    protected : (N,)
        0 or 1, or the number of the group.
    chance : (N,)
        How often 1 is decided, in [0, 1]: for a fixed decision the decision.

    Returns
    -------
    ndarray
        float64 (2, K, 2), K = `groups_in(protected)`; whole numbers where all decisions are fixed.
    """
    groups = groups_in(protected)
    cell = cell_of(target, protected, groups)
    counts = [np.bincount(cell, weights=share, minlength=2 * groups) for share in shares(chance).T]
    return np.stack(counts, axis=-1).reshape(2, groups, 2)


def positive_rate(counts: Array) -> Array:
    """Return the share of decisions 1, (...) from counts (..., 2): TPR, FPR or predicted rate."""
    return ratio(counts[..., 1], counts.sum(axis=-1))


def group_rates(counts: Array, target: int) -> Array:
    """Return P(decision = 1 | target, protected), (..., K): TPRs for target 1, FPRs for 0."""
    return positive_rate(counts[..., target, :, :])


def difference(rates: Array) -> Array:
    """Return second - first (...) of rates (..., 2)."""
    return rates[..., 1] - rates[..., 0]


def gap(rates: Array) -> Array:
    """Return the largest difference (...) between two of the rates (..., K).

    Groups without a rate are passed over; missing where fewer than two have one.
    """
    lowest, highest = extremes(rates)
    return highest - lowest


def quotient(rates: Array) -> Array:
    """Return the smallest ratio (...) of two of the rates (..., K), in [0, 1].

    Groups without a rate are passed over as in `gap`; missing where all rates are 0.
    """
    lowest, highest = extremes(rates)
    return ratio(lowest, highest)


def extremes(rates: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest (...) of the rates (..., K) that are known.

    Missing where fewer than two are.
    """
    known = ~np.isnan(rates)
    some = known.sum(axis=-1) > 1
    low = np.where(known, rates, np.inf).min(axis=-1)
    high = np.where(known, rates, -np.inf).max(axis=-1)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def of_cells(rates: Array, summary: Callable[..., Array]) -> Array:
    """Return a summary (...) of the rates (..., 2, K) of all cells of target and protected.

    Of two groups it is missing where one of the four cells is empty; of more, empty cells are
    passed over. `summary`: numpy's min or mean.
    """
    if rates.shape[-1] == 2:
        return summary(rates, axis=(-2, -1))
    known = ~np.isnan(rates)
    found = summary(rates, axis=(-2, -1), where=known, **_start(summary))
    return np.where(known.any(axis=(-2, -1)), found, np.nan)


def _start(summary: Callable[..., Array]) -> dict[str, float]:
    return {"initial": np.inf} if summary is np.min else {}


def correct(counts: Array) -> Array:
    """Return the counts (..., 2, K) of right decisions by target and protected."""
    return np.stack([counts[..., 0, :, 0], counts[..., 1, :, 1]], axis=-2)


def group_accuracy(counts: Array) -> Array:
    """Return the accuracy of each protected group, (..., K)."""
    return ratio(correct(counts).sum(axis=-2), counts.sum(axis=(-3, -1)))


def class_accuracy(counts: Array) -> Array:
    """Return the accuracy of each target class, (..., 2): true negative and true positive rate."""
    return ratio(correct(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))
