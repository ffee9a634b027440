"""Thresholds that equalise odds: one for all, or a lottery per group on the ROC curves' hulls.

Numbers only: numpy, no torch, so that threshold methods start at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.learning.decisions import ALWAYS, NEVER, GroupDecision

Array = np.ndarray


@dataclass(frozen=True)
class Choice:
    """A threshold and what it does on the data it was chosen on.

    Attributes
    ----------
    threshold
        Class 1 is decided from this probability on.
    equalized_odds
        max over y of |P(1 | y, PA=1) - P(1 | y, PA=0)|.
    balanced_accuracy
        (TPR + TNR) / 2 over both groups.
    constant
        True where the scores are all equal, so that no threshold tells images apart.
    """

    threshold: float
    equalized_odds: float
    balanced_accuracy: float
    constant: bool

    def notes(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return asdict(self)


def candidates(score: Array) -> Array:
    """Return the thresholds (K-1,) halfway between the K distinct scores, rising.

    Each has a score on both sides, so none of them decides the same for all. Where two scores are
    neighbours in floating point the upper one is the threshold.
    """
    distinct = np.unique(np.asarray(score, dtype=np.float64))
    middle = distinct[:-1] + np.diff(distinct) / 2
    return np.where(middle > distinct[:-1], middle, distinct[1:])


def check_cells(target: Array, protected: Array, what: str) -> None:
    """Refuse labels that leave a cell of target and protected empty.

    Parameters
    ----------
    target, protected
        (N,) in {0, 1}.
    what
        What the error calls the method.

    Raises
    ------
    UserError
        Where one of the four cells has no image.
    """
    for t in (0, 1):
        for a in (0, 1):
            if not np.any((np.asarray(target) == t) & (np.asarray(protected) == a)):
                raise UserError(
                    f"{what}: the debias split has no image with target = {t} and protected = {a}, "
                    "so equalized odds is not defined there. Use a less extreme level of the "
                    "design or a larger debias split."
                )


def rates(score: Array, target: Array, protected: Array, thresholds: Array) -> Array:
    """Return P(score >= threshold | target = t, protected = a) as (2, 2, K), indexed [t, a, k]."""
    score = np.asarray(score, dtype=np.float64)
    table = np.empty((2, 2, len(thresholds)))
    for t in (0, 1):
        for a in (0, 1):
            cell = np.sort(score[(target == t) & (protected == a)])
            table[t, a] = 1 - np.searchsorted(cell, thresholds, side="left") / len(cell)
    return table


def equalized_odds_gap(table: Array) -> Array:
    """Return max_t |rate[t, 1] - rate[t, 0]| (K,) of rates (2, 2, K)."""
    return np.abs(table[:, 1] - table[:, 0]).max(axis=0)


def balanced_accuracies(table: Array, target: Array, protected: Array) -> Array:
    """Return (TPR + 1 - FPR) / 2 (K,) over both groups, from their rates (2, 2, K)."""
    share = np.array([[np.mean(protected[target == t] == a) for a in (0, 1)] for t in (0, 1)])
    fpr, tpr = (table * share[:, :, None]).sum(axis=1)
    return (tpr + 1 - fpr) / 2


def choose_threshold(
    score: Array, target: Array, protected: Array, tolerance: float, what: str = "threshold"
) -> Choice:
    """Return the threshold of least equalized odds among those that hardly cost accuracy.

    The candidates are all thresholds that split the scores; allowed are those whose balanced
    accuracy is at most `tolerance` below the best. Ties go to the higher balanced accuracy, then
    to the threshold nearest 0.5, then to the lower one. Scores that are all equal have no such
    threshold: 0.5 is returned and `constant` says so.

    Parameters
    ----------
    score
        P(target = 1) (N,).
    target, protected
        (N,) in {0, 1}.
    tolerance
        Balanced accuracy that may be lost, in [0, 0.5].
    what
        What errors call the method.

    Raises
    ------
    UserError
        Where a cell of target and protected is empty.
    """
    score, target, protected = (np.asarray(x) for x in (score, target, protected))
    check_cells(target, protected, what)
    thresholds = candidates(score)
    constant = len(thresholds) == 0
    if constant:
        thresholds = np.array([0.5])
    table = rates(score, target, protected, thresholds)
    # Rounded, so that equal fractions reached by different sums count as ties.
    gap = np.round(equalized_odds_gap(table), 12)
    accuracy = np.round(balanced_accuracies(table, target, protected), 12)
    allowed = np.flatnonzero(accuracy >= accuracy.max() - tolerance - 1e-12)
    keys = (thresholds, np.abs(thresholds - 0.5), -accuracy, gap)
    best = allowed[np.lexsort([key[allowed] for key in keys])[0]]
    return Choice(float(thresholds[best]), float(gap[best]), float(accuracy[best]), constant)


@dataclass(frozen=True)
class Hull:
    """The upper convex hull of a ROC curve from (0, 0) to (1, 1), as its corners.

    Attributes
    ----------
    fpr, tpr
        (K,), rising.
    thresholds
        (K,), falling from NEVER to ALWAYS.
    """

    fpr: Array
    tpr: Array
    thresholds: Array

    def height(self, x: Array) -> Array:
        """Return the hull's true positive rate at false positive rates x."""
        first = self._first()
        return np.interp(x, self.fpr[first:], self.tpr[first:])

    def lottery(self, x: float, y: float) -> dict[float, float]:
        """Return a lottery of thresholds whose rates are a given point on or below the hull.

        A point of the hull is a lottery of the corners beside it; a point below it is a lottery of
        the hull's point above it and a coin that comes up 1 with probability x.

        Parameters
        ----------
        x, y
            False and true positive rate, x <= y <= height(x).

        Returns
        -------
        dict
            The weight of each threshold; they sum to 1 up to rounding.
        """
        top = float(self.height(np.array([x]))[0])
        share = 1.0 if top <= x else (y - x) / (top - x)
        share = min(max(share, 0.0), 1.0)
        left = max(int(np.searchsorted(self.fpr, x, side="right")) - 1, self._first())
        right = min(left + 1, len(self.fpr) - 1)
        width = self.fpr[right] - self.fpr[left]
        part = (x - self.fpr[left]) / width if width > 0 else 0.0
        weights: dict[float, float] = {}
        for threshold, weight in (
            (self.thresholds[left], share * (1 - part)),
            (self.thresholds[right], share * part),
            (NEVER, (1 - share) * (1 - x)),
            (ALWAYS, (1 - share) * x),
        ):
            if weight > 0:
                weights[float(threshold)] = weights.get(float(threshold), 0.0) + float(weight)
        return weights

    def _first(self) -> int:
        """Return the corner where the hull begins to be a function: the last at an FPR of 0."""
        return int(np.searchsorted(self.fpr, 0.0, side="right")) - 1


