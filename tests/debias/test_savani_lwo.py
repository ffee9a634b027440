"""Layer-wise optimisation: one layer changes, by what the documentation says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.decisions import Decision
from rightreasons.learning.training import predict_logits
from rightreasons.models.classifier import Classifier

TRAINING = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)


@pytest.fixture(scope="module")
def vanilla() -> Classifier:
    return trained(biased_images(128, 0.6, size=16), TRAINING)


@pytest.fixture(scope="module")
def context(vanilla: Classifier) -> Context:
    return make_context(vanilla, biased_images(96, 0.6, size=16, seed=1), training=TRAINING)


def run(context: Context, **params: Any) -> Debiased:
    return METHODS["savani_lwo"].run(context, METHODS["savani_lwo"].params(**params))


def changed(vanilla: Classifier, model: Classifier) -> dict[str, int]:
    """Return how many numbers of each tensor are others."""
    before, after = vanilla.state_dict(), model.state_dict()
    counts = {key: int((before[key] != after[key]).sum()) for key in before}
    return {key: count for key, count in counts.items() if count}


def test_one_layer_changes_and_no_more_entries_than_asked(
    vanilla: Classifier, context: Context
) -> None:
    debiased = run(context, trials=6, entries=40, tolerance=0.5)
    layers = [name for name, _ in vanilla.named_parameters()][-5:]
    [(name, count)] = changed(vanilla, debiased.model).items()
    assert name == debiased.notes["layer"]
    assert name in layers
    assert count <= 40
    assert debiased.notes["tried"] == 1 + 5 * 6


@pytest.mark.parametrize("params", [{"scale": 0.0}, {"tolerance": 0.0, "scale": 100.0}])
def test_vanilla_stays_where_nothing_is_better(
    vanilla: Classifier, context: Context, params: dict[str, Any]
) -> None:
    debiased = run(context, layers=2, trials=3, **params)
    assert debiased.notes["layer"] is None
    assert not changed(vanilla, debiased.model)
    assert debiased.decision == Decision()


def on_debias(context: Context, model: Classifier) -> tuple[float, float]:
    """Return equalized odds and the mean accuracy of the cells at 0.5, counted."""
    data = context.debias()
    logits = predict_logits(model, data.images, CPU)
    decided = logits[:, 1] >= logits[:, 0]
    target, protected = data.target.numpy(), data.protected.numpy()
    rate = np.array(
        [[decided[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
    )
    gap = max(abs(rate[0, 1] - rate[0, 0]), abs(rate[1, 1] - rate[1, 0]))
    return float(gap), float((rate[1].sum() + 2 - rate[0].sum()) / 4)


def test_the_search_is_the_one_that_is_described(vanilla: Classifier, context: Context) -> None:
    """Again, slowly: whole networks, one after the other, for the head's weights alone."""
    params = {"layers": 1, "trials": 8, "tolerance": 0.1, "scale": 0.5}
    bias = context.vanilla().head.bias.detach().clone()
    stream = context.generator("savani_lwo/head.bias")
    order = torch.randperm(2, generator=stream)
    step = 0.5 * float((bias[0] ** 2 + bias[1] ** 2) / 2) ** 0.5
    tried = [(bias, *on_debias(context, vanilla))]

    def best() -> int:
        floor = max(accuracy for _, _, accuracy in tried) - 0.1
        return min(
            (i for i in range(len(tried)) if tried[i][2] >= floor - 1e-9),
            key=lambda i: (round(tried[i][1], 9), -round(tried[i][2], 9), i),
        )

    for _ in range(8):
        value = tried[best()][0].clone()
        value[order] += step * torch.randn(2, generator=stream)
        network = context.vanilla()
        network.head.bias.data.copy_(value)
        tried.append((value, *on_debias(context, network)))
    debiased = run(context, **params)
    torch.testing.assert_close(debiased.model.head.bias.detach(), tried[best()][0])
    assert best() > 0, "the example shows nothing"
    assert debiased.notes["equalized_odds"] == pytest.approx(tried[best()][1])
    assert debiased.notes["cell_accuracy"] == pytest.approx(tried[best()][2])
