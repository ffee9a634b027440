"""Random perturbation: the copies, and which of them is taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rightreasons.contracts.fakes import biased_images, make_context, trained
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.learning.config import TrainingConfig
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
    alone = run(context, copies=1)
    for key, value in vanilla.state_dict().items():
        assert torch.equal(alone.model.state_dict()[key], value), key
    assert alone.decision == run(context, "thropt").decision
    many = run(context, copies=8, tolerance=0.5)
    assert many.notes["equalized_odds"] <= alone.notes["equalized_odds"]
    same = run(context, copies=3, scale=0.0)
    assert same.notes["copy"] == 0
