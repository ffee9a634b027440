"""LEACE against a second derivation, and what a probe reads after it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS
from rightreasons.debias._cav import cell_weights, fit_cav
from rightreasons.debias._erasure import leace_eraser
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import extract_features


def drawn(n: int, phi: float, seed: int, d: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (n, d) in which T and PA are oblique directions of unequal noise."""
    rng = np.random.default_rng(seed)
    same = np.random.default_rng(7)
    mix, t, a = same.normal(size=(d, d)), same.normal(size=d), same.normal(size=d)
    target = rng.integers(0, 2, n)
    protected = np.where(rng.uniform(size=n) < (1 + phi) / 2, target, 1 - target)
    features = rng.normal(size=(n, d)) @ mix + np.outer(target, 3 * t) + np.outer(protected, 4 * a)
    return features + 5, target, protected


def erased(features: np.ndarray, eraser: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    read, write, mean = eraser
    return features - np.outer((features - mean) @ read, write)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_the_eraser_is_whitening_projection_and_colouring(weighted: bool, shrinkage: float) -> None:
    """x - W^+ P W (x - mean), by singular values of the data in place of the closed form."""
    features, target, protected = drawn(300, 0.6, seed=1)
    w = cell_weights(target, protected) if weighted else np.ones(300)
    w = w / w.sum()
    mean = np.average(features, axis=0, weights=w)
    rows = np.sqrt(w)[:, None] * (features - mean)
    _, s, vt = np.linalg.svd(rows, full_matrices=False)
    variances = (1 - shrinkage) * s**2 + shrinkage * (s**2).mean()
    whiten, colour = (vt.T @ np.diag(variances**p) @ vt for p in (-0.5, 0.5))
    u = whiten @ (rows.T @ (np.sqrt(w) * (protected - w @ protected)))
    u /= np.linalg.norm(u)
    slow = features - (features - mean) @ (colour @ np.outer(u, u) @ whiten).T
    chosen = {"weights": w, "shrinkage": shrinkage}
    fast = erased(features, leace_eraser(features, protected, **chosen))
    np.testing.assert_allclose(fast, slow, atol=1e-8)
    means = [np.average(fast[protected == a], axis=0, weights=w[protected == a]) for a in (0, 1)]
    np.testing.assert_allclose(means[0], means[1], atol=1e-8)


def test_no_other_eraser_changes_the_features_less() -> None:
    """Among maps x - c (r . (x - mean)) with r . c = 1, all of which erase."""
    features, _, protected = drawn(200, 0.3, seed=2)
    read, write, mean = leace_eraser(features, protected)
    assert read @ write == pytest.approx(1)
    rng = np.random.default_rng(0)
    least = ((erased(features, (read, write, mean)) - features) ** 2).sum()
    for scale in (1e-3, 1e-2, 0.1):
        other = read + scale * rng.normal(size=len(read))
        other /= other @ write
        assert ((erased(features, (other, write, mean)) - features) ** 2).sum() > least


def test_at_full_shrinkage_it_is_the_projection_of_p_clarc() -> None:
    features, target, protected = drawn(200, 0.5, seed=3)
    weights = cell_weights(target, protected)
    read, write, _ = leace_eraser(features, protected, weights=weights, shrinkage=1.0)
    v = fit_cav(features, protected, weights=weights).direction
    np.testing.assert_allclose(np.outer(write, read), np.outer(v, v), atol=1e-9)


def probe(features: np.ndarray, labels: np.ndarray) -> float:
    """Return a linear probe's accuracy on the second half, fitted on the first."""
    half = len(labels) // 2
    scaled = (features - features.mean(0)) / features.std(0)
    fitted = LogisticRegression(max_iter=2000).fit(scaled[:half], labels[:half])
    return float(fitted.score(scaled[half:], labels[half:]))


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_a_probe_on_unseen_images_is_at_chance_and_the_target_stays(phi: float) -> None:
    features, target, protected = drawn(20_000, phi, seed=4)
    eraser = leace_eraser(
        features, protected, weights=cell_weights(target, protected), shrinkage=0.1
    )
    unseen, t, a = drawn(20_000, 0.0, seed=5)
    assert probe(unseen, a) > 0.95
    after = erased(unseen, eraser)
    assert probe(after, a) <= 0.53
    assert probe(after, t) > 0.9


def test_more_features_than_images_are_still_erased() -> None:
    features, _, protected = drawn(20, 0.0, seed=6, d=60)
    after = erased(features, leace_eraser(features, protected))
    np.testing.assert_allclose(
        after[protected == 1].mean(0), after[protected == 0].mean(0), atol=1e-6
    )


def test_features_without_the_attribute_are_refused() -> None:
    with pytest.raises(UserError, match="nothing to erase"):
        leace_eraser(np.ones((10, 3)), np.tile([0, 1], 5))


def test_the_networks_intervention_is_the_eraser() -> None:
    training = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)
    context = make_context(trained(biased_images(128, 0.8), training), biased_images(96, 0.5))
    data, method = context.debias(), METHODS["leace"]
    features = extract_features(context.vanilla(), data.images, CPU).double().numpy()
    target, protected = data.target.numpy(), data.protected.numpy()
    full = leace_eraser(features, protected, weights=cell_weights(target, protected), shrinkage=0.1)
    for strength in (0.0, 0.5, 1.0):
        model = method.run(context, method.params(strength=strength)).model
        after = model.intervention(torch.from_numpy(features).float()).double().numpy()
        slow = (1 - strength) * features + strength * erased(features, full)
        np.testing.assert_allclose(after, slow, atol=1e-4)
