"""Input times gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rightreasons.core.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


@EXPLAINERS.register(
    "input_x_gradient",
    title="Input x gradient",
    paper="Shrikumar et al. 2016",
    reads="gradient",
)
@contextmanager
def input_x_gradient(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that multiplies the normalised image with the logit's gradient.

    `model` must be in eval mode; nothing is attached to it, `generator` is not used. The sum is
    f(x) - f(ImageNet's mean colour) for a logit f that is affine in the image, and not promised
    otherwise. Pixels of the mean colour get 0.
    """
    from rightreasons.saliency._passes import input_gradient, unchecked

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        return unchecked((inputs.detach() * input_gradient(model, inputs, classes)).sum(1))

    yield explain
