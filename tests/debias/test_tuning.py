"""The budget of fine-tuning methods: how many steps, on which images, at which learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rightreasons.contracts.fakes import biased_images, make_context
from rightreasons.debias import Context
from rightreasons.debias._tuning import TuningParams, fine_tune, run_notes, steps_of, tuned
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import Batch
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier


def made(images: int, **training: Any) -> Context:
    data = biased_images(images, 0.5, size=8)
    assert len(data) == images
    return make_context(build_classifier("small_cnn"), data, training=TrainingConfig(**training))


def seen(context: Context, **params: Any) -> tuple[list[list[int]], list[dict[str, float]]]:
    """Return the images of each step, and the history, of a fine-tuning run."""
    steps: list[list[int]] = []

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        steps.append(batch.indices.tolist())
        return model(batch.inputs).mean()

    budget = TuningParams(**params)
    history = fine_tune(context, context.vanilla(), budget, "any", loss)
    assert steps_of(budget, len(context.debias())) == len(steps)
    return steps, history


@pytest.mark.parametrize(
    ("budget", "images", "steps"),
    [
        ({"steps": 7, "epochs": 50, "min_steps": 90}, 500, 7),
        ({"epochs": 3, "min_steps": 0, "batch_size": 64}, 500, 3 * 8),
        ({"epochs": 3, "min_steps": 200, "batch_size": 64}, 500, 200),
        ({"epochs": 30, "min_steps": 200, "batch_size": 64}, 500, 240),
        ({"epochs": 4, "min_steps": 0, "batch_size": 10}, 41, 4 * 4),  # 41st image alone: left out
        ({"epochs": 2, "min_steps": 0, "batch_size": 10}, 3, 2),
    ],
)
def test_steps_of_a_budget(budget: dict[str, Any], images: int, steps: int) -> None:
    assert steps_of(TuningParams(**budget), images) == steps


def test_passes_are_whole_and_the_last_one_ends_early() -> None:
    steps, history = seen(made(40), steps=6, batch_size=16)
    assert [len(batch) for batch in steps] == [16, 16, 8, 16, 16, 8]
    for a_pass in (steps[:3], steps[3:]):
        assert sorted(sum(a_pass, [])) == list(range(40))
    assert steps[:3] != steps[3:]
    assert [record["steps"] for record in history] == [3, 3]
    shorter, history = seen(made(40), steps=5, batch_size=16)
    assert shorter == steps[:5]
    assert [(record["epoch"], record["steps"]) for record in history] == [(1, 3), (2, 2)]
    assert run_notes(history) == {"steps": 5, "epochs": history}


def test_epochs_are_the_steps_they_make() -> None:
    context = made(40)  # with batches of 13 the last image of a pass is alone, and left out
    epochs, history = seen(context, epochs=2, min_steps=0, batch_size=13)
    assert len(epochs) == 6
    assert (epochs, history) == seen(context, steps=6, batch_size=13)
    assert (epochs, history) == seen(context, epochs=1, min_steps=6, batch_size=13)


def test_the_learning_rate_is_constant_whatever_the_study_does() -> None:
    """Gradient 1 in every step: Adam's first steps are each as long as its learning rate."""
    context = made(40, schedule="cosine", weight_decay=0.0, learning_rate=0.5)
    values = []

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        values.append(float(model.head.bias.detach()[0]))
        return model.head.bias[0]

    params = TuningParams(steps=7, batch_size=16, learning_rate=0.01)
    fine_tune(context, context.vanilla(), params, "any", loss)
    assert np.diff(values) == pytest.approx([-0.01] * 6, abs=1e-6)


def test_weight_decay_is_the_studys_where_the_method_has_none() -> None:
    context = made(40, weight_decay=0.25, optimizer="sgd", augment="flip")
    assert tuned(context, TuningParams()).weight_decay == 0.25
    chosen = tuned(context, TuningParams(weight_decay=0.0, learning_rate=0.3, batch_size=2))
    assert (chosen.weight_decay, chosen.learning_rate, chosen.batch_size) == (0.0, 0.3, 2)
    assert (chosen.optimizer, chosen.augment, chosen.schedule) == ("sgd", "flip", "constant")
