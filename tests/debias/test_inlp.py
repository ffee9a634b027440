"""INLP: rounds of classifiers, and the projection onto what none of them sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS
from rightreasons.debias._erasure import inlp_directions
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import extract_features


def drawn(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], n // 2)
    features = rng.normal(size=(n, d)) * np.linspace(0.5, 2, d) + np.outer(
        labels, rng.normal(size=d)
    )
    return features + 3, labels, rng.uniform(0.5, 2, n)


def logistic(x: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float) -> np.ndarray:
    """Return the normal of penalised logistic regression, by a general optimiser."""

    def loss(theta: np.ndarray) -> float:
        margin = (2 * y - 1) * (x @ theta[:-1] + theta[-1])
        return float(w @ np.logaddexp(0, -margin) + penalty * theta[:-1] @ theta[:-1] / 2)

    found = minimize(loss, np.zeros(x.shape[1] + 1), method="BFGS", options={"gtol": 1e-8})
    return np.asarray(found.x[:-1])


def test_each_normal_is_a_classifiers_of_what_is_left() -> None:
    features, labels, w = drawn(80, 5, seed=0)
    found = inlp_directions(features, labels, rounds=3, weights=w, regularisation=2.0)
    w = w / w.mean()
    x = features - np.average(features, axis=0, weights=w)
    x /= np.sqrt(np.average((x**2).mean(1), weights=w))
    for row in found:
        normal = logistic(x, labels, w, 2.0)
        np.testing.assert_allclose(np.abs(row @ normal) / np.linalg.norm(normal), 1, atol=1e-4)
        x = x - np.outer(x @ row, row)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-9)


def test_it_ends_where_nothing_is_left() -> None:
    features, labels, _ = drawn(60, 3, seed=1)
    assert inlp_directions(features, labels, rounds=10).shape == (3, 3)
    with pytest.raises(UserError, match="nothing to erase"):
        inlp_directions(np.ones((10, 3)), np.tile([0, 1], 5), rounds=2)


def test_the_networks_intervention_is_the_projection() -> None:
    training = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)
    context = make_context(trained(biased_images(128, 0.8), training), biased_images(96, 0.5))
    data, method = context.debias(), METHODS["inlp"]
    features = extract_features(context.vanilla(), data.images, CPU)
    values, target, protected = (
        features.double().numpy(),
        data.target.numpy(),
        data.protected.numpy(),
    )
    cells = [values[(target == t) & (protected == a)].mean(0) for t in (0, 1) for a in (0, 1)]
    origins = {"zero": 0 * values[0], "all": values.mean(0), "cells": np.mean(cells, axis=0)}
    for origin, z in origins.items():
        chosen = method.params(rounds=3, cav_weighting="images", origin=origin, regularisation=1.0)
        debiased = method.run(context, chosen)
        q = inlp_directions(values, protected, rounds=3)
        after = debiased.model.intervention(features).double().numpy()
        np.testing.assert_allclose(after, values - (values - z) @ q.T @ q, atol=1e-4)
        assert debiased.notes["rounds"] == 3
    still = method.run(context, method.params(strength=0.0)).model
    assert torch.equal(still.intervention(features), features)
