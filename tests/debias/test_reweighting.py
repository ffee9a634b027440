"""Reweighting: the weights by counting one image after the other, and the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fresh_runs import TRAIN, make, run, same
from rightreasons.contracts.fakes import CPU, biased_images
from rightreasons.debias import Context
from rightreasons.debias.reweighting import independence_weights, weighted_loss
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import batches


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def slow_weights(data: LabelledImages, strength: float) -> np.ndarray:
    pairs = list(zip(data.target.tolist(), data.protected.tolist(), strict=True))
    weights = []
    for t, a in pairs:
        of_target = sum(other[0] == t for other in pairs)
        of_protected = sum(other[1] == a for other in pairs)
        weights.append((of_target * of_protected / len(pairs) / pairs.count((t, a))) ** strength)
    return np.array(weights) / np.mean(weights)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
def test_weights_are_counted(strength: float, phi: float) -> None:
    data = biased_images(46, phi, size=4)
    got = independence_weights(data, strength)
    np.testing.assert_allclose(got, slow_weights(data, strength), rtol=1e-6)


def test_target_and_protected_are_independent_under_the_weights() -> None:
    data = biased_images(64, 0.8, size=4)
    data = LabelledImages(data.images, data.target | (torch.arange(64) < 9), data.protected, [])
    w = independence_weights(data, 1.0).double().numpy() / 64
    t, a = data.target.numpy(), data.protected.numpy()
    together = [[w[(t == i) & (a == j)].sum() for j in (0, 1)] for i in (0, 1)]
    apart = np.outer([np.mean(t == i) for i in (0, 1)], [np.mean(a == j) for j in (0, 1)])
    np.testing.assert_allclose(together, apart, atol=1e-7)


def test_an_empty_cell_leaves_equal_weights() -> None:
    assert torch.equal(independence_weights(biased_images(40, 1.0, size=4), 1.0), torch.ones(40))


def test_the_loss_is_the_mean_of_weight_times_cross_entropy(context: Context) -> None:
    [batch] = batches(TRAIN, 100, CPU)
    model = context.vanilla()
    with torch.no_grad():
        p = model(batch.inputs).double().softmax(1).numpy()
        got = float(weighted_loss(context, 1.0)(model, batch))
    errors = [-np.log(p[i, TRAIN.target[i]]) for i in range(len(TRAIN))]
    assert got == pytest.approx(np.mean(slow_weights(TRAIN, 1.0) * errors), rel=1e-5)


def test_strength_0_is_plain_training_and_1_is_not(context: Context) -> None:
    assert same(run("reweighting", context, strength=0).model, context.vanilla())
    assert not same(run("reweighting", context).model, context.vanilla())
