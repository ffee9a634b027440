"""The gradient of the logit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class GradientParams(Params):
    """Parameters of the gradient."""

    channels: Literal["sum", "max"] = Field(
        "sum",
        description="How three channels become one value: their sum, which keeps the sign, or "
        "the largest absolute value (Simonyan et al.).",
    )


@EXPLAINERS.register(
    "gradient",
    title="Gradient",
    paper="Simonyan et al. 2014",
    params=GradientParams,
    reads="gradient",
)
@contextmanager
def gradient(
    model: Classifier, params: GradientParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that returns the gradient of the logit with respect to each pixel.

    `model` must be in eval mode; nothing is attached to it, `generator` is not used. No sum is
    promised. The gradient is taken with respect to the normalised image. A logit that does not
    depend on the image gives a map of zeros.
    """
    from rightreasons.saliency._passes import input_gradient, unchecked

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        parts = input_gradient(model, inputs, classes)
        return unchecked(parts.sum(1) if params.channels == "sum" else parts.abs().amax(1))

    yield explain
