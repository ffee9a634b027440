"""The image's edges: a control that knows neither the network nor the class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rightreasons.core.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@EXPLAINERS.register(
    "edges",
    title="Edges (Sobel)",
    paper="Control, as in Adebayo et al. 2018",
    control=True,
    style=("#666666", "+", ":"),
    reads="image",
)
@contextmanager
def edges(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that returns the Sobel magnitude of the grey image.

    Grey is 0.299 R + 0.587 G + 0.114 B with values in [0, 1]; pixels beyond the border repeat it.
    Maps are at least 0, at most 4 sqrt(2); no sum is promised. An image of one colour gets zeros
    (up to rounding).
    """
    import torch
    import torch.nn.functional as F

    from rightreasons.saliency._passes import unchecked, unnormalise

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        weights = inputs.new_tensor(LUMA)[None, :, None, None]
        grey = (unnormalise(inputs) * weights).sum(1, keepdim=True)
        across = inputs.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        kernels = torch.stack([across, across.T])[:, None]
        steps = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernels)
        return unchecked(torch.linalg.vector_norm(steps, dim=1))

    yield explain
