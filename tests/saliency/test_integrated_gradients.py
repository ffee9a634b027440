"""Integrated gradients against a slow loop, and completeness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import EXPLAINERS, Attribution

BLACK = -torch.tensor(IMAGENET_MEAN)[:, None, None] / torch.tensor(IMAGENET_STD)[:, None, None]


def images(n: int, height: int = 12, width: int = 16) -> torch.Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(1))


def explain(
    model: nn.Module, inputs: torch.Tensor, classes: list[int], **params: object
) -> Attribution:
    explainer = EXPLAINERS["integrated_gradients"]
    with explainer.run(model, explainer.params(**params), torch.Generator()) as run:
        return run(inputs, torch.tensor(classes))


def smooth() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return Classifier(trunk, nn.Linear(16, 2)).eval()


def slow(
    model: nn.Module, image: torch.Tensor, asked: int, baseline: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return the sum over Gauss-Legendre nodes of weight * gradient, times (x - baseline)."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(image)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (baseline + node * (image - baseline)).float().requires_grad_()
        model(point[None])[0, asked].backward()
        total += weight * point.grad
    return (total * (image - baseline)).sum(0)


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_equals_a_slow_loop_of_gradients(baseline: str) -> None:
    model, inputs, classes = smooth(), images(3), [0, 1, 1]
    start = (BLACK if baseline == "black" else torch.zeros(3, 1, 1)).expand(3, 12, 16)
    result = explain(model, inputs, classes, steps=7, baseline=baseline)
    for image, asked, found in zip(inputs, classes, result.maps, strict=True):
        torch.testing.assert_close(found, slow(model, image, asked, start, 7), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("quadrature", ["gausslegendre", "riemann_middle"])
def test_is_complete_on_a_smooth_network(quadrature: str) -> None:
    model, inputs = smooth(), images(3)
    result = explain(model, inputs, [0, 1, 1], steps=200, quadrature=quadrature)
    gain = (model(inputs) - model(torch.zeros_like(inputs))).detach()[range(3), [0, 1, 1]]
    torch.testing.assert_close(result.maps.sum((1, 2)), gain, rtol=2e-3, atol=1e-5)
    assert result.error.max() < 2e-3


def test_the_error_is_the_gap_to_completeness() -> None:
    model, inputs = build_classifier("small_cnn").eval(), images(2, 48, 64)
    result = explain(model, inputs, [1, 0], steps=1, baseline="black")
    start = BLACK.expand_as(inputs)
    gain = (model(inputs) - model(start)).detach()[range(2), [1, 0]]
    expected = (result.maps.sum((1, 2)) - gain).abs() / gain.abs()
    torch.testing.assert_close(result.error, expected, rtol=1e-3, atol=1e-5)
    assert (result.error > 1e-3).all()


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_an_image_equal_to_the_baseline_gets_zeros(baseline: str) -> None:
    start = (BLACK if baseline == "black" else torch.zeros(3, 1, 1)).expand(2, 3, 12, 16)
    result = explain(smooth(), start, [0, 1], baseline=baseline)
    assert (result.maps == 0).all()
    assert (result.error < 1).all()


def test_a_projection_changes_the_map_and_one_of_strength_zero_does_not() -> None:
    model, inputs = smooth(), images(2)
    plain = explain(model, inputs, [0, 1]).maps
    model.intervention = projection(torch.ones(16), torch.zeros(16), 0.0)
    torch.testing.assert_close(explain(model, inputs, [0, 1]).maps, plain)
    model.intervention = projection(torch.ones(16), torch.zeros(16), 1.0)
    assert (explain(model, inputs, [0, 1]).maps - plain).abs().max() > 0.01 * plain.abs().max()
