"""A threshold per protected group, found by trying all: numbers only, numpy and no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from rightreasons.debias._thresholds import (
    HALF,
    Array,
    candidates,
    cell_accuracies,
    cell_sizes,
    check_cells,
    equalized_odds_gap,
    rates,
)
from rightreasons.learning.decisions import GroupDecision

Criterion = Literal["equalized_odds", "equal_opportunity", "worst_group"]


@dataclass(frozen=True)
class GroupChoice:
    """A threshold for each group and what they do on the data they were chosen on.

    Attributes
    ----------
    thresholds
        Of group 0 and of group 1: class 1 is decided from this probability on.
    equalized_odds
        max over y of |P(1 | y, PA=1) - P(1 | y, PA=0)|.
    cell_accuracy
        Mean accuracy of the four cells of target and protected.
    worst_group_accuracy
        The least of the four.
    too_few
        True where a cell has too few images to choose by; both thresholds are then 0.5.
    """

    thresholds: tuple[float, float]
    equalized_odds: float
    cell_accuracy: float
    worst_group_accuracy: float
    too_few: bool = False

    def rule(self) -> GroupDecision:
        """Return the decision rule: no lottery, as each group has one threshold."""
        first, second = self.thresholds
        return GroupDecision(((first,), (second,)), ((1.0,), (1.0,)))

    def notes(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return {**asdict(self), "thresholds": list(self.thresholds)}


def rates_of_pair(
    score: Array, target: Array, protected: Array, first: Array, second: Array
) -> Array:
    """Return P(score >= the group's threshold | target = t, protected = a).

    Parameters
    ----------
    score, target, protected
        (N,).
    first, second
        Thresholds of group 0 and of group 1, (K,) each.

    Returns
    -------
    ndarray
        float64 (2, 2, K), indexed [t, a, k].
    """
    return np.stack(
        [rates(score, target, protected, of)[:, a] for a, of in enumerate((first, second))], axis=1
    )


def judge_pair(
    score: Array,
    target: Array,
    protected: Array,
    thresholds: tuple[float, float],
    too_few: bool = False,
) -> GroupChoice:
    """Return what a threshold per group does on scores (N,)."""
    first, second = (np.array([threshold]) for threshold in thresholds)
    table = rates_of_pair(score, target, protected, first, second)
    return GroupChoice(
        thresholds,
        float(equalized_odds_gap(table)[0]),
        float(cell_accuracies(table)[0]),
        float(min((1 - table[0]).min(), table[1].min())),
        too_few,
    )


def best_pair(
    score: Array,
    target: Array,
    protected: Array,
    *,
    criterion: Criterion,
    tolerance: float,
    grid: int,
    least_cell: int,
    what: str,
) -> GroupChoice:
    """Return the fairest pair of thresholds that hardly costs accuracy.

    Tried are all pairs of the groups' candidates, each of which splits its group. Allowed are pairs
    whose cell accuracy is at most `tolerance` below the best. Ties go to the higher cell accuracy,
    then to the pair nearest 0.5.

    Parameters
    ----------
    score
        P(target = 1) (N,).
    target, protected
        (N,) in {0, 1}.
    criterion
        What is least: the gap of equalized odds, that of true positive rates alone
        (equal_opportunity), or the error of the cell with the largest (worst_group).
    tolerance
        Cell accuracy that may be lost, in [0, 0.5].
    grid
        Most candidates of a group; of more, as many quantiles.
    least_cell
        Fewest images of a cell by which anything is chosen.
    what
        What errors call the method.

    Raises
    ------
    UserError
        Where a cell of target and protected is empty.
    """
    score, target, protected = (np.asarray(x) for x in (score, target, protected))
    check_cells(target, protected, what)
    too_few = bool(cell_sizes(target, protected).min() < least_cell)
    tried = [_thinned(candidates(score[protected == a]), grid) for a in (0, 1)]
    if too_few or not all(len(thresholds) for thresholds in tried):
        return judge_pair(score, target, protected, (HALF, HALF), too_few)
    one, other = (rates(score, target, protected, tried[a])[:, a] for a in (0, 1))
    accuracy = np.round(_class_mean(one)[:, None] / 2 + _class_mean(other)[None, :] / 2, 12)
    loss = np.round(_loss(one[:, :, None], other[:, None, :], criterion), 12)
    away = np.abs(tried[0] - HALF)[:, None] + np.abs(tried[1] - HALF)[None, :]
    allowed = np.flatnonzero(accuracy >= accuracy.max() - tolerance - 1e-12)
    keys = (away, -accuracy, loss)
    best = allowed[np.lexsort([key.ravel()[allowed] for key in keys])[0]]
    first, second = np.unravel_index(best, accuracy.shape)
    return judge_pair(score, target, protected, (float(tried[0][first]), float(tried[1][second])))


def _thinned(thresholds: Array, most: int) -> Array:
    """Return at most so many of rising thresholds, evenly by rank, the ends among them."""
    if len(thresholds) <= most:
        return thresholds
    return thresholds[np.unique(np.linspace(0, len(thresholds) - 1, most).round().astype(int))]


def _class_mean(rate: Array) -> Array:
    """Return the mean accuracy of both classes (K,) from a group's rates (2, K)."""
    return (rate[1] + 1 - rate[0]) / 2


def _loss(one: Array, other: Array, criterion: Criterion) -> Array:
    """Return what a criterion makes least (K, L) from both groups' rates (2, K, 1), (2, 1, L)."""
    if criterion == "worst_group":
        errors = np.broadcast_arrays(one[0], 1 - one[1], other[0], 1 - other[1])
        return np.max(errors, axis=0)
    gaps = np.abs(one - other)
    return gaps[1] if criterion == "equal_opportunity" else gaps.max(axis=0)


def deprived_group(score: Array, target: Array, protected: Array) -> int:
    """Return the group that is decided 1 less often at 0.5, each class counting half; 1 at a tie.

    With each class counting half the group is not the one that has fewer positives.
    """
    first, second = rates(score, target, protected, np.array([HALF]))[:, :, 0].mean(axis=0)
    return 0 if first < second else 1


def pair_of_band(width: float, deprived: int) -> tuple[float, float]:
    """Return the thresholds of groups 0 and 1 that a band of a width around 0.5 comes to."""
    low, high = HALF - width, HALF + width
    return (low, high) if deprived == 0 else (high, low)


def best_width(
    score: Array, target: Array, protected: Array, deprived: int, tolerance: float
) -> float:
    """Return the width of least equalized odds among those that hardly cost accuracy.

    Tried are 0 and all widths that differ on these images. Ties go to the higher cell accuracy,
    then to the narrower band.

    Parameters
    ----------
    score
        P(target = 1) (N,).
    target, protected
        (N,) in {0, 1}, no cell empty.
    deprived
        The group that gets 1 inside the band.
    tolerance
        Cell accuracy that may be lost, in [0, 0.5].

    Returns
    -------
    float
        In [0, 0.5).
    """
    distance = np.abs(np.asarray(score, np.float64) - HALF)
    widths = np.concatenate([[0.0], _between(distance)])
    pairs = np.array([pair_of_band(width, deprived) for width in widths])
    table = rates_of_pair(score, target, protected, pairs[:, 0], pairs[:, 1])
    gap = np.round(equalized_odds_gap(table), 12)
    accuracy = np.round(cell_accuracies(table), 12)
    allowed = np.flatnonzero(accuracy >= accuracy.max() - tolerance - 1e-12)
    keys = (widths, -accuracy, gap)
    return float(widths[allowed[np.lexsort([key[allowed] for key in keys])[0]]])


def _between(distance: Array) -> Array:
    """Return the numbers halfway between 0 and the distinct distances, rising."""
    distinct = np.unique(np.append(distance, 0.0))
    return distinct[:-1] + np.diff(distinct) / 2
