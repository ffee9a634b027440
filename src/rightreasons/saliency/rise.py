"""RISE: random masks, and the logits of what they leave of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import generator_of
from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency._params import PassParams

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier

#: From how many at a time to all masks.
Masks = Callable[[int], Iterator["torch.Tensor"]]


class RiseParams(PassParams):
    """Parameters of RISE."""

    samples: int = Field(500, ge=1, description="Masks, each a forward pass of every image.")
    cells: int = Field(
        8, ge=1, description="Cells per side of the small masks that are upsampled, 7 in the paper."
    )
    probability: float = Field(0.5, gt=0, lt=1, description="Probability that a cell is left.")
    centred: bool = Field(
        True,
        description="Weigh masks with how far their logit is from the mean over masks; false: with "
        "the logit, as in the paper.",
    )
    baseline: Literal["mean", "black", "grey"] = Field(
        "mean",
        description="What lies under a mask: ImageNet's mean colour (0 after normalisation), "
        "black, or grey (half of white).",
    )


@EXPLAINERS.register(
    "rise",
    title="RISE",
    paper="Petsiuk et al. 2018",
    params=RiseParams,
    reads="outputs",
    small={"samples": 24, "cells": 4},
)
@contextmanager
def rise(
    model: Classifier, params: RiseParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that weighs random masks with the logit of what they leave of the image.

    `model` must be in eval mode; nothing is attached to it. Masks depend on `generator` and the
    image's size alone: neither batch nor order matter, and images are compared under the same
    masks. With masks M_i and the logits f_i of the masked images, a map is the sum of (f_i - mean
    of f) M_i, divided by samples and probability; without the mean unless `centred`. No sum is
    promised. A logit that does not depend on the image gives zeros if `centred`.
    Raises UserError for more cells per side than the image has pixels.
    """
    import torch

    from rightreasons.saliency._passes import asked_logit, by_images, colour, draw_seed, unchecked

    seed = draw_seed(generator)

    def some(
        inputs: torch.Tensor, classes: torch.Tensor, masks: Masks, copies: int
    ) -> torch.Tensor:
        """Return the maps of as many images as one pass takes, (N, H, W)."""
        fill = colour(params.baseline, inputs)[:, None]
        found = []
        for mask in masks(copies):
            points = torch.lerp(fill, inputs[:, None], mask[:, None].to(inputs)).flatten(0, 1)
            logits = asked_logit(model, points, classes.repeat_interleave(len(mask)))
            found.append(logits.view(len(inputs), -1))
        scores = torch.cat(found, 1)
        if params.centred:
            scores = scores - scores.mean(1, keepdim=True)
        maps = torch.zeros_like(inputs[:, 0])
        for mask, of_masks in zip(masks(copies), scores.split(copies, 1), strict=True):
            maps += torch.einsum("ns,shw->nhw", of_masks, mask.to(inputs))
        return maps / (params.samples * params.probability)

    @torch.no_grad()
    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        masks = _drawn(params, generator_of(seed), *inputs.shape[2:])
        images = params.images_at_once(inputs)
        copies = max(1, images // len(inputs))
        run = partial(some, masks=masks, copies=copies)
        return unchecked(by_images(run, inputs, classes, images))

    yield explain


def _drawn(params: RiseParams, stream: torch.Generator, height: int, width: int) -> Masks:
    """Return a function that yields all masks, so many at a time, (n, H, W) in [0, 1].

    Small masks of independent cells are upsampled bilinearly to one cell more than the image, and
    cut out of that with a shift of less than a cell.
    """
    import torch
    import torch.nn.functional as F

    n, cells = params.samples, params.cells
    if cells > min(height, width):
        raise UserError(
            f"rise: masks of {cells} x {cells} cells are finer than the images of {height} x "
            f"{width} pixels. Allowed: cells from 1 to {min(height, width)}."
        )
    small = (torch.rand(n, 1, cells, cells, generator=stream) < params.probability).float()
    steps = [-(-side // cells) for side in (height, width)]
    shifts = [torch.randint(step, (n,), generator=stream).tolist() for step in steps]
    size = [(cells + 1) * step for step in steps]

    def masks(at_once: int) -> Iterator[torch.Tensor]:
        for first in range(0, n, at_once):
            part = slice(first, first + at_once)
            large = F.interpolate(small[part], size, mode="bilinear", align_corners=False)[:, 0]
            corners = zip(*(shift[part] for shift in shifts), strict=True)
            cut = [
                one[top : top + height, left : left + width]
                for one, (top, left) in zip(large, corners, strict=True)
            ]
            yield torch.stack(cut)

    return masks
