"""What every debiasing method says of how it can be tuned, and of its strength."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from rightreasons.contracts.chosen import meant_for
from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.core.registry import Component
from rightreasons.core.search import Passes
from rightreasons.debias import METHODS, Debiased
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import predict_logits
from rightreasons.models.classifier import Classifier
from rightreasons.tuning.draws import draw_trials

TRAINING = TrainingConfig.model_validate({"epochs": 2, "batch_size": 32, "learning_rate": 3e-3})
SIZES = {"train": 500, "debias": 200}


def has_knob(method: Component) -> bool:
    return bool(method.traits["knob"])


def is_inert(method: Component) -> bool:
    return bool(method.traits["inert"])


def has_search(method: Component) -> bool:
    return bool(method.traits["search"])


def off(name: str) -> BaseModel:
    method = METHODS[name]
    return method.params.model_validate({**method.traits["small"], method.traits["knob"]: 0})


@pytest.fixture(scope="module")
def vanilla() -> Classifier:
    return trained(biased_images(96, 0.6, size=16), TRAINING)


@meant_for(METHODS, "test_presets_are_parameters_that_it_has")
def test_presets_are_parameters_that_it_has(name: str) -> None:
    method = METHODS[name]
    for preset, given in method.traits["presets"].items():
        assert preset not in ("default", "tuned"), "these every method has"
        assert method.params.model_validate(given) is not None


@meant_for(METHODS, "test_the_search_space_is_of_its_parameters_and_allowed", has_search)
def test_the_search_space_is_of_its_parameters_and_allowed(name: str) -> None:
    method = METHODS[name]
    space = method.traits["search"]
    assert set(space) <= set(method.params.model_fields)
    for parameter, where in space.items():
        if isinstance(where, Passes) and where.unit == "steps":
            assert "batch_size" in method.params.model_fields, parameter
    drawn = draw_trials(
        method,
        method.params().model_dump(mode="json"),
        tuple(space),
        trials=64,
        sampler="sobol",
        seed=0,
        budget=20_000,
        sizes=SIZES,
    )
    points = [trial.params for trial in drawn if trial.source == "drawn"]
    assert len({str(point) for point in points}) > 1, "all draws are the same"


@meant_for(METHODS, "test_the_strength_can_be_zero_and_is_searched_there", has_knob)
def test_the_strength_can_be_zero_and_is_searched_there(name: str) -> None:
    method = METHODS[name]
    knob = method.traits["knob"]
    assert getattr(off(name), knob) == 0
    assert getattr(method.params(), knob) != 0, "by default it does nothing"
    if method.traits["search"]:
        assert method.traits["search"][knob].value(0.0) == 0, "0 is not in the search space"


@meant_for(METHODS, "test_nothing_is_left_at_strength_zero", is_inert)
def test_nothing_is_left_at_strength_zero(name: str, vanilla: Classifier) -> None:
    data = biased_images(64, 0.6, size=16, seed=1)
    made: Debiased = METHODS[name].run(make_context(vanilla, data, training=TRAINING), off(name))
    model = vanilla if made.model is None else made.model
    logits = [predict_logits(one, data.images, CPU) for one in (vanilla, model)]
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-5, atol=1e-5)


@meant_for(
    METHODS,
    "test_the_protected_attribute_does_not_matter_at_strength_zero",
    has_knob,
)
def test_the_protected_attribute_does_not_matter_at_strength_zero(
    name: str, vanilla: Classifier
) -> None:
    data = biased_images(64, 0.6, size=16, seed=1)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(3))
    other = replace(data, protected=data.protected[order])
    results = [
        METHODS[name].run(make_context(vanilla, one, training=TRAINING), off(name))
        for one in (data, other)
    ]
    first, second = (predict_logits(made.model or vanilla, data.images, CPU) for made in results)
    np.testing.assert_allclose(second, first, rtol=1e-5, atol=1e-5)
