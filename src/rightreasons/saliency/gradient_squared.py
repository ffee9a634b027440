"""The squared gradient of the logit."""

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
    "gradient_squared",
    title="Squared gradient",
    paper="Hooker et al. 2019",
    reads="gradient",
)
@contextmanager
def gradient_squared(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that returns the logit's squared gradient, summed over channels.

    `model` must be in eval mode; nothing is attached to it, `generator` is not used. Maps are at
    least 0; no sum is promised. Channels are squared before they are summed, so that opposite
    signs do not cancel. A logit that does not depend on the image gives a map of zeros.
    """
    from rightreasons.saliency._passes import input_gradient, unchecked

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        return unchecked(input_gradient(model, inputs, classes).square().sum(1))

    yield explain
