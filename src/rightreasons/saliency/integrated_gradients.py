"""Integrated gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency._params import PassParams

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class IntegratedGradientsParams(PassParams):
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
    reads="gradient",
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
    from captum.attr import IntegratedGradients

    from rightreasons.saliency._passes import by_images, colour, complete

    method = IntegratedGradients(model)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        inputs = inputs.detach()
        baseline = colour(params.baseline, inputs).expand(1, *inputs.shape[1:])
        at_once = params.images_at_once(inputs)

        def integrate(some: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
            parts = method.attribute(
                some,
                baselines=baseline,
                target=asked,
                n_steps=params.steps,
                method=params.quadrature,
                internal_batch_size=at_once,
            )
            return parts.detach().to(some.dtype)  # captum 0.7 returns double

        parts = by_images(integrate, inputs, classes, at_once)
        return complete(model, parts, inputs, baseline, classes, at_once)

    yield explain
