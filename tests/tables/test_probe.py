"""The balanced linear probe: its numbers from their definition, and what it must not be told by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from rightreasons.tables.probe import FOLDS, REPEATS, C, folds_of, probe

Array = np.ndarray


def images(
    counts: tuple[int, ...], d: int, target: float, protected: float, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Return features (N, d), target and protected of cells 00, 01, 10, 11 of target, protected."""
    rng = np.random.default_rng(seed)
    cell = rng.permutation(np.repeat(np.arange(4), counts))
    t, p = cell // 2, cell % 2
    x = rng.normal(5, rng.uniform(0.1, 9, d), (len(cell), d))
    x[:, 0] += target * x[:, 0].std() * t
    x[:, 1] += protected * x[:, 1].std() * p
    return x, t, p


def slow_probe(
    x: Array, label: Array, cell: Array, together: Array, rng: np.random.Generator
) -> tuple[float, float]:
    """Return AUROC and accuracy by definition; another optimiser fits, in d dimensions."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    areas, accuracies = [], []
    for _ in range(REPEATS):
        fold, score = folds_of(cell, together, rng), np.empty(len(x))
        for number in range(FOLDS):
            fit = np.flatnonzero(fold != number)
            size = {one: np.sum(cell[fit] == one) for one in range(4)}
            weight = np.array([len(fit) / 4 / size[cell[i]] for i in fit])
            sign = 2 * label[fit] - 1

            one = np.column_stack([np.ones(len(fit)), z[fit]]) * sign[:, None]
            bare = np.r_[0, np.ones(x.shape[1])]  # the intercept has no penalty

            def loss(
                w: Array, one: Array = one, weight: Array = weight, bare: Array = bare
            ) -> tuple[float, Array]:
                value = weight @ np.logaddexp(0, -one @ w) + w @ (bare * w) / (2 * C)
                return value, bare * w / C - one.T @ (weight / (1 + np.exp(one @ w)))

            found = minimize(loss, 0 * bare, jac=True, method="BFGS", tol=1e-9).x
            rest = fold == number
            score[rest] = z[rest] @ found[1:] + found[0]
        of_cell = {one: np.mean((score[cell == one] > 0) == label[cell == one]) for one in range(4)}
        accuracies.append(np.mean(list(of_cell.values())))
        above = below = 0.0
        for i in np.flatnonzero(label == 1):
            for j in np.flatnonzero(label == 0):
                both = 1 / np.sum(cell == cell[i]) / np.sum(cell == cell[j])
                above += both * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
                below += both
        areas.append(above / below)
    return float(np.mean(areas)), float(np.mean(accuracies))


@pytest.mark.parametrize("d", [3, 90])
def test_numbers_are_their_definitions(d: int) -> None:
    """With fewer and with more features than images, in cells of different sizes."""
    x, t, p = images((30, 12, 14, 24), d, 2.0, 3.0)
    cell, together = 2 * t + p, np.repeat(np.arange(40), 2)
    for label in (t, p):
        got = probe(x, label, cell, together, rng=np.random.default_rng(4), replicates=20)
        area, accuracy = slow_probe(x, label, cell, together, np.random.default_rng(4))
        assert got.auroc.value == pytest.approx(area, abs=1e-4)
        assert got.accuracy.value == pytest.approx(accuracy, abs=1e-9)
        assert 0.5 < got.accuracy.value < 1
        assert got.accuracy.low < got.accuracy.value < got.accuracy.high


def test_folds_hold_every_cell_and_never_part_what_belongs_together() -> None:
    _, t, p = images((40, 11, 23, 30), 2, 0, 0)
    together = np.random.default_rng(1).integers(0, 60, len(t))
    fold = folds_of(2 * t + p, together, np.random.default_rng(2))
    assert set(fold) == set(range(FOLDS))
    assert all(len(set(fold[together == one])) == 1 for one in set(together))
    counts = np.array([np.bincount((2 * t + p)[fold == k], minlength=4) for k in range(FOLDS)])
    largest = np.bincount(together).max()
    assert (np.abs(counts - np.bincount(2 * t + p) / FOLDS) <= largest + 1).all()


def test_features_without_the_label_tell_nothing() -> None:
    """Over 12 pools the accuracy is a half, and intervals hold it."""
    found = []
    for seed in range(12):
        x, t, p = images((20, 20, 20, 20), 30, 0.0, 2.0, seed)
        rng = np.random.default_rng(seed)
        found.append(probe(x, t, 2 * t + p, np.arange(80), rng=rng, replicates=200).accuracy)
    assert abs(np.mean([one.value for one in found]) - 0.5) < 0.05
    assert sum(one.low <= 0.5 <= one.high for one in found) >= 8


def test_the_other_attribute_does_not_help() -> None:
    """Images with phi 0.8, features that know the protected attribute alone: without weights a
    probe would be right in nine of ten images."""
    x, t, p = images((180, 20, 20, 180), 8, 0.0, 6.0)
    told = probe(x, t, 2 * t + p, np.arange(400), rng=np.random.default_rng(0), replicates=50)
    assert np.mean(t == p) == 0.9
    assert abs(told.accuracy.value - 0.5) < 0.06
    assert abs(told.auroc.value - 0.5) < 0.08


def test_people_that_are_recognised_do_not_count_as_knowledge() -> None:
    """Two images of each of 80 people, whose features say nothing but who it is."""
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(80), 2)
    x = rng.standard_normal((80, 200))[person]
    cell = rng.permutation(np.arange(80) % 4)[person]
    apart = probe(x, cell // 2, cell, np.arange(160), rng=rng, replicates=20)
    kept = probe(x, cell // 2, cell, person, rng=rng, replicates=20)
    assert apart.accuracy.value > 0.8
    assert kept.accuracy.value < 0.6


def test_intervals_of_people_are_as_wide_as_there_are_people() -> None:
    """Each image four times tells no more than once; the interval must not become narrower."""
    x, t, p = images((30, 30, 30, 30), 4, 1.0, 0.0)
    four = np.tile(np.arange(120), 4)
    cell = (2 * t + p)[four]
    widths = []
    for together in (four, np.arange(480)):
        rng = np.random.default_rng(0)
        told = probe(x[four], t[four], cell, together, rng=rng, replicates=400).accuracy
        widths.append(told.high - told.low)
    assert 1.5 < widths[0] / widths[1] < 2.5


def test_a_cell_with_too_few_images_has_no_numbers() -> None:
    x, t, p = images((20, FOLDS - 1, 20, 20), 4, 1.0, 1.0)
    told = probe(x, t, 2 * t + p, np.arange(len(t)), rng=np.random.default_rng(0))
    assert np.isnan(told.accuracy.value)
    assert np.isnan(told.auroc.low)
    assert told.accuracy.n == len(t)


def test_a_feature_that_is_always_the_same_changes_nothing() -> None:
    x, t, p = images((10, 10, 10, 10), 3, 1.0, 1.0)
    both = [
        probe(part, t, 2 * t + p, np.arange(40), rng=np.random.default_rng(0), replicates=5)
        for part in (x, np.column_stack([x, np.full(40, 7.0)]))
    ]
    assert both[0].auroc.value == both[1].auroc.value
