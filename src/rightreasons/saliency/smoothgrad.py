"""SmoothGrad and SmoothGrad-squared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.seeds import generator_of
from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency._params import PassParams

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class SmoothGradParams(PassParams):
    """Parameters of SmoothGrad."""

    samples: int = Field(25, ge=1, description="Noisy copies of each image.")
    noise: float = Field(
        0.15,
        ge=0,
        description="Standard deviation of the noise, as a share of the image's own range of "
        "(normalised) values.",
    )
    squared: bool = Field(
        False, description="Square the gradients before they are averaged (SmoothGrad-squared)."
    )


@EXPLAINERS.register(
    "smoothgrad",
    title="SmoothGrad",
    paper="Smilkov et al. 2017; squared: Hooker et al. 2019",
    params=SmoothGradParams,
    reads="gradient",
)
@contextmanager
def smoothgrad(
    model: Classifier, params: SmoothGradParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that averages the logit's gradient over noisy copies of the image.

    `model` must be in eval mode; nothing is attached to it. The s-th copy of every image has the
    same normal noise pattern (3, H, W), scaled by the image's range: it depends on `generator`, s
    and the image's size alone, so neither batch nor order matter, and images are compared under
    the same noise. Maps are signed sums over channels, at least 0 with `squared`; no sum is
    promised. An image of one value gets no noise, hence its gradient.
    """
    import torch

    from rightreasons.saliency._passes import by_images, draw_seed, input_gradient, unchecked

    seed = draw_seed(generator)

    def mean(inputs: torch.Tensor, classes: torch.Tensor, copies: int) -> torch.Tensor:
        stream = generator_of(seed)
        spread = params.noise * (inputs.amax((1, 2, 3)) - inputs.amin((1, 2, 3)))
        total = torch.zeros_like(inputs)
        for first in range(0, params.samples, copies):
            n = min(copies, params.samples - first)
            patterns = [torch.randn(inputs.shape[1:], generator=stream) for _ in range(n)]
            noise = spread[:, None, None, None, None] * torch.stack(patterns).to(inputs)
            points = (inputs[:, None] + noise).flatten(0, 1)
            parts = input_gradient(model, points, classes.repeat_interleave(n))
            parts = parts.square() if params.squared else parts
            total += parts.unflatten(0, (-1, n)).sum(1)
        return total.sum(1) / params.samples

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        images = params.images_at_once(inputs)
        copies = max(1, images // len(inputs))
        return unchecked(by_images(partial(mean, copies=copies), inputs.detach(), classes, images))

    yield explain
