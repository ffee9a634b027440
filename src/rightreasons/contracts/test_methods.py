"""What every debiasing method promises.

Which of the tests are for a method, its traits and parameters say. One that cannot pass a test
that is meant for it says why by the trait `exempt`: {"test_name": "reason"}.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from rightreasons.contracts.chosen import chosen, meant_for
from rightreasons.contracts.fakes import (
    CPU,
    attribution_of,
    biased_images,
    make_context,
    predictions,
    trained,
)
from rightreasons.contracts.states import unmoved
from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component
from rightreasons.debias import METHODS, NEEDS, Context, Debiased
from rightreasons.learning import decisions, training
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import predict_logits
from rightreasons.models.classifier import Affine, Classifier, Gated

TRAINING = TrainingConfig.model_validate({"epochs": 2, "batch_size": 32, "learning_rate": 1e-3})
PLACES = ("train", "fit", "regions", "decision")
SEEDS = (0, 1, 2)


def changes_weights(method: Component) -> bool:
    return bool(method.traits["changes"] == "weights")


def has(*parameters: str) -> Callable[[Component], bool]:
    """Return whether a method has these parameters."""
    return lambda method: set(parameters) <= set(method.params.model_fields)


@pytest.fixture(scope="module")
def vanilla() -> Classifier:
    return trained(biased_images(128, 0.6, size=16), TRAINING)


@pytest.fixture(scope="module")
def context(vanilla: Classifier) -> Context:
    return make_context(vanilla, biased_images(96, 0.6, size=16, seed=1), training=TRAINING)


def run(name: str, context: Context, **params: Any) -> Debiased:
    method = METHODS[name]
    result: Debiased = method.run(context, method.params(**{**method.traits["small"], **params}))
    return result


def same_weights(first: torch.nn.Module | None, second: torch.nn.Module | None) -> bool:
    if first is None or second is None:
        return first is second
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def same(first: Debiased, second: Debiased) -> bool:
    """Return whether two results decide alike: the same network and the same rule."""
    return first.decision == second.decision and same_weights(first.model, second.model)


@pytest.mark.parametrize("name", chosen(METHODS))
def test_traits_are_what_they_may_be(name: str) -> None:
    method = METHODS[name]
    traits = method.traits
    assert traits["changes"] in ("weights", "decision", "nothing")
    assert set(traits["needs"]) <= set(NEEDS)
    assert set(traits["uses_target"]) <= {"train", "fit"}
    assert set(traits["uses_protected"]) <= set(PLACES)
    assert ("regions" in traits["uses_protected"]) == ("regions" in traits["needs"])
    for flag in ("reference", "noise", "random", "baseline", "inert", "all_cells"):
        assert traits[flag] in (True, False)


@meant_for(METHODS, "test_contract")
def test_contract(name: str, vanilla: Classifier, context: Context) -> None:
    before = copy.deepcopy(vanilla)
    with unmoved():
        debiased = run(name, context)
    assert same_weights(vanilla, before)
    assert decisions.from_json(json.loads(json.dumps(decisions.to_json(debiased.decision))))
    json.dumps(debiased.notes, allow_nan=False)
    assert (debiased.model is not None) == changes_weights(METHODS[name])
    if METHODS[name].traits["changes"] == "nothing":
        assert debiased.decision == decisions.Decision()
    if debiased.model is not None:
        check_network(debiased.model, context)


#: Networks of other kinds: a class token and attention; LayerNorm and depthwise convolutions.
OTHERS = ("small_vit", "small_convnext")


@pytest.fixture(scope="module")
def others() -> dict[str, Context]:
    data, found = biased_images(48, 0.6, size=16, seed=1), {}
    training = TRAINING.model_copy(update={"epochs": 1})
    for name in OTHERS:
        model = trained(biased_images(64, 0.6, size=16), training, architecture=name)
        found[name] = make_context(model, data, training=training, architecture=name)
    return found


@pytest.mark.parametrize("architecture", OTHERS)
@meant_for(METHODS, "test_networks_of_other_kinds", changes_weights)
def test_networks_of_other_kinds(name: str, architecture: str, others: dict[str, Context]) -> None:
    """At every layer that a method has a choice of: it runs, and its network is another one."""
    context = others[architecture]
    layers = ("penultimate", "last_conv") if "layer" in METHODS[name].params.model_fields else ("",)
    if name == "map_guidance":
        layers = ("last",)
    for layer in layers:
        model = run(name, context, **({"layer": layer} if layer else {})).model
        assert model is not None
        check_network(model, context)
        images = context.debias().images
        after, before = (predict_logits(m, images, CPU) for m in (model, context.vanilla()))
        assert after.shape == before.shape
        assert not np.array_equal(after, before)


def check_network(model: Classifier, context: Context) -> None:
    assert not any(module.training for module in model.modules())
    assert isinstance(model.intervention, torch.nn.Identity | Affine | Gated)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
    assert np.isfinite(predict_logits(model, context.debias().images, CPU)).all()
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@meant_for(METHODS, "test_same_seed_same_result")
def test_same_seed_same_result(name: str, vanilla: Classifier) -> None:
    data = biased_images(64, 0.6, size=16, seed=1)
    results = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        np.random.seed(noise)  # noqa: NPY002
        results.append(run(name, make_context(vanilla, data, training=TRAINING)))
    assert results[0].notes == results[1].notes
    assert same(*results)


@meant_for(METHODS, "test_another_seed_gives_another_result_where_a_method_is_random")
def test_another_seed_gives_another_result_where_a_method_is_random(
    name: str, vanilla: Classifier
) -> None:
    data = biased_images(64, 0.6, size=16, seed=1)
    first, *others = (
        run(name, make_context(vanilla, data, training=TRAINING, seed=seed)) for seed in SEEDS
    )
    alike = [same(first, other) and first.notes == other.notes for other in others]
    assert all(alike) != METHODS[name].traits["random"]


# --- Where the protected attribute is used. ------------------------------------------------------


def shuffled(data: LabelledImages, seed: int) -> LabelledImages:
    """Return images whose protected attributes have changed places."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return replace(data, protected=data.protected[order])


