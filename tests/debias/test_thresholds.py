"""Thresholds and rules per group against slow, separate derivations."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.debias import _thresholds as thresholds
from rightreasons.learning import decisions
from rightreasons.learning.decisions import Decision, GroupDecision


def sample(seed: int, n: int = 60, distinct: int = 30) -> tuple[np.ndarray, ...]:
    """Scores with ties, biased by the group, and labels in which no cell is empty."""
    rng = np.random.default_rng(seed)
    target, protected = rng.integers(0, 2, n), rng.integers(0, 2, n)
    target[:4], protected[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
    margin = 1.2 * target + rng.uniform(-1, 2) * protected + rng.normal(0, 1, n)
    score = np.round(1 / (1 + np.exp(-margin)) * distinct) / distinct
    return score.astype(np.float32), target, protected


def slow_rates(decision: np.ndarray, target: np.ndarray, protected: np.ndarray) -> np.ndarray:
    table = np.empty((2, 2))
    for t, a in itertools.product((0, 1), (0, 1)):
        cell = [d for d, y, p in zip(decision, target, protected, strict=True) if (y, p) == (t, a)]
        table[t, a] = sum(cell) / len(cell)
    return table


def slow_gap(decision: np.ndarray, target: np.ndarray, protected: np.ndarray) -> float:
    table = slow_rates(decision, target, protected)
    return max(abs(table[1, 1] - table[1, 0]), abs(table[0, 1] - table[0, 0]))


def slow_balanced(decision: np.ndarray, target: np.ndarray) -> float:
    return (decision[target == 1].mean() + 1 - decision[target == 0].mean()) / 2


@pytest.mark.parametrize("seed", range(10))
def test_chosen_threshold_is_the_best_by_exhaustion(seed: int) -> None:
    score, target, protected = sample(seed)
    tolerance = 0.03
    chosen = thresholds.choose_threshold(score, target, protected, tolerance)
    values = sorted(set(score.astype(float)))
    tried = []
    for low, high in itertools.pairwise(values):
        decision = (score.astype(float) >= (low + high) / 2).astype(float)
        tried.append((slow_gap(decision, target, protected), slow_balanced(decision, target)))
    best = max(balanced for _, balanced in tried)
    least = min(gap for gap, balanced in tried if balanced >= best - tolerance - 1e-9)
    decided = Decision(chosen.threshold).decide(score, protected, [])
    assert slow_gap(decided, target, protected) == pytest.approx(least)
    assert chosen.equalized_odds == pytest.approx(least)
    assert chosen.balanced_accuracy == pytest.approx(slow_balanced(decided, target))
    assert chosen.balanced_accuracy >= best - tolerance - 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_a_constant_decision_is_never_chosen(seed: int) -> None:
    score, target, protected = sample(seed)
    for tolerance in (0.0, 0.5):
        chosen = thresholds.choose_threshold(score, target, protected, tolerance)
        assert 0 < Decision(chosen.threshold).decide(score, protected, []).mean() < 1
        assert not chosen.constant


def test_neighbouring_floats_are_told_apart() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    score = np.array([low, high, low, high], np.float32)
    target, protected = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    chosen = thresholds.choose_threshold(score, target, protected, 0.0)
    np.testing.assert_array_equal(Decision(chosen.threshold).decide(score, protected, []), target)
    tight = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert tight[0] < thresholds.candidates(tight)[0] <= tight[1]


def test_equal_scores_keep_one_half_and_say_so() -> None:
    _, target, protected = sample(0)
    chosen = thresholds.choose_threshold(np.full(len(target), 0.7), target, protected, 0.02)
    assert chosen.constant
    assert chosen.threshold == 0.5


def test_ties_do_not_depend_on_order() -> None:
    score, target, protected = sample(3)
    order = np.random.default_rng(0).permutation(len(score))
    first = thresholds.choose_threshold(score, target, protected, 0.02)
    assert first == thresholds.choose_threshold(score[order], target[order], protected[order], 0.02)


def test_an_empty_cell_is_named() -> None:
    score, target, protected = sample(1)
    keep = (target == 1) | (protected == 0)
    with pytest.raises(UserError, match="target = 0 and protected = 1"):
        thresholds.choose_threshold(score[keep], target[keep], protected[keep], 0.02)
    with pytest.raises(UserError, match="target = 0 and protected = 1"):
        thresholds.equalized_odds_rule(
            score[keep], target[keep], protected[keep], "accuracy", seed=0
        )


def expected_rates(
    rule: GroupDecision, score: np.ndarray, target: np.ndarray, protected: np.ndarray
) -> np.ndarray:
    return slow_rates(rule.chance(score, protected), target, protected)


def best_by_linear_program(
    score: np.ndarray, target: np.ndarray, protected: np.ndarray, positive: float
) -> float:
    """The optimum over all lotteries over all thresholds, without hulls."""
    from scipy.optimize import linprog

    points = []
    for a in (0, 1):
        mine = protected == a
        cuts = [*sorted(set(score[mine].astype(float))), 2.0]
        points.append(
            [
                [(score[mine & (target == t)].astype(float) >= cut).mean() for t in (0, 1)]
                for cut in cuts
            ]
        )
    first, second = np.array(points[0]), np.array(points[1])
    n, m = len(first), len(second)
    gain = np.concatenate([positive * first[:, 1] - (1 - positive) * first[:, 0], np.zeros(m)])
    equal = np.vstack(
        [
            np.concatenate([np.ones(n), np.zeros(m)]),
            np.concatenate([np.zeros(n), np.ones(m)]),
            np.concatenate([first[:, 0], -second[:, 0]]),
            np.concatenate([first[:, 1], -second[:, 1]]),
        ]
    )
    solved = linprog(-gain, A_eq=equal, b_eq=[1, 1, 0, 0], bounds=(0, 1))
    assert solved.success
    return float(-solved.fun + 1 - positive)


@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("seed", range(25))
def test_group_rule_is_exactly_fair_and_optimal(seed: int, objective: str) -> None:
    score, target, protected = sample(seed, n=40 + seed, distinct=5 + seed)
    rule, (fpr, tpr) = thresholds.equalized_odds_rule(score, target, protected, objective, seed=1)
    table = expected_rates(rule, score, target, protected)
    np.testing.assert_allclose(table, [[fpr, fpr], [tpr, tpr]], atol=1e-9)
    positive = target.mean() if objective == "accuracy" else 0.5
    value = positive * tpr + (1 - positive) * (1 - fpr)
    assert value == pytest.approx(best_by_linear_program(score, target, protected, positive))


def test_group_rule_beats_every_pair_of_thresholds_that_is_as_fair() -> None:
    score, target, protected = sample(11, n=80)
    _, (fpr, tpr) = thresholds.equalized_odds_rule(
        score, target, protected, "balanced_accuracy", seed=1
    )
    cuts = [*np.unique(score), 2.0]
    for cut0, cut1 in itertools.product(cuts, cuts):
        decision = np.where(protected == 0, score >= cut0, score >= cut1).astype(float)
        if slow_gap(decision, target, protected) < 1e-9:
            assert slow_balanced(decision, target) <= (tpr + 1 - fpr) / 2 + 1e-9


def test_group_rule_on_useless_scores_is_a_coin_not_a_constant() -> None:
    target = np.array([0, 0, 1, 1] * 10)
    protected = np.array([0, 1] * 20)
    score = np.tile([0.2, 0.8, 0.2, 0.8], 10)
    rule, (fpr, tpr) = thresholds.equalized_odds_rule(
        score, target, protected, "balanced_accuracy", seed=1
    )
    assert (fpr, tpr) == pytest.approx((0.5, 0.5))
    np.testing.assert_allclose(rule.chance(score, protected), 0.5)


def test_group_rule_when_one_group_is_separable() -> None:
    """The other group's curve is the envelope; the separable group is mixed with a coin."""
    rng = np.random.default_rng(0)
    target, protected = np.tile([0, 1], 50), np.repeat([0, 1], 50)
    score = np.where(protected == 0, 0.1 + 0.8 * target, rng.uniform(size=100))
    rule, (fpr, tpr) = thresholds.equalized_odds_rule(score, target, protected, "accuracy", seed=1)
    table = expected_rates(rule, score, target, protected)
    np.testing.assert_allclose(table, [[fpr, fpr], [tpr, tpr]], atol=1e-9)


