"""Integrated gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier

# Points of the paths go through the network together up to this many pixels (64 images of 64 px),
# or one step of the whole batch: what bounds the memory. More at once is slower on a CPU.
PIXELS_AT_ONCE = 64 * 64 * 64


class IntegratedGradientsParams(Params):
    """Parameters of integrated gradients."""

    steps: int = Field(32, ge=1, description="Points on the path at which gradients are taken.")
    # captum's trapezoid is left out: with n steps its weights sum to (n - 1) / n, not to 1.
    quadrature: Literal["gausslegendre", "riemann_middle"] = Field(
        "gausslegendre", description="How the integral along the path is approximated."
    )
    baseline: Literal["mean", "black"] = Field(
        "mean",
        description="Where the path begins: ImageNet's mean colour (0 after normalisation) or "
        "black pixels, with which dark objects get next to nothing.",
    )


@EXPLAINERS.register(
    "integrated_gradients",
    title="Integrated gradients",
    paper="Sundararajan et al. 2017",
    params=IntegratedGradientsParams,
    check="completeness",
)
@contextmanager
def integrated_gradients(
    model: Classifier, params: IntegratedGradientsParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that integrates the logit's gradient from the baseline to the image.

    `model` must be in eval mode; nothing is attached to it, `generator` is not used. The error is
    |sum of map - (f(x) - f(baseline))| / max(|f(x) - f(baseline)|, 1e-6), with f the logit that
    was asked for: what the quadrature misses. It falls with `steps`, slowly where the gradient
    jumps (ReLU, max pooling), and is large by division where image and baseline have nearly the
    same logit. An image equal to the baseline gets a map of zeros.
    """
    import torch
    from captum.attr import IntegratedGradients

    from rightreasons.training import IMAGENET_MEAN, IMAGENET_STD

    method = IntegratedGradients(model)
    colour = torch.zeros(3)
    if params.baseline == "black":
        colour = -torch.tensor(IMAGENET_MEAN) / torch.tensor(IMAGENET_STD)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        inputs = inputs.detach()
        baseline = colour.to(inputs)[None, :, None, None].expand(1, *inputs.shape[1:])
        parts = method.attribute(
            inputs,
            baselines=baseline,
            target=classes,
            n_steps=params.steps,
            method=params.quadrature,
            internal_batch_size=max(len(inputs), PIXELS_AT_ONCE // inputs[0, 0].numel()),
        )
        with torch.no_grad():
            gain = (model(inputs) - model(baseline)).gather(1, classes[:, None])[:, 0]
        off = (parts.sum((1, 2, 3)) - gain).abs()
        return Attribution(parts.detach().sum(1), off / gain.abs().clamp_min(1e-6))

    yield explain