def roc_hull(score: Array, target: Array) -> Hull:
    """Return the hull of the ROC curve of scores (N,) for labels (N,), from exact counts."""
    inner = candidates(score)[::-1]
    thresholds = np.concatenate([[NEVER], inner, [ALWAYS]])
    negative, positive = np.sort(score[target == 0]), np.sort(score[target == 1])
    fp = len(negative) - np.searchsorted(negative, thresholds, side="left")
    tp = len(positive) - np.searchsorted(positive, thresholds, side="left")
    corners: list[int] = []
    for k in range(len(thresholds)):
        while len(corners) >= 2 and not _turns_right(fp, tp, corners[-2], corners[-1], k):
            corners.pop()
        corners.append(k)
    return Hull(fp[corners] / len(negative), tp[corners] / len(positive), thresholds[corners])


def _turns_right(fp: Array, tp: Array, i: int, j: int, k: int) -> bool:
    return (fp[j] - fp[i]) * (tp[k] - tp[i]) < (fp[k] - fp[i]) * (tp[j] - tp[i])


def equalized_odds_rule(
    score: Array,
    target: Array,
    protected: Array,
    objective: Literal["accuracy", "balanced_accuracy"],
    seed: int,
    what: str = "rule",
) -> tuple[GroupDecision, tuple[float, float]]:
    """Return the best rule that has the same (FPR, TPR) in both groups.

    Solved exactly: what both groups can reach is what lies below both hulls; the objective is
    linear, so the best point is a corner of the lower envelope of the two hulls: a corner of one of
    them or where they cross. Ties go to the larger TPR - FPR, then to the FPR nearest 1/2.

    Parameters
    ----------
    score
        (N,).
    target, protected
        (N,) in {0, 1}.
    objective
        What is maximised.
    seed
        Of the rule's lotteries.
    what
        What errors call the method.

    Returns
    -------
    tuple
        The rule, and its (FPR, TPR).

    Raises
    ------
    UserError
        Where a cell of target and protected is empty.

    References
    ----------
    Hardt, Price and Srebro 2016, "Equality of Opportunity in Supervised Learning", section 4.2.
    """
    score, target, protected = (np.asarray(x) for x in (score, target, protected))
    score = score.astype(np.float64)
    check_cells(target, protected, what)
    hulls = [roc_hull(score[protected == a], target[protected == a]) for a in (0, 1)]
    x = _corners(hulls)
    y = np.minimum(hulls[0].height(x), hulls[1].height(x))
    positive = float(np.mean(target)) if objective == "accuracy" else 0.5
    value = positive * y + (1 - positive) * (1 - x)
    best = np.lexsort([np.abs(x - 0.5), -np.round(y - x, 12), -np.round(value, 12)])[0]
    lotteries = [hull.lottery(float(x[best]), float(y[best])) for hull in hulls]
    rule = GroupDecision(
        thresholds=(tuple(lotteries[0]), tuple(lotteries[1])),
        weights=(_normalised(lotteries[0]), _normalised(lotteries[1])),
        seed=seed,
    )
    return rule, (float(x[best]), float(y[best]))


def _corners(hulls: list[Hull]) -> Array:
    """Return the false positive rates where the lower envelope of two hulls may bend, and 1/2."""
    x = np.unique(np.concatenate([hulls[0].fpr, hulls[1].fpr, [0.5]]))
    difference = hulls[0].height(x) - hulls[1].height(x)
    before, after = difference[:-1], difference[1:]
    cross = before * after < 0
    share = before[cross] / (before[cross] - after[cross])
    return np.unique(np.concatenate([x, x[:-1][cross] + share * np.diff(x)[cross]]))


def _normalised(lottery: dict[float, float]) -> tuple[float, ...]:
    total = sum(lottery.values())
    return tuple(weight / total for weight in lottery.values())
