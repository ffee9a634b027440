"""Counts of predictions by target, group and decision for any number of classes, and their rates.

With two classes rates are those of class 1; with more every class is in turn the one that counts,
against all others (P classes: one or all). Everything broadcasts over the leading axes, so that all
bootstrap replicates are computed at once.
"""

from __future__ import annotations

import numpy as np

from rightreasons.metrics._groups import gap, quotient
from rightreasons.metrics._intensity import ratio

Array = np.ndarray

#: Share of the decisions that are not the commonest, below which a model is of no use.
RAREST = 0.05


def class_counts(target: Array, decided: Array, group: Array, groups: int) -> Array:
    """Return the expected counts of images, float64 (C, K, C), by target, group and decision.

    Parameters
    ----------
    target, group : (N,)
        Numbers of classes and groups.
    decided : (N, C)
        How often each class is decided.
    groups
        K.
    """
    classes = decided.shape[1]
    cell = target * groups + group
    counts = [np.bincount(cell, weights=one, minlength=classes * groups) for one in decided.T]
    return np.stack(counts, axis=-1).reshape(classes, groups, classes)


def rates(counts: Array) -> dict[str, tuple[Array, Array]]:
    """Return hits and images of each rate of each group, both (..., K, P).

    Parameters
    ----------
    counts : (..., C, K, C)
        By target, group and decision.

    Returns
    -------
    dict
        accuracy, whose P is 1, and selection_rate, tpr and fpr of P classes: class 1 of two, each
        of more.
    """
    classes = counts.shape[-1]
    judged = slice(1, 2) if classes == 2 else slice(None)
    of_class = np.moveaxis(counts.sum(axis=-1), -2, -1)  # (..., K, C)
    each = of_class.sum(axis=-1, keepdims=True)
    right = np.stack([counts[..., c, :, c] for c in range(classes)], axis=-1)
    decided = counts.sum(axis=-3)
    return {
        "accuracy": (right.sum(axis=-1, keepdims=True), each),
        "selection_rate": (decided[..., judged], np.broadcast_to(each, decided[..., judged].shape)),
        "tpr": (right[..., judged], of_class[..., judged]),
        "fpr": ((decided - right)[..., judged], (each - of_class)[..., judged]),
    }


def overall(counts: Array) -> dict[str, Array]:
    """Return what is said of all groups together, each (...), by metric.

    Parameters
    ----------
    counts : (..., C, K, C)
        By target, group and decision.

    Returns
    -------
    dict
        accuracy; lowest_group_accuracy (of the groups); worst_group_accuracy (of target x group,
        Sagawa et al. 2020), of which cell_balanced_accuracy is the mean; accuracy_gap. For
        demographic parity (selection rates), equal opportunity (true positive rates) and equalized
        odds (both rates) the largest difference and the smallest ratio between groups;
        average_abs_odds_difference, the mean of the differences in both rates. empty_cells, the
        cells of target x group without images; collapsed_prediction, 1 where all decisions but the
        commonest are rarer than 5 %.
    """
    found = rates(counts)
    by = {name: ratio(hits, images) for name, (hits, images) in found.items()}
    accuracy, (right, each) = by["accuracy"][..., 0], found["accuracy"]
    cells = ratio(diagonal(counts), counts.sum(axis=-1))
    tpr, fpr = difference(by["tpr"]), difference(by["fpr"])
    decided = counts.sum(axis=(-3, -2))
    rarer = 1 - ratio(decided.max(axis=-1), decided.sum(axis=-1))
    odds = np.minimum(_ratio(by["tpr"]), _ratio(by["fpr"]))
    return {
        "accuracy": ratio(right.sum(axis=(-2, -1)), each.sum(axis=(-2, -1))),
        "lowest_group_accuracy": _lowest(accuracy),
        "worst_group_accuracy": _lowest(cells.reshape(*cells.shape[:-2], -1)),
        "cell_balanced_accuracy": _mean(cells.reshape(*cells.shape[:-2], -1)),
        "accuracy_gap": difference(by["accuracy"])[..., 0],
        "demographic_parity_difference": most(difference(by["selection_rate"])),
        "demographic_parity_ratio": _lowest(_ratio(by["selection_rate"])),
        "equal_opportunity_difference": most(tpr),
        "equal_opportunity_ratio": _lowest(_ratio(by["tpr"])),
        "equalized_odds": most(np.maximum(tpr, fpr)),
        "equalized_odds_ratio": _lowest(odds),
        "average_abs_odds_difference": most((tpr + fpr) / 2),
        "empty_cells": (counts.sum(axis=-1) == 0).sum(axis=(-2, -1)).astype(np.float64),
        "collapsed_prediction": (rarer < RAREST).astype(np.float64),
    }


def diagonal(counts: Array) -> Array:
    """Return the counts (..., C, K) of right decisions."""
    return np.stack([counts[..., c, :, c] for c in range(counts.shape[-1])], axis=-2)


def difference(rates: Array) -> Array:
    """Return the largest difference (..., P) between groups of rates (..., K, P)."""
    return gap(np.moveaxis(rates, -2, -1))


def _ratio(rates: Array) -> Array:
    """Return the smallest ratio (..., P) between groups of rates (..., K, P)."""
    return quotient(np.moveaxis(rates, -2, -1))


def _lowest(values: Array) -> Array:
    """Return the smallest known value (...) of (..., K), missing where none is known."""
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=-1)
    return np.where(known.any(axis=-1), low, np.nan)


def _mean(values: Array) -> Array:
    """Return the mean of the known values (...) of (..., K)."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def most(values: Array) -> Array:
    """Return the largest known value (...) of (..., K), missing where none is known."""
    return -_lowest(-values)
