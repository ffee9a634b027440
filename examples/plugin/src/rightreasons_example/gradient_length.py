"""The length of the gradient over the channels."""

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
    "gradient_length", title="Length of the gradient", paper="Simonyan et al. 2014"
)
@contextmanager
def gradient_length(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that returns the Euclidean length of each pixel's gradient."""
    import torch

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        with torch.enable_grad():
            pixels = inputs.detach().requires_grad_()
            logits = model(pixels).gather(1, classes[:, None])
            (gradient,) = torch.autograd.grad(logits.sum(), pixels)
        no_check = gradient.new_full((len(inputs),), torch.nan)
        return Attribution(gradient.norm(dim=1), no_check)

    yield explain
