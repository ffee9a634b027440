"""Calibration: against slow loops, and on classifiers whose calibration is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.metrics.ece import EceParams
from rightreasons.metrics.ece import ece as ece_of_scores
from rightreasons.regions import calibration
from rightreasons.regions.calibration import by_position, ece, reliability


def bin_of(value: float, bins: int) -> int:
    """The bin (b / B, (b + 1) / B] of a confidence; 0 belongs to the first."""
    return next(b for b in range(bins) if value * bins <= b + 1)


def slow_ece(confidence: list[float], correct: list[bool], bins: int) -> float:
    total = 0.0
    for b in range(bins):
        members = [i for i, c in enumerate(confidence) if bin_of(c, bins) == b]
        if members:
            accuracy = sum(correct[i] for i in members) / len(members)
            mean = sum(confidence[i] for i in members) / len(members)
            total += len(members) / len(confidence) * abs(accuracy - mean)
    return total


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 30),
)
def test_ece_is_the_slow_loop(cases: list[tuple[float, bool]], bins: int) -> None:
    confidence, correct = [c for c, _ in cases], [r for _, r in cases]
    got = ece(np.array(confidence), np.array(correct), bins)
    assert got == pytest.approx(slow_ece(confidence, correct, bins), abs=1e-12)


def test_a_calibrated_classifier_has_an_ece_near_zero_and_an_overconfident_one_has_not() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 400_000)
    correct = rng.random(len(confidence)) < confidence
    assert ece(confidence, correct) < 0.01
    over = rng.random(len(confidence)) < confidence - 0.2
    assert ece(confidence, over) == pytest.approx(0.2, abs=0.01)
    coin = rng.random(1000) < 0.5
    assert ece(np.full(1000, 0.5), coin) == pytest.approx(abs(coin.mean() - 0.5))


def test_bins_are_those_of_the_metric_ece() -> None:
    rng = np.random.default_rng(1)
    score = np.r_[rng.random(500), 0.6, 0.8, 1.0, 0.2, 0.0]
    target = rng.integers(0, 2, len(score)).astype(bool)
    confidence = np.maximum(score, 1 - score)
    metric = ece_of_scores(target, score, np.ones((1, len(score))), EceParams(bins=10))
    assert ece(confidence, (score >= 0.5) == target, 10) == pytest.approx(float(metric[0]))


def test_reliability_adds_up() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 1, (30, 9)).astype(np.float32)
    correct = rng.random((30, 9)) < 0.7
    table = reliability(confidence, correct, bins=20)
    assert list(table) == ["bin", "low", "high", "n", "confidence", "accuracy"]
    assert table["n"].sum() == 270
    assert (table["n"] * table["accuracy"]).sum() == pytest.approx(correct.sum())
    assert (table["n"] * table["confidence"]).sum() == pytest.approx(confidence.sum(), rel=1e-6)
    filled = table[table["n"] > 0]
    assert (filled["confidence"] > filled["low"]).all()
    assert (filled["confidence"] <= filled["high"]).all()
    assert table.loc[table["n"] == 0, ["confidence", "accuracy"]].isna().all(axis=None)
    gaps = (filled["n"] * (filled["accuracy"] - filled["confidence"]).abs()).sum() / 270
    assert ece(confidence, correct, 20) == pytest.approx(gaps)


def test_borders_belong_to_the_lower_bin_and_zero_to_the_first() -> None:
    table = reliability(np.array([0, 0.25, 0.5, 0.5001, 1.0]), np.ones(5, bool), bins=4)
    assert table["n"].tolist() == [2, 1, 1, 1]
    assert table["low"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["high"].tolist() == [0.25, 0.5, 0.75, 1]


def test_by_position_is_each_column() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.3, 1, (50, 6 * 6))
    correct = rng.random((50, 36)) < 0.6
    table = by_position(confidence, correct, bins=15)
    assert list(table) == ["position", "row", "column", "n", "accuracy", "ece"]
    assert (table["row"] * 6 + table["column"]).tolist() == list(range(36))
    assert (table["n"] == 50).all()
    for i in (0, 7, 35):
        assert table["accuracy"][i] == pytest.approx(sum(correct[:, i]) / 50)
        expected = slow_ece(confidence[:, i].tolist(), correct[:, i].tolist(), 15)
        assert table["ece"][i] == pytest.approx(expected)


def test_no_patches() -> None:
    assert math.isnan(ece(np.zeros((0, 4)), np.zeros((0, 4), bool)))
    assert by_position(np.zeros((0, 4)), np.zeros((0, 4), bool))["accuracy"].isna().all()
    assert (reliability(np.zeros(0), np.zeros(0, bool), 5)["n"] == 0).all()


@pytest.mark.parametrize(
    ("confidence", "correct", "bins", "message"),
    [
        ([0.5, 1.2], [1, 1], 10, "between 0 and 1"),
        ([0.5, np.nan], [1, 1], 10, "between 0 and 1"),
        ([0.5], [1, 1], 10, "1 confidences, but 2"),
        ([0.5], [1], 0, "bins = 0"),
    ],
)
def test_errors(confidence: list[float], correct: list[int], bins: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ece(np.array(confidence), np.array(correct), bins)
    with pytest.raises(UserError, match="no square"):
        by_position(np.full((2, 5), 0.5), np.ones((2, 5), bool))


def test_calibration_does_not_depend_on_how_many_patches_are_binned_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random((50, 9)).astype(np.float32)
    correct = rng.random((50, 9)) < confidence
    place = np.ceil(confidence.ravel().astype(np.float64) * 10).astype(int) - 1
    sums = np.bincount(place, confidence.ravel().astype(np.float64))
    for chunk in (2**20, 7):
        monkeypatch.setattr(calibration, "CHUNK", chunk)
        table = reliability(confidence, correct, 10)
        np.testing.assert_array_equal(table["confidence"], sums / np.bincount(place))
        pd.testing.assert_series_equal(table["n"], pd.Series(np.bincount(place)), check_names=False)
