"""Random perturbation: the copies, and which of them is taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.decisions import Decision, probability
from rightreasons.learning.training import predict_logits
from rightreasons.models.classifier import Classifier

TRAINING = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)


@pytest.fixture(scope="module")
def vanilla() -> Classifier:
    return trained(biased_images(128, 0.6, size=16), TRAINING)


@pytest.fixture(scope="module")
def context(vanilla: Classifier) -> Context:
    return make_context(vanilla, biased_images(96, 0.6, size=16, seed=1), training=TRAINING)


def run(context: Context, name: str = "savani_rp", **params: Any) -> Debiased:
    return METHODS[name].run(context, METHODS[name].params(**params))


def test_random_perturbation_keeps_vanilla_where_nothing_is_fairer(
    vanilla: Classifier, context: Context
) -> None:
    alone = run(context, copies=1, threshold="equalized_odds")
    for key, value in vanilla.state_dict().items():
        assert torch.equal(alone.model.state_dict()[key], value), key
    assert alone.decision == run(context, "thropt").decision
    many = run(context, copies=8, tolerance=0.5, threshold="equalized_odds")
    assert many.notes["equalized_odds"] <= alone.notes["equalized_odds"]
    same = run(context, copies=3, scale=0.0)
    assert same.notes["copy"] == 0


def test_with_a_threshold_of_one_half_copies_are_judged_by_it(context: Context) -> None:
    """Each copy in turn is asked for its gap at 0.5, and the least is taken."""
    many = run(context, copies=6, scale=0.3, tolerance=0.5)
    assert many.decision == Decision(0.5)
    data = context.debias()
    score = probability(predict_logits(many.model, data.images, CPU))
    decided, target, protected = score >= 0.5, data.target.numpy(), data.protected.numpy()
    table = [[decided[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
    gap = max(abs(one - other) for one, other in table)
    assert many.notes["equalized_odds"] == pytest.approx(gap)
    assert gap <= run(context, copies=1).notes["equalized_odds"]
