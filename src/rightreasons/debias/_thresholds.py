"""Thresholds that equalise odds: one for all, or a lottery per group on the ROC curves' hulls.

Numbers only: numpy, no torch, so that threshold methods start at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.learning.decisions import ALWAYS, NEVER, GroupDecision

Array = np.ndarray

#: The threshold of a network that nothing was chosen for.
HALF = 0.5


#: What `thropt` does unless its parameters say otherwise, and all methods with a `threshold` do.
CAUTION = 1.0
LEAST_CELL = 5


@dataclass(frozen=True)
class Choice:
    """A threshold and what it does on the data it was chosen on.

    Attributes
    ----------
    threshold
        Class 1 is decided from this probability on.
    equalized_odds
        max over y of |P(1 | y, PA=1) - P(1 | y, PA=0)|.
    cell_accuracy
        Mean accuracy of the four cells of target and protected.
    constant
        True where the scores are all equal, so that no threshold tells images apart.
    too_few
        True where a cell has too few images to choose by.
    """

    threshold: float
    equalized_odds: float
    cell_accuracy: float
    constant: bool = False
    too_few: bool = False

    def notes(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return asdict(self)


def candidates(score: Array) -> Array:
    """Return the thresholds (K-1,) halfway between the K distinct scores, rising.

    Each has a score on both sides, so none of them decides the same for all. Between two scores
    with 0.5 between them it is 0.5, which splits the images likewise and changes nothing. Where
    two scores are neighbours in floating point the upper one is the threshold.
    """
    distinct = np.unique(np.asarray(score, dtype=np.float64))
    low, high = distinct[:-1], distinct[1:]
    middle = low + (high - low) / 2
    middle = np.where((low < HALF) & (high >= HALF), HALF, middle)
    return np.where(middle > low, middle, high)


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


def cell_accuracies(table: Array) -> Array:
    """Return the mean accuracy of the four cells (K,) from rates (2, 2, K).

    Not the balanced accuracy of all images: at phi > 0 that is high where the protected attribute
    is decided by, as most images of a class are then in one group.
    """
    return (table[1].mean(axis=0) + 1 - table[0].mean(axis=0)) / 2


def cell_sizes(target: Array, protected: Array) -> Array:
    """Return the images of each cell, int64 (2, 2), indexed [target, protected]."""
    cell = 2 * np.asarray(target, np.int64) + np.asarray(protected, np.int64)
    return np.bincount(cell, minlength=4).reshape(2, 2)


def judge(score: Array, target: Array, protected: Array, threshold: float = HALF) -> Choice:
    """Return what a given threshold does on scores (N,)."""
    table = rates(score, target, protected, np.array([threshold]))
    return Choice(threshold, float(equalized_odds_gap(table)[0]), float(cell_accuracies(table)[0]))


def variances(table: Array, sizes: Array) -> Array:
    """Return the squared standard errors (2, 2, K) of rates (2, 2, K) in cells of sizes (2, 2).

    p (1 - p) / n, where p has one more image of each decision, so that a rate of 0 or 1 in a small
    cell is not taken for certain.

    References
    ----------
    Agresti and Coull 1998, "Approximate Is Better than Exact for Interval Estimation of Binomial
    Proportions".
    """
    n = sizes[:, :, None]
    p = (table * n + 1) / (n + 2)
    return p * (1 - p) / n


def choose_threshold(
    score: Array,
    target: Array,
    protected: Array,
    tolerance: float,
    what: str = "threshold",
    caution: float = CAUTION,
    least_cell: int = LEAST_CELL,
) -> Choice:
    """Return the threshold nearest 0.5 that is about as fair as the fairest accurate one.

    The candidates are all thresholds that split the scores. The fairest is that of the least
    equalized odds among those whose cell accuracy is at most `tolerance` below the best. In a cell
    of a dozen images the least of many gaps is mostly luck. So of all candidates that cannot be
    told from the fairest (gap at most `caution` standard errors above its gap, cell accuracy at
    most `caution` standard errors below its floor) the one nearest 0.5 is taken. Large cells have
    small errors: the rule becomes that of the least gap.

    Ties go to the higher cell accuracy, then to the lower threshold. Scores that are all equal
    have no such threshold: 0.5 is returned and `constant` says so. With too few images in a cell
    it is 0.5, too, and `too_few` says so.

    Parameters
    ----------
    score
        P(target = 1) (N,).
    target, protected
        (N,) in {0, 1}.
    tolerance
        Cell accuracy that may be lost, in [0, 0.5].
    what
        What errors call the method.
    caution
        Standard errors, at least 0; at 0 the fairest is taken, however small the cells.
    least_cell
        Fewest images of a cell by which anything is chosen.

    Raises
    ------
    UserError
        Where a cell of target and protected is empty.

    References
    ----------
    Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3 (the rule of one
    standard error).
    """
    score, target, protected = (np.asarray(x) for x in (score, target, protected))
    check_cells(target, protected, what)
    sizes = cell_sizes(target, protected)
    thresholds = candidates(score)
    if len(thresholds) == 0 or sizes.min() < least_cell:
        unmoved = judge(score, target, protected)
        too_few = bool(sizes.min() < least_cell)
        return replace(unmoved, constant=len(thresholds) == 0, too_few=too_few)
    table = rates(score, target, protected, thresholds)
    best = _nearest_half(table, thresholds, sizes, tolerance, caution)
    return judge(score, target, protected, float(thresholds[best]))


def _nearest_half(
    table: Array, thresholds: Array, sizes: Array, tolerance: float, caution: float
) -> int:
    """Return the index of `choose_threshold`'s choice."""
    # Rounded, so that equal fractions reached by different sums count as ties.
    gaps = np.round(np.abs(table[:, 1] - table[:, 0]), 12)
    gap, accuracy = gaps.max(axis=0), np.round(cell_accuracies(table), 12)
    errors = variances(table, sizes)
    away = np.abs(thresholds - HALF)
    floor = accuracy.max() - tolerance - 1e-12
    allowed = np.flatnonzero(accuracy >= floor)
    order = np.lexsort([key[allowed] for key in (thresholds, away, -accuracy, gap)])
    fairest = allowed[order[0]]
    of_gap = np.sqrt(errors[gaps[:, fairest].argmax(), :, fairest].sum())
    of_accuracy = np.sqrt(errors[:, :, accuracy.argmax()].sum()) / 4
    alike = np.flatnonzero(
        (gap <= gap[fairest] + caution * of_gap + 1e-12)
        & (accuracy >= floor - caution * of_accuracy)
    )
    order = np.lexsort([key[alike] for key in (thresholds, -accuracy, away)])
    return int(alike[order[0]])


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
