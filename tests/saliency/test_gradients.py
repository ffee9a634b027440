"""The gradient family against finite differences in double precision, SmoothGrad by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rightreasons.core.seeds import generator_of
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import EXPLAINERS

CLASSES = [0, 1]


def images(n: int, height: int, width: int) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, height, width, generator=stream, dtype=torch.double)


def maps(
    name: str, model: nn.Module, inputs: torch.Tensor, classes: list[int], **params: object
) -> torch.Tensor:
    explainer = EXPLAINERS[name]
    generator = torch.Generator().manual_seed(5)
    with explainer.run(model, explainer.params(**params), generator) as run:
        return run(inputs, torch.tensor(classes)).maps


def smooth() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def small_cnn() -> Classifier:
    """Return the small CNN with the statistics of a trained batch norm."""
    model = build_classifier("small_cnn").double()
    model(images(16, 12, 16))
    return model.eval()


@torch.no_grad()
def differences(model: Classifier, image: torch.Tensor, asked: int, step: float) -> torch.Tensor:
    """Return (f(x + step) - f(x - step)) / (2 step) for each value of an image (3, H, W).

    Both one-sided differences must agree: no kink of ReLU or max pooling lies in between.
    """
    moves = step * torch.eye(image.numel(), dtype=torch.double).view(-1, *image.shape)
    middle = model(image[None])[0, asked]
    up = (model(image + moves)[:, asked] - middle) / step
    down = (middle - model(image - moves)[:, asked]) / step
    torch.testing.assert_close(up, down, rtol=1e-3, atol=1e-6)
    return ((up + down) / 2).view(image.shape)


@pytest.mark.parametrize("network", [smooth, small_cnn])
def test_gradients_are_finite_differences(network: object) -> None:
    model, inputs = network(), images(2, 8, 12)  # type: ignore[operator]
    slopes = torch.stack(
        [differences(model, x, k, 1e-6) for x, k in zip(inputs, CLASSES, strict=True)]
    )
    assert slopes.abs().amax() > 1e-3
    for name, params, expected in (
        ("gradient", {}, slopes.sum(1)),
        ("gradient", {"channels": "max"}, slopes.abs().amax(1)),
        ("gradient_squared", {}, slopes.square().sum(1)),
        ("input_x_gradient", {}, (inputs * slopes).sum(1)),
    ):
        found = maps(name, model, inputs, CLASSES, **params)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_input_x_gradient_of_an_affine_logit_sums_to_its_difference_from_the_mean_colour() -> None:
    model = Classifier(nn.Flatten(), nn.Linear(3 * 4 * 5, 2)).double()
    inputs = images(2, 4, 5)
    gain = (model(inputs) - model(torch.zeros_like(inputs))).detach()[range(2), CLASSES]
    found = maps("input_x_gradient", model, inputs, CLASSES)
    torch.testing.assert_close(found.sum((1, 2)), gain)


def slope(model: Classifier, image: torch.Tensor, asked: int) -> torch.Tensor:
    point = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(point[None])[0, asked], point)
    return gradient


@pytest.mark.parametrize("squared", [False, True])
def test_smoothgrad_is_a_hand_written_mean_over_noisy_copies(squared: bool) -> None:
    model, inputs = small_cnn(), images(2, 12, 16)
    found = maps("smoothgrad", model, inputs, CLASSES, samples=7, noise=0.2, squared=squared)
    seed = torch.randint(2**62, (), generator=torch.Generator().manual_seed(5)).item()
    stream = generator_of(seed)
    patterns = [torch.randn(3, 12, 16, generator=stream).double() for _ in range(7)]
    for image, asked, result in zip(inputs, CLASSES, found, strict=True):
        deviation = 0.2 * (image.max() - image.min())
        total = torch.zeros(12, 16, dtype=torch.double)
        for pattern in patterns:
            gradient = slope(model, image + deviation * pattern, asked)
            total += (gradient**2 if squared else gradient).sum(0)
        torch.testing.assert_close(result, total / 7, rtol=1e-6, atol=1e-9)


def test_the_noise_of_smoothgrad_has_the_size_asked_for() -> None:
    class Cubes(nn.Module):
        """f = sum x^3, whose gradient 3 x^2 averages to 3 (x^2 + deviation^2) under noise."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x**3).sum((1, 2, 3))[:, None].expand(-1, 2)

    inputs = torch.zeros(2, 3, 24, 32, dtype=torch.double)
    inputs[0, 0, 0, 0], inputs[1, 0, 0, 0] = 2, -5
    found = maps("smoothgrad", Cubes(), inputs, CLASSES, samples=50, noise=0.1)
    levels = found[:, 1:].mean((1, 2))
    expected = 3 * 3 * (0.1 * torch.tensor([2.0, 5.0]).double()) ** 2
    torch.testing.assert_close(levels, expected, rtol=0.03, atol=0)


def test_smoothgrad_without_noise_or_range_is_the_gradient() -> None:
    model, flat = smooth(), torch.full((1, 3, 12, 16), 0.3, dtype=torch.double)
    silent = maps("smoothgrad", model, images(2, 12, 16), CLASSES, samples=3, noise=0.0)
    plain = maps("gradient", model, images(2, 12, 16), CLASSES)
    torch.testing.assert_close(silent, plain)
    torch.testing.assert_close(
        maps("smoothgrad", model, flat, [1]), maps("gradient", model, flat, [1])
    )
    noisy = maps("smoothgrad", model, images(2, 12, 16), CLASSES, samples=3)
    assert (noisy - plain).abs().max() > 1e-3 * plain.abs().max()


def test_the_noise_of_an_image_does_not_depend_on_what_was_explained_before() -> None:
    explainer, model, inputs = EXPLAINERS["smoothgrad"], smooth(), images(3, 12, 16)
    with explainer.run(model, explainer.params(), torch.Generator().manual_seed(0)) as run:
        first = run(inputs, torch.tensor([0, 1, 1])).maps
        run(images(2, 8, 9), torch.tensor([0, 1]))
        again = run(inputs.flip(0)[:2], torch.tensor([1, 1])).maps
    torch.testing.assert_close(again, first.flip(0)[:2])
    with explainer.run(model, explainer.params(), torch.Generator().manual_seed(1)) as run:
        other = run(inputs, torch.tensor([0, 1, 1])).maps
    assert not torch.allclose(other, first)


def test_pixels_of_the_mean_colour_get_nothing_from_input_x_gradient() -> None:
    grey = torch.tensor(IMAGENET_MEAN)[:, None, None].expand(3, 12, 16)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    inputs = ((grey - mean[:, None, None]) / std[:, None, None])[None].double()
    assert (maps("input_x_gradient", smooth(), inputs, [1]) == 0).all()
