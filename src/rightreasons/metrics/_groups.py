"""Counts of predictions by target, protected and decision, and the rates that come from them.

Counts are (..., 2, 2, 2), indexed [..., target, protected, decision]; where a decision is drawn by
lot they are expected counts, which need not be whole. Everything broadcasts over the leading axes,
so that all bootstrap replicates are computed at once.
"""

from __future__ import annotations

import numpy as np

from rightreasons.metrics._intensity import ratio

Array = np.ndarray


def cell_of(target: Array, protected: Array) -> Array:
    """Return the number of each image's cell, int64 (N,): 2 target + protected."""
    return 2 * target.astype(np.int64) + protected.astype(np.int64)


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
    target, protected : (N,)
        0 or 1.
    chance : (N,)
        How often 1 is decided, in [0, 1]: for a fixed decision the decision.

    Returns
    -------
    ndarray
        float64 (2, 2, 2); whole numbers where all decisions are fixed.
    """
    cell = cell_of(target, protected)
    counts = [np.bincount(cell, weights=share, minlength=4) for share in shares(chance).T]
    return np.stack(counts, axis=-1).reshape(2, 2, 2)


def positive_rate(counts: Array) -> Array:
    """Return the share of decisions 1, (...) from counts (..., 2): TPR, FPR or predicted rate."""
    return ratio(counts[..., 1], counts.sum(axis=-1))


def group_rates(counts: Array, target: int) -> Array:
    """Return P(decision = 1 | target, protected = 0, 1), (..., 2): TPRs for 1, FPRs for 0."""
    return positive_rate(counts[..., target, :, :])


def difference(rates: Array) -> Array:
    """Return second - first (...) of rates (..., 2)."""
    return rates[..., 1] - rates[..., 0]


def gap(rates: Array) -> Array:
    """Return |second - first| (...) of rates (..., 2)."""
    return np.abs(difference(rates))


def correct(counts: Array) -> Array:
    """Return the counts (..., 2, 2) of right decisions by target and protected."""
    return np.stack([counts[..., 0, :, 0], counts[..., 1, :, 1]], axis=-2)


def group_accuracy(counts: Array) -> Array:
    """Return the accuracy of each protected group, (..., 2)."""
    return ratio(correct(counts).sum(axis=-2), counts.sum(axis=(-3, -1)))


def class_accuracy(counts: Array) -> Array:
    """Return the accuracy of each target class, (..., 2): true negative and true positive rate."""
    return ratio(correct(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))
