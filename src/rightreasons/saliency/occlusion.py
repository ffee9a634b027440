"""Occlusion by the boxes of a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency._params import PassParams

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class OcclusionParams(PassParams):
    """Parameters of occlusion."""

    grid: int = Field(8, ge=1, description="Boxes per side: grid x grid boxes cover the image.")
    baseline: Literal["mean", "black", "grey"] = Field(
        "mean",
        description="What a box is filled with: ImageNet's mean colour (0 after normalisation), "
        "black, or grey (half of white).",
    )


@EXPLAINERS.register(
    "occlusion",
    title="Occlusion",
    paper="Zeiler and Fergus 2014",
    params=OcclusionParams,
    boxes="grid",
    reads="outputs",
)
@contextmanager
def occlusion(
    model: Classifier, params: OcclusionParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that hides one box after the other and returns the drops of the logit.

    `model` must be in eval mode; nothing is attached to it, `generator` is not used. The drop of a
    box is shared out equally over its pixels, so the map's sum is the sum of the drops. It is
    f(x) - f(baseline) where the boxes act independently (always with one box), and not promised
    otherwise. Where the grid does not divide the image, boxes differ by at most one row or column.
    A box of the baseline's colour gets 0.
    Raises UserError for a grid with more boxes per side than the image has pixels.
    """
    import torch

    from rightreasons.saliency._passes import asked_logit, by_images, colour, unchecked

    def drops(
        inputs: torch.Tensor, classes: torch.Tensor, box: torch.Tensor, copies: int
    ) -> torch.Tensor:
        """Return the drop (N, boxes) of each box; `box` (H, W) says which one a pixel is in."""
        fill = colour(params.baseline, inputs)[:, None]
        hidden = []
        for numbers in torch.arange(params.grid**2, device=inputs.device).split(copies):
            inside = (box == numbers[:, None, None])[None, :, None]
            points = torch.where(inside, fill, inputs[:, None]).flatten(0, 1)
            logits = asked_logit(model, points, classes.repeat_interleave(len(numbers)))
            hidden.append(logits.view(len(inputs), -1))
        return asked_logit(model, inputs, classes)[:, None] - torch.cat(hidden, 1)

    @torch.no_grad()
    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        box = _boxes(params.grid, *inputs.shape[2:]).to(inputs.device)
        images = params.images_at_once(inputs)
        some = partial(drops, box=box, copies=max(1, images // len(inputs)))
        drop = by_images(some, inputs, classes, images)
        return unchecked((drop / box.flatten().bincount())[:, box])

    yield explain


def _boxes(grid: int, height: int, width: int) -> torch.Tensor:
    """Return the number of the box that each pixel is in, int64 (H, W), row by row."""
    import torch

    if grid > min(height, width):
        raise UserError(
            f"occlusion: a grid of {grid} x {grid} boxes is finer than the images of {height} x "
            f"{width} pixels. Allowed: grid from 1 to {min(height, width)}."
        )
    row, column = (torch.arange(side) * grid // side for side in (height, width))
    return row[:, None] * grid + column