@meant_for(METHODS, "test_targets_are_used_where_the_method_says_alone")
def test_targets_are_used_where_the_method_says_alone(name: str, vanilla: Classifier) -> None:
    splits = {"train": biased_images(64, 0.6, size=16, seed=2)}
    splits["fit"] = biased_images(64, 0.6, size=16, seed=1)
    contexts = []
    for place in ("", *splits):
        changed = dict(splits)
        if place and place not in METHODS[name].traits["uses_target"]:
            data = changed[place]
            changed[place] = replace(data, target=data.target.roll(7))
        contexts.append(make_context(vanilla, changed["fit"], changed["train"], TRAINING))
    plain, *others = (run(name, context) for context in contexts)
    assert all(same(plain, other) for other in others), "targets are used elsewhere"


def informed(vanilla: Classifier, seed: int, changed: str = "") -> Context:
    """Return a context, in one place of which the protected attribute is not what it was."""
    splits = {
        "train": biased_images(64, 0.6, size=16, seed=2),
        "fit": biased_images(64, 0.6, size=16, seed=1),
    }
    if changed in splits:
        splits[changed] = shuffled(splits[changed], seed)
    maps = attribution_of(splits["train"], seed=seed + 1 if changed == "regions" else 0)
    return make_context(vanilla, splits["fit"], splits["train"], TRAINING, seed, maps)


@pytest.fixture(scope="module")
def plain(vanilla: Classifier) -> Callable[[str, int], Debiased]:
    """Return what a method makes of unchanged images, by its name and a seed: made once."""
    return cache(lambda name, seed: run(name, informed(vanilla, seed)))


@pytest.mark.parametrize("place", ["train", "fit", "regions"])
@meant_for(METHODS, "test_the_protected_attribute_is_used_where_the_method_says")
def test_the_protected_attribute_is_used_where_the_method_says(
    name: str, place: str, vanilla: Classifier, plain: Callable[[str, int], Debiased]
) -> None:
    used = place in METHODS[name].traits["uses_protected"]
    for seed in SEEDS:
        changed = run(name, informed(vanilla, seed, place))
        if not used:
            assert same(plain(name, seed), changed), f"the protected attribute is used: {place}"
            return
        if not same(plain(name, seed), changed):
            return
    raise AssertionError(f"the protected attribute is not used: {place}")


