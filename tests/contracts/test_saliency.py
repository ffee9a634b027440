"""What every explainer owes, whichever it is: a new file in the folder is tested here."""

from __future__ import annotations

import copy
import math
import random
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, Projection
from rightreasons.saliency import EXPLAINERS, Attribution

ARCHITECTURES = ("small_cnn", "resnet18", "squeezenet1_1")
CHECKS = ("", "conservation", "completeness")
SEEING = [e.name for e in EXPLAINERS if not e.traits["control"]]
REPEATING = [e.name for e in EXPLAINERS if "pixels_at_once" in e.params.model_fields]
ONCE = [name for name in EXPLAINERS.names() if name not in REPEATING]


@cache
def model_of(architecture: str) -> Classifier:
    return build_classifier(architecture).to(memory_format=torch.channels_last).eval()


def images(n: int) -> torch.Tensor:
    """Return normalised images that are not square, (n, 3, 48, 64)."""
    inputs = torch.randn(n, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    return inputs.contiguous(memory_format=torch.channels_last)


def explain(
    name: str, model: nn.Module, inputs: torch.Tensor, classes: list[int], **params: object
) -> Attribution:
    explainer = EXPLAINERS[name]
    with explainer.run(model, explainer.params(**params), torch.Generator().manual_seed(0)) as run:
        return run(inputs, torch.tensor(classes))


def tiny() -> Classifier:
    """Return a small network in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def hooks(model: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(m, kind)) for m in model.modules() for kind in kinds)


@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_declares_a_title_a_paper_and_its_check(name: str) -> None:
    explainer = EXPLAINERS[name]
    assert explainer.title
    assert explainer.paper
    assert explainer.traits["check"] in CHECKS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", EXPLAINERS.names())
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", EXPLAINERS.names())
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


@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_the_model_is_as_before_when_explaining_fails(name: str) -> None:
    model = copy.deepcopy(model_of("small_cnn"))
    with pytest.raises((RuntimeError, ValueError, AssertionError)):
        explain(name, model, torch.zeros(1, 5, 48, 64), [0])
    assert hooks(model) == 0
    for key, value in model_of("small_cnn").state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_each_image_is_explained_for_its_own_class(name: str) -> None:
    model = model_of("resnet18")
    mixed = explain(name, model, images(2), [0, 1]).maps
    zeros, ones = (explain(name, model, images(2), [k, k]).maps for k in (0, 1))
    tolerance = {"rtol": 1e-3, "atol": 1e-4 * float(mixed.abs().max())}
    torch.testing.assert_close(mixed, torch.stack([zeros[0], ones[1]]), **tolerance)
    assert torch.allclose(zeros, ones, **tolerance) == EXPLAINERS[name].traits["control"]


@pytest.mark.parametrize("architecture", ["small_cnn", "squeezenet1_1"])
@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_a_map_does_not_depend_on_the_batch(name: str, architecture: str) -> None:
    model, inputs, classes = model_of(architecture), images(3), [0, 1, 1]
    explainer = EXPLAINERS[name]
    with explainer.run(model, explainer.params(), torch.Generator().manual_seed(0)) as run:
        together = run(inputs, torch.tensor(classes)).maps
        alone = [run(inputs[i : i + 1], torch.tensor(classes[i : i + 1])).maps for i in (2, 0, 1)]
    expected = torch.cat([alone[1], alone[2], alone[0]])
    off = (together - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert off.max() < 1e-3


@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_the_same_generator_gives_the_same_maps_whatever_the_global_seed(name: str) -> None:
    model = model_of("small_cnn")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = explain(name, model, images(2), [0, 1]).maps
        torch.manual_seed(2)
        second = explain(name, model, images(2), [0, 1]).maps
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_works_where_gradients_are_off(name: str) -> None:
    model = model_of("small_cnn")
    with torch.no_grad():
        off = explain(name, model, images(2), [0, 1]).maps
    torch.testing.assert_close(off, explain(name, model, images(2), [0, 1]).maps)


@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_no_global_random_state_moves_and_nothing_warns(name: str) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain(name, model_of("small_cnn"), images(2), [0, 1])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert random.getstate() == before[2]


@pytest.mark.parametrize("name", SEEING)
def test_a_logit_of_zero_for_every_image_gives_zeros(name: str) -> None:
    model = copy.deepcopy(model_of("small_cnn"))
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    result = explain(name, model, images(2), [0, 1])
    assert (result.maps == 0).all()
    assert EXPLAINERS[name].traits["check"] == "" or (result.error == 0).all()


@pytest.mark.parametrize("name", SEEING)
def test_a_projection_shows_in_the_map_and_one_of_strength_zero_does_not(name: str) -> None:
    model = copy.deepcopy(model_of("small_cnn"))
    plain = explain(name, model, images(1), [1]).maps
    direction = torch.randn(model.n_features, generator=torch.Generator().manual_seed(3))
    changes = []
    for strength in (0.0, 1.0):
        model.intervention = Projection(direction, torch.ones(model.n_features), strength)
        changed = explain(name, model, images(1), [1]).maps
        changes.append(float((changed - plain).norm() / plain.norm()))
    assert changes[0] < 1e-4
    assert changes[1] > 1e-3


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
@pytest.mark.parametrize("name", REPEATING)
def test_a_batch_of_64_takes_no_more_at_once_than_allowed(
    name: str, at_once: int, passes: list[int]
) -> None:
    expected = explain(name, tiny(), *many(64))
    passes.clear()
    result = explain(name, tiny(), *many(64), pixels_at_once=at_once * PIXELS + 5)
    assert at_once * PIXELS / 2 < max(passes) <= at_once * PIXELS
    torch.testing.assert_close(result.maps, expected.maps, rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(result.error, expected.error, rtol=0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("name", REPEATING)
def test_at_least_one_image_goes_through(name: str, passes: list[int]) -> None:
    expected = explain(name, tiny(), *many(3))
    passes.clear()
    result = explain(name, tiny(), *many(3), pixels_at_once=1)
    assert max(passes) == (2 if name == "deeplift" else 1) * PIXELS
    torch.testing.assert_close(result.maps, expected.maps, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("name", ONCE)
def test_other_explainers_put_only_the_batch_through(name: str, passes: list[int]) -> None:
    explain(name, tiny(), *many(5))
    assert set(passes) == ({5 * PIXELS} if name in SEEING else set())


# --- The documentation. -------------------------------------------------------------------------


def test_documented_parameters_are_the_explainers() -> None:
    """docs/explainers.md has a section per explainer with a table of all its parameters."""
    text = (Path(__file__).parents[2] / "docs" / "explainers.md").read_text()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == EXPLAINERS.names()
    for name, section in sections.items():
        found = re.findall(r"^\| `(\w+)` \| (\S+) \| (.*) \|$", section, re.MULTILINE)
        fields = EXPLAINERS[name].params.model_fields
        assert {key: (default, meaning) for key, default, meaning in found} == {
            key: (str(field.default), field.description) for key, field in fields.items()
        }, name
        assert EXPLAINERS[name].paper in section, name
