"""Thresholds and rules per group against slow, separate derivations."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.debias import _thresholds as thresholds
from rightreasons.learning import decisions
from rightreasons.learning.decisions import Decision, GroupDecision
from rightreasons.metrics import METRICS
from rightreasons.metrics._groups import count_cells


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


def slow_cells(decision: np.ndarray, target: np.ndarray, protected: np.ndarray) -> float:
    """The mean of the accuracies of the four cells."""
    right = []
    for cell in itertools.product((0, 1), (0, 1)):
        mine = [d for d, *c in zip(decision, target, protected, strict=True) if tuple(c) == cell]
        right.append(np.mean([d == cell[0] for d in mine]))
    return float(np.mean(right))


def slow_error(
    decision: np.ndarray, target: np.ndarray, protected: np.ndarray, cells: list[tuple[int, int]]
) -> float:
    """The standard error of a sum of some cells' rates, with one more image of each decision."""
    total = 0.0
    for y, a in cells:
        mine = decision[(target == y) & (protected == a)]
        p = (mine.sum() + 1) / (len(mine) + 2)
        total += p * (1 - p) / len(mine)
    return float(total**0.5)


@pytest.mark.parametrize("caution", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(8))
def test_chosen_threshold_by_exhaustion(seed: int, caution: float) -> None:
    """Every threshold is tried; of those like the fairest the one nearest 0.5 is taken."""
    score, target, protected = sample(seed, n=50 + 20 * seed)
    tolerance = 0.03
    chosen = thresholds.choose_threshold(
        score, target, protected, tolerance, caution=caution, least_cell=1
    )
    tried = []
    for low, high in itertools.pairwise(sorted(set(score.astype(float)))):
        threshold = 0.5 if low < 0.5 <= high else (low + high) / 2
        decision = (score.astype(float) >= threshold).astype(float)
        table = slow_rates(decision, target, protected)
        gaps = np.abs(table[:, 1] - table[:, 0])
        accuracy = slow_cells(decision, target, protected)
        tried.append((threshold, float(gaps.max()), accuracy, int(gaps.argmax()), decision))
    floor = max(one[2] for one in tried) - tolerance
    accurate = [one for one in tried if one[2] >= floor - 1e-9]
    fairest = min(accurate, key=lambda o: (round(o[1], 9), -round(o[2], 9), abs(o[0] - 0.5)))
    top = max(tried, key=lambda one: round(one[2], 9))
    of_gap = slow_error(fairest[4], target, protected, [(fairest[3], 0), (fairest[3], 1)])
    every = list(itertools.product((0, 1), (0, 1)))
    of_accuracy = slow_error(top[4], target, protected, every) / 4
    alike = [
        one
        for one in tried
        if one[1] <= fairest[1] + caution * of_gap + 1e-9
        and one[2] >= floor - caution * of_accuracy - 1e-9
    ]
    wanted = min(alike, key=lambda one: (abs(one[0] - 0.5), -round(one[2], 9), one[0]))
    assert chosen.threshold == pytest.approx(wanted[0])
    assert chosen.equalized_odds == pytest.approx(wanted[1])
    assert chosen.cell_accuracy == pytest.approx(wanted[2])


@pytest.mark.parametrize("seed", range(10))
def test_a_constant_decision_is_never_chosen(seed: int) -> None:
    score, target, protected = sample(seed)
    for tolerance in (0.0, 0.5):
        chosen = thresholds.choose_threshold(score, target, protected, tolerance, caution=0.0)
        assert 0 < Decision(chosen.threshold).decide(score, protected, []).mean() < 1
        assert not chosen.constant


def test_neighbouring_floats_are_told_apart() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    score = np.array([low, high, low, high], np.float32)
    target, protected = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    chosen = thresholds.choose_threshold(score, target, protected, 0.0, least_cell=1)
    np.testing.assert_array_equal(Decision(chosen.threshold).decide(score, protected, []), target)
    tight = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert tight[0] < thresholds.candidates(tight)[0] <= tight[1]


def test_equal_scores_keep_one_half_and_say_so() -> None:
    _, target, protected = sample(0)
    chosen = thresholds.choose_threshold(np.full(len(target), 0.7), target, protected, 0.02)
    assert chosen.constant
    assert chosen.threshold == 0.5