@meant_for(METHODS, "test_decisions_depend_on_the_protected_attribute_where_the_method_says")
def test_decisions_depend_on_the_protected_attribute_where_the_method_says(
    name: str, context: Context
) -> None:
    decision = run(name, context).decision
    score, ids = np.linspace(0, 1, 201), [f"image-{i}" for i in range(201)]
    none, all_have = (decision.decide(score, np.full(201, a), ids) for a in (0, 1))
    used = "decision" in METHODS[name].traits["uses_protected"]
    assert (none != all_have).any() == used


# --- Training. ------------------------------------------------------------------------------------


@meant_for(
    METHODS,
    "test_exploding_training_is_an_error_that_names_the_method",
    changes_weights,
    has("learning_rate"),
)
def test_exploding_training_is_an_error_that_names_the_method(name: str, context: Context) -> None:
    with pytest.raises(UserError, match=name):
        run(name, context, learning_rate=1e30)


@pytest.fixture
def half_precision() -> Iterator[list[torch.device]]:
    """Compute in bfloat16 wherever it is done on a GPU; the list says how often it was."""
    plain, used = training.autocast, []

    def half(device: torch.device) -> torch.autocast:
        used.append(device)
        return torch.autocast("cpu", dtype=torch.bfloat16)

    put_in_place(plain, half)
    yield used
    put_in_place(half, plain)


def put_in_place(old: object, new: object) -> None:
    """Exchange the function `autocast` in every module that has it."""
    for module in list(sys.modules.values()):
        if vars(module).get("autocast") is old:
            module.autocast = new  # type: ignore[attr-defined]


@meant_for(METHODS, "test_computing_in_16_bits_as_on_a_gpu", changes_weights)
def test_computing_in_16_bits_as_on_a_gpu(
    name: str, vanilla: Classifier, half_precision: list[torch.device]
) -> None:
    data = biased_images(16, 0.5, size=8, seed=1)
    own = {"batch_size": 8} if has("batch_size")(METHODS[name]) else {}
    context = make_context(vanilla, data, training=TRAINING)
    model = run(name, context, **own).model
    assert half_precision or not has("learning_rate")(METHODS[name])
    assert model is not None
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    check_network(model, context)


has_policy = has("threshold", "tolerance")


@meant_for(METHODS, "test_choosing_a_threshold_changes_no_weights", has_policy)
def test_choosing_a_threshold_changes_no_weights(name: str, context: Context) -> None:
    chosen = run(name, context, threshold="equalized_odds", tolerance=0.01)
    plain = run(name, context, threshold="half")
    assert chosen.model is not None
    assert same_weights(chosen.model, plain.model)


@meant_for(METHODS, "test_a_chosen_threshold_is_thropts", has_policy)
def test_a_chosen_threshold_is_thropts(name: str, context: Context) -> None:
    """It is what `thropt` would choose by the changed network's scores on the debias split."""
    fair = run(name, context, threshold="equalized_odds", tolerance=0.01)
    assert fair.model is not None
    known = replace(context, predictions=predictions(fair.model, context.debias()))
    assert fair.decision == run("thropt", known, tolerance=0.01).decision
    assert run(name, context, threshold="half").decision == decisions.Decision(0.5)


def test_methods_that_change_no_weights_only_need_numbers() -> None:
    """They run without importing torch."""
    names = chosen(METHODS, lambda method: not changes_weights(method))
    modules = sorted({METHODS[name].module for name in names})
    script = f"""
import importlib, sys
import numpy as np, pandas as pd
from rightreasons.debias import METHODS, Context
rng = np.random.default_rng(0)
target, protected = np.tile([0, 1], 40), np.repeat([0, 1], 40)
score = np.clip(0.4 * target + 0.2 * protected + rng.uniform(0, 0.4, 80), 0, 1)
table = pd.DataFrame(dict(target=target, protected=protected, score=score))
context = Context(*[None] * 7, table, None, None, None, lambda stream: 1, None)
for module in {modules}:
    importlib.import_module(module)
for name in {names}:
    method = METHODS[name]
    assert method.run(context, method.params(**method.traits["small"])).model is None
slow = {{"torch", "sklearn", "scipy", "torchvision"}} & set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
