"""Deconvnet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rightreasons.core.registry import Params
from rightreasons.saliency import BEYOND_RELU, EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


@EXPLAINERS.register(
    "deconvnet",
    title="Deconvnet",
    paper="Zeiler and Fergus 2014",
    refuses=BEYOND_RELU,
)
@contextmanager
def deconvnet(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that goes back through a ReLU where the gradient is positive.

    At every ReLU the gradient g of its output becomes g * [g > 0], whether the ReLU was active or
    not; max pooling sends it to the place of the maximum. Works on a copy of
    `model`, made once; `generator` is not used.
    Maps are signed sums over channels; no sum is promised.
    Raises UserError for a network with a step other than ReLU or ReLU6 and max pooling that is not
    linear.
    """
    from rightreasons.saliency._modified_relu import explain_with

    yield explain_with("deconvnet", model)
