"""What every explainer owes.

Which of the tests are for an explainer, its traits and parameters say. One that cannot pass a test
that is meant for it says why by the trait `exempt`: {"test_name": "reason"}.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from functools import cache

import pytest
import torch
from torch import nn

from rightreasons.contracts.chosen import chosen, meant_for
from rightreasons.contracts.states import unmoved
from rightreasons.contracts.tokens import tokens
from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, Gated, projection
from rightreasons.models.layers import by_position, captured, intervene, layer_of
from rightreasons.saliency import EXPLAINERS, Attribution

TOKENS = "tokens"
ARCHITECTURES = ("small_cnn", "resnet18", "squeezenet1_1", TOKENS)
CHECKS = ("", "conservation", "completeness")


def seeing(explainer: Component) -> bool:
    """Return whether maps depend on the network and the class."""
    return not explainer.traits["control"]


def repeating(explainer: Component) -> bool:
    """Return whether several copies of an image go through the network."""
    return "pixels_at_once" in explainer.params.model_fields


def once(explainer: Component) -> bool:
    return not repeating(explainer)


def takes(explainer: Component, architecture: str) -> bool:
    """Return whether an explainer can explain one of the networks here."""
    if architecture == TOKENS:
        return "vit" not in explainer.traits["refuses"]
    return not explainer.traits["only"]


def with_networks(
    test: str, places: Sequence[tuple[str, ...]], *conditions: Callable[[Component], bool]
) -> pytest.MarkDecorator:
    """Run a test for every explainer that it is for, with each network that the explainer takes.

    Parameters
    ----------
    test
        The test's name.
    places
        Networks, and what else belongs to them.
    conditions
        What else an explainer must meet.
    """
    names = meant_for(EXPLAINERS, test, *conditions).args[1]
    given = [(n, *place) for n in names for place in places if takes(EXPLAINERS[n], place[0])]
    return pytest.mark.parametrize(("name", "architecture", "layer")[: 1 + len(places[0])], given)


def usual(name: str) -> str:
    """Return the smallest network that an explainer takes."""
    return "small_cnn" if takes(EXPLAINERS[name], "small_cnn") else TOKENS


@cache
def model_of(architecture: str) -> Classifier:
    if architecture == TOKENS:
        return tokens()
    return build_classifier(architecture).to(memory_format=torch.channels_last).eval()


def images(n: int) -> torch.Tensor:
    """Return normalised images that are not square, (n, 3, 48, 64)."""
    inputs = torch.randn(n, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    return inputs.contiguous(memory_format=torch.channels_last)


def explain(
    name: str, model: nn.Module, inputs: torch.Tensor, classes: list[int], **params: object
) -> Attribution:
    explainer = EXPLAINERS[name]
    chosen = explainer.params(**{**explainer.traits["small"], **params})
    with explainer.run(model, chosen, torch.Generator().manual_seed(0)) as run:
        return run(inputs, torch.tensor(classes))


def tiny(name: str) -> Classifier:
    """Return a small network in double precision that an explainer takes."""
    if usual(name) == TOKENS:
        return tokens().double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def hooks(model: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(m, kind)) for m in model.modules() for kind in kinds)


@pytest.mark.parametrize("name", chosen(EXPLAINERS))
def test_traits_are_what_they_may_be(name: str) -> None:
    explainer = EXPLAINERS[name]
    traits = explainer.traits
    assert traits["check"] in CHECKS
    assert traits["control"] or not traits["noise"], "noise knows neither network nor class"
    assert traits["least"] >= 1


@with_networks("test_maps_are_finite_float32_of_the_images_size", [(a,) for a in ARCHITECTURES])
def test_maps_are_finite_float32_of_the_images_size(name: str, architecture: str) -> None:
    result = explain(name, model_of(architecture), images(2), [0, 1])
    assert result.maps.shape == (2, 48, 64)
    assert result.maps.dtype == torch.float32
    assert result.maps.isfinite().all()
    assert not result.maps.requires_grad
    assert result.maps.abs().amax((1, 2)).min() > 0
    assert result.error.shape == (2,)
    assert result.error.dtype == torch.float32
    assert not result.error.requires_grad
    if EXPLAINERS[name].traits["check"]:
        assert result.error.isfinite().all()
        assert (result.error >= 0).all()
    else:
        assert all(math.isnan(value) for value in result.error.tolist())


@with_networks("test_the_model_and_the_images_are_as_before", [(a,) for a in ARCHITECTURES])
def test_the_model_and_the_images_are_as_before(name: str, architecture: str) -> None:
    model, inputs = copy.deepcopy(model_of(architecture)), images(2)
    modules = [(key, type(module), set(vars(module))) for key, module in model.named_modules()]
    explain(name, model, inputs, [0, 1])
    assert hooks(model) == 0
    assert modules == [(key, type(m), set(vars(m))) for key, m in model.named_modules()]
    for key, value in model_of(architecture).state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(module.training for module in model.modules())
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.equal(inputs, images(2))
    assert not inputs.requires_grad


@meant_for(EXPLAINERS, "test_the_model_is_as_before_when_explaining_fails")
def test_the_model_is_as_before_when_explaining_fails(name: str) -> None:
    model = copy.deepcopy(model_of(usual(name)))
    with pytest.raises((RuntimeError, ValueError, AssertionError)):
        explain(name, model, torch.zeros(1, 5, 48, 64), [0])
    assert hooks(model) == 0
    for key, value in model_of(usual(name)).state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


@meant_for(EXPLAINERS, "test_each_image_is_explained_for_its_own_class")
def test_each_image_is_explained_for_its_own_class(name: str) -> None:
    model = model_of("resnet18" if takes(EXPLAINERS[name], "resnet18") else TOKENS)
    mixed = explain(name, model, images(2), [0, 1]).maps
    zeros, ones = (explain(name, model, images(2), [k, k]).maps for k in (0, 1))
    atol = 1e-4 * float(mixed.abs().max())
    torch.testing.assert_close(mixed, torch.stack([zeros[0], ones[1]]), rtol=1e-3, atol=atol)
    assert torch.allclose(zeros, ones, rtol=1e-3, atol=atol) == EXPLAINERS[name].traits["control"]


@with_networks(
    "test_a_map_does_not_depend_on_the_batch", [("small_cnn",), ("squeezenet1_1",), (TOKENS,)]
)
def test_a_map_does_not_depend_on_the_batch(name: str, architecture: str) -> None:
    model, inputs, classes = model_of(architecture), images(3), [0, 1, 1]
    explainer = EXPLAINERS[name]
    chosen = explainer.params(**explainer.traits["small"])
    with explainer.run(model, chosen, torch.Generator().manual_seed(0)) as run:
        together = run(inputs, torch.tensor(classes)).maps
        alone = [run(inputs[i : i + 1], torch.tensor(classes[i : i + 1])).maps for i in (2, 0, 1)]
    expected = torch.cat([alone[1], alone[2], alone[0]])
    off = (together - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert off.max() < 1e-3


@meant_for(EXPLAINERS, "test_the_same_generator_gives_the_same_maps_whatever_the_global_seed")
def test_the_same_generator_gives_the_same_maps_whatever_the_global_seed(name: str) -> None:
    model = model_of(usual(name))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = explain(name, model, images(2), [0, 1]).maps
        torch.manual_seed(2)
        second = explain(name, model, images(2), [0, 1]).maps
    assert torch.equal(first, second)


@meant_for(EXPLAINERS, "test_works_where_gradients_are_off")
def test_works_where_gradients_are_off(name: str) -> None:
    model = model_of(usual(name))
    with torch.no_grad():
        off = explain(name, model, images(2), [0, 1]).maps
    torch.testing.assert_close(off, explain(name, model, images(2), [0, 1]).maps)


@meant_for(EXPLAINERS, "test_no_global_random_state_moves_and_nothing_warns")
def test_no_global_random_state_moves_and_nothing_warns(name: str) -> None:
    model = model_of(usual(name))
    with warnings.catch_warnings(), unmoved():
        warnings.simplefilter("error")
        explain(name, model, images(2), [0, 1])


@meant_for(EXPLAINERS, "test_a_logit_of_zero_for_every_image_gives_zeros", seeing)
def test_a_logit_of_zero_for_every_image_gives_zeros(name: str) -> None:
    model = copy.deepcopy(model_of(usual(name)))
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    result = explain(name, model, images(2), [0, 1])
    assert (result.maps == 0).all()
    assert EXPLAINERS[name].traits["check"] == "" or (result.error == 0).all()


PLACES = [
    ("small_cnn", "penultimate"),
    ("small_cnn", "conv2"),
    ("small_cnn", "last_conv"),
    ("resnet18", "layer3"),
    ("resnet18", "last_conv"),
    ("squeezenet1_1", "last_conv"),
    (TOKENS, "penultimate"),
    (TOKENS, "patches"),
    (TOKENS, "blocks.0"),
]


@with_networks(
    "test_a_projection_shows_in_the_map_and_one_of_strength_zero_does_not", PLACES, seeing
)
def test_a_projection_shows_in_the_map_and_one_of_strength_zero_does_not(
    name: str, architecture: str, layer: str
) -> None:
    inputs, plain = images(1)[..., :32, :32], model_of(architecture)
    before = explain(name, plain, inputs, [1]).maps
    with torch.no_grad(), captured(layer_of(plain, layer)) as outputs:
        plain(inputs)
    activation = by_position(outputs[0])[0]
    # Away from the mean activation, so that hardly anything of the features' part is left.
    direction, origin = activation.mean(dim=0), torch.zeros(activation.shape[1])
    changes = []
    for strength in (0.0, 1.0):
        model = copy.deepcopy(plain)
        intervene(model, layer, projection(direction, origin, strength))
        changed = explain(name, model, inputs, [1]).maps
        assert changed.isfinite().all()
        changes.append(float((changed - before).norm() / before.norm()))
    assert changes[0] < 1e-3
    assert changes[1] > max(1e-3, 10 * changes[0])


@meant_for(EXPLAINERS, "test_a_gated_map_is_shown_or_refused_with_a_reason", seeing)
def test_a_gated_map_is_shown_or_refused_with_a_reason(name: str) -> None:
    """Where it acts, the map is that of the affine map alone; elsewhere it is as without."""
    inputs = images(4)[..., :32, :32]
    with torch.no_grad():
        features = model_of(usual(name)).features(inputs)
    gate = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(3))
    along = features @ gate
    threshold = along.sort().values[1:3].mean()
    models = [copy.deepcopy(model_of(usual(name))) for _ in range(2)]
    affine = projection(features.mean(dim=0), torch.zeros(features.shape[1]))
    models[0].intervention = affine
    models[1].intervention = Gated(affine, gate[None], threshold[None])
    classes = [0, 1, 0, 1]
    try:
        shown = explain(name, models[1], inputs, classes).maps
    except UserError as error:
        assert "no rule for Gated" in str(error)  # noqa: PT017
        return
    assert shown.isfinite().all()
    if repeating(EXPLAINERS[name]):  # the copies of an image may lie on both sides of the gate
        return
    mapped = explain(name, models[0], inputs, classes).maps
    plain = explain(name, model_of(usual(name)), inputs, classes).maps
    acts = (along > threshold)[:, None, None]
    assert 0 < acts.sum() < len(acts)
    expected = torch.where(acts, mapped, plain)
    off = (shown - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert off.max() < 1e-3


# --- Memory: images x height x width of the largest pass, seen by the first convolution. --------


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list that the pixels of every pass through the network are appended to."""
    seen: list[int] = []
    plain = nn.Conv2d.forward

    def forward(self: nn.Conv2d, inputs: torch.Tensor) -> torch.Tensor:
        if self.in_channels == 3:
            seen.append(inputs[:, 0].numel())
        return plain(self, inputs)

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    return seen


