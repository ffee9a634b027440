"""Vanilla trained again: what is vanilla's, and what may differ."""

from __future__ import annotations

import copy

import pytest
import torch

from fresh_runs import TRAIN, TRAINING, make, run, same
from rightreasons.contracts.fakes import CPU, biased_images, quiet
from rightreasons.core.seeds import torch_generator
from rightreasons.debias import Context
from rightreasons.learning.training import train


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def test_at_its_defaults_it_is_vanilla_bit_for_bit(context: Context) -> None:
    assert same(run("erm", context).model, context.vanilla())


@pytest.mark.parametrize(
    "own", [{"epochs": 3}, {"learning_rate": 2e-3}, {"weight_decay": 0.1}], ids=str
)
def test_its_budget_is_training_with_that_budget(own: dict[str, float], context: Context) -> None:
    wanted = copy.deepcopy(context.fresh())
    train(
        wanted,
        TRAIN,
        TRAINING.model_copy(update=own),
        generator=torch_generator(0, "train"),
        device=CPU,
        progress=quiet,
    )
    got = run("erm", context, **own)
    assert same(got.model, wanted)
    assert not same(got.model, context.vanilla())
    assert len(got.notes["epochs"]) == own.get("epochs", TRAINING.epochs)


def test_a_weight_decay_of_zero_is_not_vanillas() -> None:
    context = make()
    context.training = TRAINING.model_copy(update={"weight_decay": 0.1})
    plain, without = run("erm", context), run("erm", context, weight_decay=0.0)
    assert same(without.model, make().vanilla())
    assert not same(plain.model, without.model)


def test_a_threshold_changes_no_weight() -> None:
    context = make()
    enough = biased_images(80, 0.6, size=12, seed=1)  # 8 images in the smallest cells
    context.debias = lambda: enough
    chosen = run("erm", context, threshold="equalized_odds")
    assert same(chosen.model, context.vanilla())
    assert chosen.decision.threshold == chosen.notes["threshold"]["threshold"] != 0.5
    assert all(torch.isfinite(p).all() for p in chosen.model.parameters())
