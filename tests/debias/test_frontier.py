"""Frontier: every pair of thresholds tried in a loop, and what a criterion comes to."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.debias._group_thresholds import GroupChoice, best_pair

CRITERIA = ("equalized_odds", "equal_opportunity", "worst_group")


def sample(seed: int, n: int = 60, distinct: int = 25) -> tuple[np.ndarray, ...]:
    """Scores with ties, biased by the group, and labels in which no cell is empty."""
    rng = np.random.default_rng(seed)
    target, protected = rng.integers(0, 2, n), rng.integers(0, 2, n)
    target[:4], protected[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
    margin = 1.2 * target + rng.uniform(-1, 2) * protected + rng.normal(0, 1, n)
    return np.round(1 / (1 + np.exp(-margin)) * distinct) / distinct, target, protected


def choose(given: tuple[np.ndarray, ...], **changes: Any) -> GroupChoice:
    options = {"criterion": "equalized_odds", "tolerance": 0.03, "grid": 1000, "least_cell": 1}
    return best_pair(*given, what="methods.frontier", **{**options, **changes})


def numbers(
    decision: np.ndarray, target: np.ndarray, protected: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return the mean accuracy of the cells, and what each criterion makes least."""
    rows = pd.DataFrame({"t": target, "a": protected, "d": decision.astype(float)})
    rate = rows.groupby(["t", "a"])["d"].mean()
    right = [rate[1, 0], rate[1, 1], 1 - rate[0, 0], 1 - rate[0, 1]]
    tpr, fpr = (abs(rate[t, 1] - rate[t, 0]) for t in (1, 0))
    loss = {"equalized_odds": max(tpr, fpr), "equal_opportunity": tpr}
    return float(np.mean(right)), {**loss, "worst_group": 1 - min(right)}


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("seed", range(3))
def test_the_pair_is_the_best_by_exhaustion(seed: int, criterion: str) -> None:
    given = score, target, protected = sample(seed, distinct=12)
    chosen = choose(given, criterion=criterion)
    middles = []
    for a in (0, 1):
        values = sorted(set(score[protected == a]))
        middles.append([(low + high) / 2 for low, high in itertools.pairwise(values)])
    tried = []
    for one, other in itertools.product(*middles):
        decision = np.where(protected == 0, score >= one, score >= other)
        accuracy, loss = numbers(decision, target, protected)
        tried.append((loss[criterion], -accuracy))
    floor = max(-accuracy for _, accuracy in tried) - 0.03
    least = min((round(v, 9), round(a, 9)) for v, a in tried if -a >= floor - 1e-9)
    decided = chosen.rule().decide(score, protected, [str(k) for k in range(len(score))])
    accuracy, loss = numbers(decided, target, protected)
    assert (loss[criterion], -accuracy) == pytest.approx(least)
    assert chosen.equalized_odds == pytest.approx(loss["equalized_odds"])
    assert chosen.cell_accuracy == pytest.approx(accuracy)
    assert chosen.worst_group_accuracy == pytest.approx(1 - loss["worst_group"])


def test_more_tolerance_is_never_less_fair() -> None:
    given = sample(7, n=200)
    odds = [choose(given, tolerance=t).equalized_odds for t in (0.0, 0.02, 0.1, 0.5)]
    assert odds == sorted(odds, reverse=True)
    assert odds[-1] < odds[0]


def test_a_coarse_grid_tries_less() -> None:
    given = sample(8, n=400, distinct=10**6)
    fine, coarse = choose(given), choose(given, grid=5)
    assert fine.equalized_odds < coarse.equalized_odds


def test_groups_with_different_shifts_get_their_own_thresholds() -> None:
    """Margins of one group are moved by 2: thresholds moved likewise are fair and accurate."""
    rng = np.random.default_rng(0)
    target, protected = np.tile([0, 1], 4000), np.repeat([0, 1], 4000)
    margin = 3 * target - 1.5 + 2 * protected + rng.normal(size=8000)
    chosen = choose((1 / (1 + np.exp(-margin)), target, protected), grid=300)
    at = [np.log(t / (1 - t)) for t in chosen.thresholds]
    assert at[1] - at[0] == pytest.approx(2, abs=0.15)
    assert chosen.equalized_odds < 0.01
    assert chosen.cell_accuracy > 0.9


def test_small_cells_and_equal_scores_leave_one_half() -> None:
    score, target, protected = sample(0)
    few = choose((score, target, protected), least_cell=1000)
    assert (few.thresholds, few.too_few) == ((0.5, 0.5), True)
    same = choose((np.full(60, 0.7), target, protected))
    assert (same.thresholds, same.too_few) == ((0.5, 0.5), False)


def test_an_empty_cell_is_named() -> None:
    score, target, protected = sample(1)
    keep = (target == 1) | (protected == 0)
    with pytest.raises(UserError, match=r"methods\.frontier: .* target = 0 and protected = 1"):
        choose((score[keep], target[keep], protected[keep]))
