"""What every explainer owes, whichever it is: a new file in the folder is tested here."""

from __future__ import annotations

import copy
import math
from functools import cache

import pytest
import torch
from torch import nn

from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS, Attribution

ARCHITECTURES = ("small_cnn", "resnet18", "squeezenet1_1")
CHECKS = ("", "conservation", "completeness")


@cache
def model_of(architecture: str) -> Classifier:
    return build_classifier(architecture).to(memory_format=torch.channels_last).eval()


def images(n: int) -> torch.Tensor:
    """Return normalised images that are not square, (n, 3, 48, 64)."""
    inputs = torch.randn(n, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    return inputs.contiguous(memory_format=torch.channels_last)


def explain(name: str, model: nn.Module, inputs: torch.Tensor, classes: list[int]) -> Attribution:
    explainer = EXPLAINERS[name]
    with explainer.run(model, explainer.params(), torch.Generator().manual_seed(0)) as run:
        return run(inputs, torch.tensor(classes))


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
    modules = [(key, type(module)) for key, module in model.named_modules()]
    explain(name, model, inputs, [0, 1])
    assert hooks(model) == 0
    assert [(key, type(module)) for key, module in model.named_modules()] == modules
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
    assert not torch.allclose(zeros, ones, **tolerance)


@pytest.mark.parametrize("architecture", ["small_cnn", "squeezenet1_1"])
@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_a_map_does_not_depend_on_the_batch(name: str, architecture: str) -> None:
    model = model_of(architecture)
    together = explain(name, model, images(3), [0, 1, 1]).maps
    alone = explain(name, model, images(3)[:1], [0]).maps
    off = (together[0] - alone[0]).norm() / alone[0].norm()
    if EXPLAINERS[name].traits["check"]:  # others may draw noise, by image in the order given
        assert off < 1e-3


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