def test_draws_follow_the_chances_and_are_fixed() -> None:
    rule = GroupDecision(((0.5, 0.2), (0.7, 0.0, 2.0)), ((0.75, 0.25), (0.5, 0.2, 0.3)), seed=3)
    n = 20_000
    ids = [f"image{i}" for i in range(n)]
    for group, score, chance in [
        (0, 0.1, 0.0), (0, 0.2, 0.25), (0, 0.49, 0.25), (0, 0.5, 1.0), (1, 0.0, 0.2), (1, 1.0, 0.7)
    ]:  # fmt: skip
        scores, groups = np.full(n, score), np.full(n, group)
        np.testing.assert_allclose(rule.chance(scores[:1], groups[:1]), chance)
        decided = rule.decide(scores, groups, ids)
        assert decided.mean() == pytest.approx(chance, abs=4 * np.sqrt(0.25 / n))
        again = rule.decide(scores[::-1], groups, ids[::-1])
        np.testing.assert_array_equal(again[::-1], decided)


@settings(max_examples=50, deadline=None)
@given(
    low=st.floats(0, 1), high=st.floats(0, 1), group=st.integers(0, 1), image=st.text(max_size=5)
)
def test_a_higher_score_never_loses(low: float, high: float, group: int, image: str) -> None:
    low, high = sorted((low, high))
    rule = GroupDecision(((0.3, 0.6), (0.0, 0.5, 2.0)), ((0.5, 0.5), (0.2, 0.5, 0.3)), seed=9)
    below, above = (rule.decide(np.array([s]), np.array([group]), [image]) for s in (low, high))
    assert below <= above


def test_rules_survive_json() -> None:
    score, target, protected = sample(4)
    group_rule, _ = thresholds.equalized_odds_rule(score, target, protected, "accuracy", seed=7)
    for rule in (Decision(0.123456789), group_rule):
        assert decisions.from_json(json.loads(json.dumps(decisions.to_json(rule)))) == rule


def test_wrong_lotteries_are_refused() -> None:
    for weights in ((0.5, 0.4), (1.5, -0.5), (1.0,)):
        with pytest.raises(UserError, match="group 0"):
            GroupDecision(((0.1, 0.2), (0.5,)), (weights, (1.0,)))
