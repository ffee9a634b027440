"""Reactive P-ClArC: who is corrected, and to what."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.debias import METHODS, Context
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import extract_features


@pytest.fixture(scope="module")
def context() -> Context:
    training = TrainingConfig(epochs=3, batch_size=32, learning_rate=1e-3)
    return make_context(trained(biased_images(256, 0.8), training), biased_images(128, 0.6, seed=1))


@pytest.mark.parametrize("condition", ["attribute", "class", "both"])
@pytest.mark.parametrize("cut", [0.3, 0.5])
def test_those_who_meet_the_condition_are_projected(
    context: Context, condition: str, cut: float
) -> None:
    method, data = METHODS["reactive_p_clarc"], context.debias()
    chosen = method.params(condition=condition, cut=cut, cav_weighting="images", strength=0.8)
    debiased = method.run(context, chosen)
    vanilla = context.vanilla()
    features = extract_features(vanilla, data.images, CPU)
    protected = data.protected.numpy()
    x = features.double().numpy()
    without, with_ = x[protected == 0].mean(0), x[protected == 1].mean(0)
    v = (with_ - without) / np.linalg.norm(with_ - without)
    looks = (x - without) @ v > cut * np.linalg.norm(with_ - without)
    with torch.no_grad():
        says = vanilla.head(features).argmax(1).numpy() == 1  # the class that goes with PA
    met = {"attribute": looks, "class": says, "both": looks & says}[condition]
    expected = np.where(met[:, None], x - 0.8 * np.outer((x - without) @ v, v), x)
    after = debiased.model.intervention(features).double().numpy()
    np.testing.assert_allclose(after, expected, atol=1e-4)
    assert 0 < met.mean() < 1
    assert debiased.notes["corrected"] == pytest.approx(met.mean())


def test_at_strength_zero_the_network_is_vanilla(context: Context) -> None:
    method = METHODS["reactive_p_clarc"]
    model = method.run(context, method.params(strength=0.0)).model
    features = extract_features(context.vanilla(), context.debias().images, CPU)
    assert torch.equal(model.classify(features), context.vanilla().classify(features))


def test_the_class_is_the_one_that_goes_with_the_attribute(context: Context) -> None:
    """With the attribute on the other class, that class is the condition."""
    from dataclasses import replace

    data = context.debias()
    turned = replace(data, protected=1 - data.protected)
    other = make_context(context.vanilla(), turned)
    method, chosen = METHODS["reactive_p_clarc"], {"condition": "class"}
    gates = [
        method.run(where, method.params(**chosen)).model.intervention.gates
        for where in (context, other)
    ]
    torch.testing.assert_close(gates[0], -gates[1])