def test_small_cells_leave_one_half_and_say_so() -> None:
    score, target, protected = sample(0)
    keep = np.ones(len(score), bool)
    keep[np.flatnonzero((target == 1) & (protected == 0))[4:]] = False
    few = [part[keep] for part in (score, target, protected)]
    chosen = thresholds.choose_threshold(*few, 0.02, caution=0.0, least_cell=5)
    assert (chosen.threshold, chosen.too_few) == (0.5, True)
    assert chosen.equalized_odds == pytest.approx(slow_gap(few[0] >= 0.5, *few[1:]))
    assert not thresholds.choose_threshold(*few, 0.02, caution=0.0, least_cell=4).too_few


def drawn(rng: np.random.Generator, cells: tuple[int, ...], shift: float) -> tuple[np.ndarray, ...]:
    """Margins (2 T - 1) + (2 PA - 1) + shift + N(0, 1); cells are (T, PA) = 00, 01, 10, 11."""
    target, protected = np.repeat([0, 0, 1, 1], cells), np.repeat([0, 1, 0, 1], cells)
    margin = 2 * target + 2 * protected - 2 + shift + rng.normal(size=len(target))
    return 1 / (1 + np.exp(-margin)), target, protected


def true_gap(threshold: float, shift: float) -> float:
    """Equalized odds of a threshold on these margins, exactly."""
    from scipy.stats import norm

    at = np.log(threshold / (1 - threshold)) - shift
    table = [[norm.sf(at - (2 * t + 2 * a - 2)) for a in (0, 1)] for t in (0, 1)]
    return max(abs(one - other) for one, other in table)


def test_a_dozen_images_do_not_lead_astray() -> None:
    """Where 0.5 is the fairest threshold: the least gap of cells of 12 images is worse 19 times
    in 20, and the default moves in a third of the draws."""
    rng = np.random.default_rng(0)
    worse = {0.0: 0, 1.0: 0}
    mean = {0.0: 0.0, 1.0: 0.0}
    for _ in range(100):
        given = drawn(rng, (238, 12, 13, 237), 0.0)
        for caution in worse:
            chosen = thresholds.choose_threshold(*given, 0.02, caution=caution)
            gap = true_gap(chosen.threshold, 0.0)
            worse[caution] += gap > true_gap(0.5, 0.0) + 0.02
            mean[caution] += gap / 100
    assert worse[0.0] > 85
    assert worse[1.0] < 45
    assert mean[1.0] < true_gap(0.5, 0.0) + 0.04 < mean[0.0]


def test_large_cells_find_a_fairer_threshold() -> None:
    """Where scores are shifted, 0.5 is unfair, and large cells say so."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        given = drawn(rng, (5000, 500, 500, 5000), 0.7)
        chosen = thresholds.choose_threshold(*given, 0.02)
        assert true_gap(chosen.threshold, 0.7) < true_gap(0.5, 0.7) - 0.1


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


def test_expected_gap_is_that_of_the_mean_of_many_lotteries() -> None:
    """Rates averaged over drawn lotteries come to the expected ones, and one draw does not."""
    score, target, protected = sample(2, n=60, distinct=60)
    ids = [f"i{k}" for k in range(60)]
    rule, _ = thresholds.equalized_odds_rule(score, target, protected, "accuracy", seed=0)
    rng = np.random.default_rng(3)
    score = np.clip(score + rng.normal(0, 0.1, 60), 0, 1)  # other images than it was made for
    expected = rule.rate(score, protected, ids)
    tables = []
    for seed in range(1500):
        one = replace(rule, seed=seed, lottery="draw").rate(score, protected, ids)
        assert set(one) <= {0.0, 1.0}
        tables.append(slow_rates(one, target, protected))
    mean = np.mean(tables, axis=0)
    assert np.abs(mean - slow_rates(expected, target, protected)).max() < 0.02
    counts = count_cells(target, protected, expected)
    odds = METRICS["equalized_odds"].run(counts, METRICS["equalized_odds"].params())
    assert odds == pytest.approx(np.abs(mean[:, 1] - mean[:, 0]).max(), abs=0.03)
    assert np.ptp([slow_gap_of(table) for table in tables]) > 0.1


def slow_gap_of(table: np.ndarray) -> float:
    return float(max(abs(table[1, 1] - table[1, 0]), abs(table[0, 1] - table[0, 0])))


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
