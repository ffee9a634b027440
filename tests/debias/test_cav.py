"""Concept directions against separate derivations, and what edge cases do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.debias._cav import auroc, cell_weights, fit_cav, held_out_auroc

KINDS = ["signal", "ridge", "logistic", "svm"]


def planted(n: int = 400, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=d)
    truth /= np.linalg.norm(truth)
    labels = rng.integers(0, 2, n)
    return rng.normal(size=(n, d)) + 3 * labels[:, None] * truth + 5, labels, truth


@pytest.mark.parametrize("kind", KINDS)
def test_finds_the_planted_direction(kind: str) -> None:
    features, labels, truth = planted()
    cav = fit_cav(features, labels, kind)
    assert np.linalg.norm(cav.direction) == pytest.approx(1)
    assert cav.direction @ truth > 0.9
    np.testing.assert_allclose(cav.mean_without, features[labels == 0].mean(0))
    np.testing.assert_allclose(cav.mean_with, features[labels == 1].mean(0))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 40), d=st.integers(1, 8))
def test_signal_is_covariance_over_variance(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    labels[:2] = [0, 1]
    features = rng.normal(size=(n, d))
    slow = np.array([np.cov(features[:, j], labels)[0, 1] for j in range(d)]) / np.var(labels)
    slow /= np.linalg.norm(slow)
    cav = fit_cav(features, labels, "signal")
    np.testing.assert_allclose(cav.direction, slow, atol=1e-9)
    difference = cav.mean_with - cav.mean_without
    np.testing.assert_allclose(cav.direction, difference / np.linalg.norm(difference), atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_solves_its_normal_equations(weighted: bool) -> None:
    features, labels, _ = planted(n=50)
    w = np.random.default_rng(1).uniform(0.5, 2, 50) if weighted else np.ones(50)
    w = w / w.mean()
    x = features - np.average(features, axis=0, weights=w)
    x = x / np.sqrt(np.average((x**2).mean(1), weights=w))
    y = 2.0 * labels - 1
    y = y - np.average(y, weights=w)
    slow = np.linalg.solve(x.T @ np.diag(w) @ x + 3.0 * np.eye(x.shape[1]), x.T @ (w * y))
    cav = fit_cav(features, labels, "ridge", regularisation=3.0, weights=w if weighted else None)
    np.testing.assert_allclose(cav.direction, slow / np.linalg.norm(slow), atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_direction_does_not_depend_on_the_features_scale_or_place(kind: str) -> None:
    features, labels, _ = planted(n=200)
    first = fit_cav(features, labels, kind)
    moved = fit_cav(1000 * features - 77, labels, kind)
    np.testing.assert_allclose(moved.direction, first.direction, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_weights_are_repeated_images(kind: str) -> None:
    features, labels, _ = planted(n=60)
    times = np.random.default_rng(2).integers(1, 4, 60)
    repeated = np.repeat(np.arange(60), times)
    strength = 1.0 if kind == "signal" else 60 / len(repeated)
    # The weights have mean 1, so 60 weighted images stand against as many as are repeated.
    weighted = fit_cav(features, labels, kind, weights=times, regularisation=strength)
    plain = fit_cav(features[repeated], labels[repeated], kind)
    np.testing.assert_allclose(weighted.direction, plain.direction, atol=2e-3)
    np.testing.assert_allclose(weighted.mean_with, plain.mean_with)


def test_cell_weights_take_the_target_out_of_the_direction() -> None:
    """One axis is the target, one the protected attribute, and the labels are correlated."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 4000)
    protected = np.where(rng.uniform(size=4000) < 0.9, target, 1 - target)
    features = np.stack([4.0 * target, protected], axis=1) + rng.normal(0, 0.1, (4000, 2))
    plain = fit_cav(features, protected, "signal")
    weighted = fit_cav(features, protected, "signal", weights=cell_weights(target, protected))
    assert plain.direction[0] > 0.9
    assert abs(weighted.direction[0]) < 0.05


def test_cell_weights_sum_to_the_same_in_every_cell() -> None:
    target, protected = np.array([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 1, 1, 1])
    weights = cell_weights(target, protected)
    np.testing.assert_allclose(weights, [1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2, 1])


def test_auroc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    score, labels = rng.integers(0, 6, 40).astype(float), rng.integers(0, 2, 40)
    pairs = [
        1.0 if p > q else 0.5 if p == q else 0.0
        for p in score[labels == 1]
        for q in score[labels == 0]
    ]
    assert auroc(score, labels) == pytest.approx(np.mean(pairs))


def test_the_held_out_auroc_is_a_mean_over_folds() -> None:
    features, labels, _ = planted(n=43, seed=3)
    strata = np.random.default_rng(1).integers(0, 4, 43)
    weights = np.random.default_rng(2).uniform(0.5, 2, 43)
    dealt = dict.fromkeys(range(4), 0)
    folds: list[list[int]] = [[] for _ in range(5)]
    for i, stratum in enumerate(strata):
        folds[dealt[stratum] % 5].append(i)
        dealt[stratum] += 1
    values = []
    for fold in folds:
        rest = [i for i in range(43) if i not in fold]
        cav = fit_cav(features[rest], labels[rest], weights=weights[rest])
        values.append(auroc(features[fold] @ cav.direction, labels[fold], weights[fold]))
    value = held_out_auroc(features, labels, strata, weights=weights)
    assert value == pytest.approx(np.mean(values))


def test_the_held_out_auroc_of_a_coin_flip_is_chance() -> None:
    """On the images of the fit it is near 1, with more features than images."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(200, 400)), np.tile([0, 1], 100)
    assert auroc(features @ fit_cav(features, labels).direction, labels) > 0.95
    assert held_out_auroc(features, labels, labels) == pytest.approx(0.5, abs=0.1)


def test_too_few_images_for_folds_have_no_held_out_auroc() -> None:
    labels = np.array([0, 1])
    assert held_out_auroc(np.eye(2), labels, labels) is None
    assert held_out_auroc(np.zeros((40, 2)), np.tile([0, 1], 20), np.tile([0, 1], 20)) == 0.5


def test_impossible_fits_say_why() -> None:
    features, labels, _ = planted(n=20)
    with pytest.raises(UserError, match="20 without and 0 with"):
        fit_cav(features, np.zeros(20, int))
    with pytest.raises(UserError, match="do not depend on"):
        fit_cav(np.ones((20, 3)), labels)
    broken = features.copy()
    broken[3, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        fit_cav(broken, labels)
    with pytest.raises(UserError, match="do not match"):
        fit_cav(features[:10], labels)


@pytest.mark.parametrize("kind", KINDS)
def test_more_features_than_images(kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 10)
    features = rng.normal(size=(20, 100))
    features[:, 0] += 10 * labels
    assert fit_cav(features, labels, kind).direction[0] > 0.5