PIXELS = 12 * 16


def many(n: int) -> tuple[torch.Tensor, list[int]]:
    inputs = torch.randn(n, 3, 12, 16, generator=torch.Generator().manual_seed(2))
    return inputs.double(), [i % 2 for i in range(n)]


@pytest.mark.parametrize("at_once", [24, 100])
@meant_for(EXPLAINERS, "test_a_batch_of_64_takes_no_more_at_once_than_allowed", repeating)
def test_a_batch_of_64_takes_no_more_at_once_than_allowed(
    name: str, at_once: int, passes: list[int]
) -> None:
    expected = explain(name, tiny(name), *many(64))
    passes.clear()
    result = explain(name, tiny(name), *many(64), pixels_at_once=at_once * PIXELS + 5)
    assert at_once * PIXELS / 2 < max(passes) <= at_once * PIXELS
    torch.testing.assert_close(result.maps, expected.maps, rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(result.error, expected.error, rtol=0, atol=1e-9, equal_nan=True)


@meant_for(EXPLAINERS, "test_at_least_one_image_goes_through", repeating)
def test_at_least_one_image_goes_through(name: str, passes: list[int]) -> None:
    expected = explain(name, tiny(name), *many(3))
    passes.clear()
    result = explain(name, tiny(name), *many(3), pixels_at_once=1)
    assert max(passes) == EXPLAINERS[name].traits["least"] * PIXELS
    torch.testing.assert_close(result.maps, expected.maps, rtol=1e-5, atol=1e-12)


@meant_for(EXPLAINERS, "test_other_explainers_put_only_the_batch_through", once)
def test_other_explainers_put_only_the_batch_through(name: str, passes: list[int]) -> None:
    """And one image, once, to see whether a copy is the same function."""
    explain(name, tiny(name), *many(5))
    assert passes.count(PIXELS) <= 1
    assert {*passes} - {PIXELS} == ({5 * PIXELS} if seeing(EXPLAINERS[name]) else set())
