"""Runs of a method on a few biased images, and two networks that are compared bit by bit."""

from __future__ import annotations

from typing import Any

import torch

from rightreasons.contracts.fakes import biased_images, make_context, trained
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.learning.config import TrainingConfig

TRAINING = TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-3, augment="flip")
TRAIN = biased_images(44, 0.6, size=12)
DEBIAS = biased_images(40, 0.6, size=12, seed=1)


def make() -> Context:
    """Return a context with a trained vanilla network."""
    return make_context(trained(TRAIN, TRAINING), DEBIAS, TRAIN, TRAINING)


def run(name: str, context: Context, **params: Any) -> Debiased:
    """Run the method `name` with these parameters."""
    result: Debiased = METHODS[name].run(context, METHODS[name].params(**params))
    return result


def same(first: torch.nn.Module | None, second: torch.nn.Module | None) -> bool:
    """Return whether two networks have the same weights and statistics, bit for bit."""
    if first is None or second is None:
        return first is second
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
