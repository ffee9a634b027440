"""Performance, fairness and reliance metrics against loops over images, and their invariances."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from rightreasons.core.errors import UserError
from rightreasons.metrics import METRICS, Twins
from rightreasons.metrics._groups import count_cells
from rightreasons.metrics.compute import mean_rows, resolve, twin_metrics
from rightreasons.metrics.group_rows import group_rows
from rightreasons.statistics.intervals import (
    largest_gap,
    lowest_share,
    newcombe,
    weighted_shares,
    wilson,
)

Image = tuple[int, int, int]  # target, protected, decision
nan = math.nan

bit = st.integers(0, 1)
images = st.lists(st.tuples(bit, bit, bit), min_size=1, max_size=60)
GAPS = [
    "equalized_odds",
    "average_abs_odds_difference",
    "equal_opportunity_difference",
    "demographic_parity_difference",
    "accuracy_gap",
]


def share(selected: Iterable[bool]) -> float:
    values = list(selected)
    return sum(values) / len(values) if values else nan


def slow(data: list[Image]) -> dict[str, float]:
    """Every metric of counts, straight from its definition."""

    def positive(y: int, a: int) -> float:
        return share(d == 1 for t, p, d in data if (t, p) == (y, a))

    def right(keep) -> float:
        return share(t == d for t, p, d in data if keep(t, p))

    tpr, fpr = ([positive(y, a) for a in (0, 1)] for y in (1, 0))
    cells = [right(lambda t, p, y=y, a=a: (t, p) == (y, a)) for y in (0, 1) for a in (0, 1)]
    groups = [right(lambda t, p, a=a: p == a) for a in (0, 1)]
    classes = [right(lambda t, p, y=y: t == y) for y in (0, 1)]
    parity = [share(d == 1 for _, p, d in data if p == a) for a in (0, 1)]
    decided = [d for _, _, d in data]
    hits = sum(t == d == 1 for t, _, d in data)
    relevant, chosen = sum(t for t, _, _ in data), sum(decided)
    both = abs(tpr[1] - tpr[0]), abs(fpr[1] - fpr[0])
    missing = any(map(math.isnan, (*tpr, *fpr)))

    def quotient(rates: list[float]) -> float:
        known = not any(map(math.isnan, rates)) and max(rates) > 0
        return min(rates) / max(rates) if known else nan

    ratios = quotient(tpr), quotient(fpr)
    return {
        "accuracy": right(lambda t, p: True),
        "accuracy_0": groups[0],
        "accuracy_1": groups[1],
        "accuracy_gap": abs(groups[1] - groups[0]),
        "lowest_group_accuracy": min((g for g in groups if not math.isnan(g)), default=nan),
        "class_accuracy_0": classes[0],
        "class_accuracy_1": classes[1],
        "class_accuracy_gap": abs(classes[1] - classes[0]),
        "balanced_accuracy": sum(classes) / 2,
        "f1": 2 * hits / (relevant + chosen) if relevant + chosen else nan,
        "tpr_0": tpr[0],
        "tpr_1": tpr[1],
        "fpr_0": fpr[0],
        "fpr_1": fpr[1],
        "worst_group_accuracy": nan if missing else min(cells),
        "cell_balanced_accuracy": nan if missing else sum(cells) / 4,
        "equalized_odds": nan if missing else max(both),
        "equal_opportunity_difference": both[0],
        "demographic_parity_difference": abs(parity[1] - parity[0]),
        "average_odds_difference": (tpr[1] - tpr[0] + fpr[1] - fpr[0]) / 2,
        "average_abs_odds_difference": sum(both) / 2,
        "demographic_parity_ratio": quotient(parity),
        "equal_opportunity_ratio": ratios[0],
        "equalized_odds_ratio": nan if any(map(math.isnan, ratios)) else min(ratios),
        "empty_cells": float(sum(map(math.isnan, cells))),
        "predicted_positive_rate": share(d == 1 for d in decided),
        "constant_prediction": float(len(set(decided)) == 1),
        "collapsed_prediction": float(
            min(decided.count(0), decided.count(1)) < max(0.05 * len(decided), 1)
        ),
    }


def counts_of(data: list[Image]) -> np.ndarray:
    target, protected, decision = np.array(data).T
    return count_cells(target, protected, decision)


def value(name: str, counts: np.ndarray) -> float:
    return METRICS[name].run(counts, METRICS[name].params())


@given(images)
@settings(max_examples=200, deadline=None)
def test_metrics_of_counts_against_loops(data):
    expected = slow(data)
    counts = counts_of(data)
    names = {
        c.name
        for c in METRICS
        if c.traits["needs"] == "counts" and c.traits["attribute"] == "protected"
    }
    assert names == {*expected, "equalized_odds_unbiased"}
    for name, number in expected.items():
        assert value(name, counts) == pytest.approx(number, nan_ok=True), name


def test_counts_are_by_target_protected_decision():
    counts = counts_of([(1, 0, 0), (1, 0, 0), (0, 1, 1)])
    assert counts[1, 0, 0] == 2
    assert counts[0, 1, 1] == 1
    assert counts.sum() == 3


@given(images)
@settings(max_examples=100, deadline=None)
def test_gaps_do_not_know_which_group_is_which(data):
    counts = counts_of(data)
    for name in GAPS:
        assert value(name, counts) == pytest.approx(value(name, counts[:, ::-1]), nan_ok=True)
    signed = value("average_odds_difference", counts)
    assert value("average_odds_difference", counts[:, ::-1]) == pytest.approx(-signed, nan_ok=True)


@given(images)
@settings(max_examples=100, deadline=None)
def test_gaps_lie_between_their_bounds(data):
    counts = counts_of(data)
    odds, mean, signed = (
        value(name, counts)
        for name in ("equalized_odds", "average_abs_odds_difference", "average_odds_difference")
    )
    if not math.isnan(odds):
        assert 0 <= abs(signed) <= mean + 1e-12 <= odds + 2e-12 <= 1 + 2e-12


@pytest.mark.parametrize("decision", [0, 1])
def test_a_constant_predictor_looks_fair_and_is_flagged(decision):
    counts = counts_of([(y, a, decision) for y in (0, 1) for a in (0, 1) for _ in range(5)])
    for name in ("equalized_odds", "demographic_parity_difference", "equal_opportunity_difference"):
        assert value(name, counts) == 0
    assert value("constant_prediction", counts) == value("collapsed_prediction", counts) == 1
    assert value("balanced_accuracy", counts) == value("cell_balanced_accuracy", counts) == 0.5


def test_the_worst_case():
    counts = counts_of([(1, 0, 0), (1, 1, 1), (0, 0, 0), (0, 1, 1)])
    assert value("equalized_odds", counts) == 1
    assert value("worst_group_accuracy", counts) == 0


def test_an_empty_group_is_missing_and_no_zero():
    counts = counts_of([(1, 0, 1), (0, 0, 1), (0, 0, 0)])
    for name in (
        "tpr_1",
        "fpr_1",
        "accuracy_1",
        *GAPS,
        "worst_group_accuracy",
        "cell_balanced_accuracy",
    ):
        assert math.isnan(value(name, counts)), name
    assert value("fpr_0", counts) == 0.5


# Metrics of scores


def random_scores(seed: int, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    score = np.round(np.clip(0.3 * target + rng.random(n) * 0.7, 0, 1), 1 + seed % 3)
    return target, score


@pytest.mark.parametrize("seed", range(6))
def test_auroc_against_pairs(seed):
    target, score = random_scores(seed)
    positive, negative = score[target == 1].tolist(), score[target == 0].tolist()
    wins = [(p > q) + (p == q) / 2 for p in positive for q in negative]
    auroc = METRICS["auroc"]
    got = auroc.run(target, score, np.ones(len(target)), auroc.params())
    assert got == pytest.approx(sum(wins) / len(wins))
    assert got == pytest.approx(roc_auc_score(target, score))


def slow_ece(target: list[int], score: list[float], bins: int) -> float:
    total = 0.0
    for b in range(bins):
        members = []
        for y, s in zip(target, score, strict=True):
            confidence, predicted = max(s, 1 - s), int(s >= 0.5)
            if b / bins < confidence <= (b + 1) / bins:
                members.append((predicted == y, confidence))
        if members:
            accuracy = sum(hit for hit, _ in members) / len(members)
            confidence = sum(c for _, c in members) / len(members)
            total += len(members) / len(target) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("seed", [2, 5])
def test_ece_against_loops(seed, bins):
    target, score = random_scores(seed)
    ece = METRICS["ece"]
    got = ece.run(target, score, np.ones(len(target)), ece.params(bins=bins))
    assert got == pytest.approx(slow_ece(target.tolist(), score.tolist(), bins))


def test_ece_by_hand():
    """Two images at confidence 0.9, one right: 0.4 off. Two at 0.6, both right: 0.4 off."""
    ece = METRICS["ece"]
    score, target = np.array([0.9, 0.1, 0.6, 0.4]), np.array([1, 1, 1, 0])
    assert ece.run(target, score, np.ones(4), ece.params()) == pytest.approx(0.4)


def test_ece_bins_are_open_below():
    """Confidence 0.5 belongs to (0, 0.5], so that its excess does not cancel that of 1."""
    ece = METRICS["ece"]
    score, target = np.array([0.5, 1.0]), np.array([1, 0])
    assert ece.run(target, score, np.ones(2), ece.params(bins=2)) == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["auroc", "ece"])
def test_weights_are_copies(name):
    target, score = random_scores(3)
    weights = np.random.default_rng(0).integers(0, 4, (7, len(target)))
    metric = METRICS[name]
    got = metric.run(target, score, weights, metric.params())
    for k, weight in enumerate(weights):
        y, s = np.repeat(target, weight), np.repeat(score, weight)
        assert got[k] == pytest.approx(metric.run(y, s, np.ones(len(y)), metric.params()))


def test_auroc_of_one_class_is_missing():
    auroc = METRICS["auroc"]
    assert math.isnan(auroc.run(np.ones(3, int), np.array([0.1, 0.2, 0.3]), np.ones(3), None))


# Rows with intervals


def predictions(seed: int, n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    target, protected = rng.integers(0, 2, (2, n))
    score = np.clip(
        0.5 + 0.3 * (target - 0.5) + 0.2 * (protected - 0.5) + 0.2 * rng.normal(size=n), 0, 1
    )
    chance = (score >= 0.5).astype(int)
    return pd.DataFrame(
        {"target": target, "protected": protected, "chance": chance, "score": score}
    )


def test_rows_hold_the_metrics_with_intervals_around_them():
    frame = predictions(0)
    rows = {row["metric"]: row for row in group_rows(resolve(), predictions=frame, seed=3)}
    expected = slow([tuple(r) for r in frame[["target", "protected", "chance"]].to_numpy()])
    for name, number in expected.items():
        assert rows[name]["value"] == pytest.approx(number)
        assert rows[name]["ci_low"] <= number <= rows[name]["ci_high"]
        assert rows[name]["n"] == len(frame)
    assert rows["auroc"]["ci_low"] < rows["auroc"]["value"] < rows["auroc"]["ci_high"]
    assert rows["constant_prediction"]["ci_high"] == 0


@given(images)
@settings(max_examples=20, deadline=None)
def test_intervals_of_counts_hold_the_value_within_the_bounds(data):
    frame = pd.DataFrame(data, columns=["target", "protected", "chance"]).assign(score=0.5)
    metrics = {m.name: m.params() for m in METRICS if callable(m.traits["interval"])}
    assert {"equalized_odds", "worst_group_accuracy", "accuracy", "accuracy_gap"} <= set(metrics)
    for row in group_rows(metrics, predictions=frame, seed=0):
        low, high = METRICS[row["metric"]].traits["bounds"]
        if math.isnan(row["value"]):
            assert math.isnan(row["ci_low"])
            assert math.isnan(row["ci_high"])
        else:
            assert low - 1e-9 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= high + 1e-9


def test_intervals_of_counts_are_those_of_their_shares():
    """A rate has Wilson's, a gap Newcombe's folded at 0, an accuracy the hybrid of its cells."""
    frame = predictions(2)
    rows = {row["metric"]: row for row in group_rows(resolve(), predictions=frame, seed=3)}
    counts = counts_of([tuple(r) for r in frame[["target", "protected", "chance"]].to_numpy()])
    decided, n = counts[..., 1], counts.sum(axis=-1)

    def ends(name):
        return rows[name]["ci_low"], rows[name]["ci_high"]

    assert ends("tpr_1") == pytest.approx(tuple(map(float, wilson(decided[1, 1], n[1, 1]))))
    low, high = map(float, newcombe(decided[1], n[1]))
    inside = low <= 0 <= high
    assert ends("equal_opportunity_difference") == pytest.approx(
        (0 if inside else min(abs(low), abs(high)), max(abs(low), abs(high)))
    )
    assert ends("equalized_odds") == pytest.approx(tuple(map(float, largest_gap(decided, n))))
    assert ends("equalized_odds_unbiased") == ends("equalized_odds")
    right = np.stack([n[0] - decided[0], decided[1]])
    assert ends("worst_group_accuracy") == pytest.approx(
        tuple(map(float, lowest_share(right.ravel(), n.ravel())))
    )
    for name, weight in [("accuracy", n / n.sum()), ("cell_balanced_accuracy", n * 0 + 0.25)]:
        expected = weighted_shares(right.ravel(), n.ravel(), weight.ravel())
        assert (rows[name]["value"], *ends(name)) == pytest.approx(tuple(map(float, expected)))
    first, second = (weighted_shares(right[:, a], n[:, a], n[:, a] / n[:, a].sum()) for a in (0, 1))
    down = math.hypot(second[0] - second[1], first[2] - first[0])
    up = math.hypot(second[2] - second[0], first[0] - first[1])
    gap = second[0] - first[0]
    ends_of_gap = sorted(map(abs, (gap - down, gap + up)))
    assert ends("accuracy_gap")[1] == pytest.approx(ends_of_gap[1])
    assert ends("accuracy_gap")[0] == pytest.approx(
        0 if gap - down <= 0 <= gap + up else ends_of_gap[0]
    )


def test_the_mean_of_two_gaps_is_covered():
    """Where there is no gap the percentiles of the bootstrap never cover."""
    metric = METRICS["average_abs_odds_difference"]
    for rates in ([[0.2, 0.2], [0.8, 0.8]], [[0.2, 0.4], [0.7, 0.9]], [[0.2, 0.5], [0.8, 0.8]]):
        true, covered = np.abs(np.diff(rates)).mean(), 0
        for ones in np.random.default_rng(1).binomial(56, rates, (300, 2, 2)):
            counts = np.stack([56 - ones, ones], axis=-1)
            low, high = metric.traits["interval"](lambda c: metric.run(c, metric.params()), counts)
            covered += low - 1e-9 <= true <= high + 1e-9
        assert 0.91 < covered / 300 < 0.995


def test_no_image_of_many_is_not_certainly_none():
    none, one_lottery = np.zeros(300), np.append(np.zeros(299), 0.5)
    rows = mean_rows({"twin_flip_rate": none, "zero_map": none, "rrf": none}, seed=0)
    expected = float(wilson(0, 300)[1])
    assert [row["ci_high"] for row in rows] == pytest.approx([expected, expected, 0])
    assert all(row["ci_low"] == 0 for row in rows)
    (row,) = mean_rows({"twin_flip_rate": np.append(one_lottery, nan)}, seed=0)
    assert row["value"] == pytest.approx(0.5 / 300)
    assert row["ci_low"] == 0
    assert row["ci_high"] < expected  # of the images that there are, and no draw adds to it
    (row,) = mean_rows({"twin_flip_rate": np.array([1.0, nan, 0.0, 0.0])}, seed=0)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(map(float, wilson(1, 3))))
    assert row["n"] == 3


def test_rows_do_not_depend_on_which_metrics_are_asked_for():
    frame, everything = predictions(0), resolve()
    one = {name: everything[name] for name in ("ece", "tpr_1", "f1")}
    rows = group_rows(everything, predictions=frame, seed=3)
    for row in group_rows(one, predictions=frame, seed=3):
        assert row in rows
    assert group_rows(one, predictions=frame, seed=4) != group_rows(one, predictions=frame, seed=3)


def test_rows_of_a_missing_group():
    frame = predictions(0).query("protected == 0")
    rows = {row["metric"]: row for row in group_rows(resolve(), predictions=frame, seed=0)}
    assert math.isnan(rows["equalized_odds"]["value"])
    assert math.isnan(rows["equalized_odds"]["ci_low"])
    assert not math.isnan(rows["accuracy_0"]["ci_low"])


@pytest.mark.parametrize(
    ("column", "bad"), [("target", 2), ("score", 1.5), ("score", nan), ("chance", 1.5)]
)
def test_impossible_predictions_name_column_and_row(column, bad):
    frame = predictions(0, n=20).astype(float)
    frame.loc[7, column] = bad
    with pytest.raises(UserError, match=rf"{column} is .* row 7"):
        group_rows(resolve(), predictions=frame, seed=0)
    with pytest.raises(UserError, match=f"lack the column '{column}'"):
        group_rows(resolve(), predictions=frame.drop(columns=column), seed=0)


# Twins


def test_reliance_against_loops():
    rng = np.random.default_rng(0)
    n = 50
    protected = rng.integers(0, 2, n)
    score, twin_score = rng.random((2, n))
    twin_score[[3, 30]] = nan
    decision, twin_decision = (np.where(np.isnan(s), nan, s >= 0.4) for s in (score, twin_score))
    twins = Twins(protected, score, twin_score, decision, twin_decision)
    values = twin_metrics(resolve(), twins=twins)
    for k in range(n):
        if k in (3, 30):
            assert all(math.isnan(v[k]) for v in values.values())
            continue
        with_it, without = (score[k], twin_score[k]) if protected[k] else (twin_score[k], score[k])
        assert values["twin_effect"][k] == with_it - without
        assert values["twin_score_change"][k] == abs(with_it - without)
        assert values["twin_flip_rate"][k] == float((with_it >= 0.4) != (without >= 0.4))
    rows = {row["metric"]: row for row in mean_rows(values, seed=0)}
    assert {row["n"] for row in rows.values()} == {n - 2}
    assert rows["twin_flip_rate"]["value"] == pytest.approx(np.nanmean(values["twin_flip_rate"]))


def test_no_twins_at_all_are_missing():
    none = np.full(4, nan)
    twins = Twins(np.array([0, 1, 0, 1]), np.full(4, 0.5), none, np.ones(4), none)
    rows = mean_rows(twin_metrics(resolve(), twins=twins), seed=0)
    assert len(rows) == 3
    assert all(math.isnan(row["value"]) and row["n"] == 0 for row in rows)


@st.composite
def weighted_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities (with ties, 0 and 1) and how often each image is counted."""
    n = draw(st.integers(1, 30))
    score = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
    return (
        np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))),
        np.array(draw(st.lists(score, min_size=n, max_size=n))),
        np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))),
    )


def auroc(target: np.ndarray, score: np.ndarray, weights: np.ndarray) -> float:
    return float(METRICS["auroc"].run(target, score, weights, METRICS["auroc"].params()))


@given(weighted_scores())
@settings(max_examples=100, deadline=None)
def test_auroc_knows_ranks_only_and_turns_around(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    target, score, weights = case
    score = np.round(score, 3)  # so that the square below keeps every difference
    got = auroc(target, score, weights)
    np.testing.assert_allclose(auroc(target, score**2 / 2, weights), got, atol=1e-9)
    np.testing.assert_allclose(auroc(target, 1 - score, weights), 1 - got, atol=1e-9)
    np.testing.assert_allclose(auroc(1 - target, score, weights), 1 - got, atol=1e-9)
