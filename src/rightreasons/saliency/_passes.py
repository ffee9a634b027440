"""Passes through the network that several explainers share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch

from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import Attribution

if TYPE_CHECKING:
    from torch import nn

COLOURS = {"mean": IMAGENET_MEAN, "black": (0.0, 0.0, 0.0), "grey": (0.5, 0.5, 0.5)}


def input_gradient(model: nn.Module, inputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return d logit of the class asked for / d input, (N, 3, H, W). Weights get no gradient."""
    with torch.enable_grad():
        pixels = inputs.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(asked_logit(model, pixels, classes).sum(), pixels)
    return gradient


def pulled_back(outputs: torch.Tensor, inputs: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the sum over outputs j of d outputs_j / d inputs share_j, in the shape of the inputs.

    As the gradient of one number: handed shares, torch.autograd.grad first imports sympy.
    """
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad((outputs * share).sum(), inputs)
    return gradient


def asked_logit(model: nn.Module, inputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the logit (N,) of the class asked for of each image."""
    return model(inputs).gather(1, classes[:, None])[:, 0]


def colour(name: str, inputs: torch.Tensor) -> torch.Tensor:
    """Return a baseline colour, normalised as the `inputs`, as (1, 3, 1, 1)."""
    mean, std, chosen = (inputs.new_tensor(c) for c in (IMAGENET_MEAN, IMAGENET_STD, COLOURS[name]))
    return ((chosen - mean) / std)[None, :, None, None]


def unnormalise(inputs: torch.Tensor) -> torch.Tensor:
    """Return images with values in [0, 1] from `inputs` normalised as in training."""
    mean, std = inputs.new_tensor([IMAGENET_MEAN, IMAGENET_STD])[..., None, None]
    return inputs.detach() * std + mean


def by_images(
    run: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    classes: torch.Tensor,
    at_once: int,
) -> torch.Tensor:
    """Return what `run` returns for images and classes, called for `at_once` images at a time."""
    parts = zip(inputs.split(at_once), classes.split(at_once), strict=True)
    return torch.cat([run(some, asked) for some, asked in parts])


def complete(
    model: nn.Module,
    parts: torch.Tensor,
    inputs: torch.Tensor,
    baseline: torch.Tensor,
    classes: torch.Tensor,
    at_once: int,
) -> Attribution:
    """Return the maps of `parts` (N, 3, H, W) with what they miss of completeness.

    The error is |sum of parts - (f(x) - f(baseline))| / max(|f(x) - f(baseline)|, 1e-6) with f
    the logit asked for. baseline: (1, 3, H, W). At most `at_once` images go through together.
    """
    with torch.no_grad():
        logit = by_images(partial(asked_logit, model), inputs, classes, at_once)
        gain = logit - model(baseline)[0, classes]
    off = (parts.sum((1, 2, 3)) - gain).abs()
    return Attribution(parts.sum(1), off / gain.abs().clamp_min(1e-6))


def unchecked(maps: torch.Tensor) -> Attribution:
    """Return maps (N, H, W) of an explainer that promises no sum."""
    return Attribution(maps, maps.new_full((len(maps),), torch.nan))


def draw_seed(generator: torch.Generator) -> int:
    """Return the seed of a stream of its own, the next of `generator`."""
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))
