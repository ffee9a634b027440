"""What the right-reasons methods share: how much a network's maps say inside a region."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from rightreasons.core.errors import UserError
from rightreasons.learning.training import Batch
from rightreasons.models.classifier import Classifier
from rightreasons.models.layers import as_map, captured, layer_of, twice_differentiable

Map = Literal["gradient", "gradcam"]
#: Below this sum a map says nothing.
LEAST = 1e-7


def region_of(roi: np.ndarray, batch: Batch) -> torch.Tensor:
    """Return the region of a batch's images, mirrored as they are.

    Parameters
    ----------
    roi : bool (n, H, W)
        The region of all images of the data.
    batch
        Some of them.

    Returns
    -------
    Tensor
        bool (B, H, W), on the batch's device.
    """
    chosen = torch.from_numpy(roi[batch.indices.cpu().numpy()])
    return batch.turned(chosen.to(batch.inputs.device))


def right_reasons(logits: torch.Tensor, pixels: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Return the penalty () on gradients inside a region, differentiable in the weights.

    The sum over the region's pixels and channels of (d/dx sum_k log p_k)^2, averaged over images.
    It is taken in 32 bits also under autocast, because it squares small numbers.

    Parameters
    ----------
    logits : (N, K)
        What the pixels gave.
    pixels : (N, C, H, W)
        Normalised images that ask for a gradient.
    region : bool (N, H, W)
        Where the network must not look.

    References
    ----------
    Ross, Hughes, Doshi-Velez 2017, "Right for the Right Reasons: Training Differentiable Models by
    Constraining their Explanations", eq. 1.
    """
    said = logits.float().log_softmax(dim=1).sum()
    (gradient,) = torch.autograd.grad(said, pixels, create_graph=True)
    return (gradient.float() * region[:, None]).square().sum(dim=(1, 2, 3)).mean()


def energy_inside(maps: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Return the share () of maps' positive part that lies inside a region, a mean over images.

    Parameters
    ----------
    maps : (N, H, W)
        The negative part does not count; a map without a positive part counts as 0.
    region : bool (N, H, W)
        The region; an empty one has the share 0.

    References
    ----------
    Rao, Boehle, Parchami-Araghi, Schiele 2023, "Studying How to Efficiently and Effectively Guide
    Models with Explanations": the energy loss is 1 minus this share, for the object's box.
    """
    positive = maps.clamp_min(0)
    inside = (positive * region).sum(dim=(1, 2))
    return (inside / positive.sum(dim=(1, 2)).clamp_min(LEAST)).mean()


def input_map(logit: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Return input x gradient, summed over channels, (N, H, W), differentiable in the weights.

    Parameters
    ----------
    logit : (N,)
        The logit that is explained.
    pixels : (N, C, H, W)
        Normalised images that ask for a gradient.
    """
    (gradient,) = torch.autograd.grad(logit.float().sum(), pixels, create_graph=True)
    return (pixels * gradient.float()).sum(dim=1)


def feature_map(logit: torch.Tensor, features: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return Grad-CAM, upsampled bilinearly to `size`, differentiable in the weights.

    Parameters
    ----------
    logit : (N,)
        The logit that is explained.
    features : (N, C, h, w), (N, h, w, C) or (N, t + h^2, C)
        The feature map that it was made from, or a square of tokens behind t of other kinds.
    size
        (H, W).

    References
    ----------
    Selvaraju et al. 2017, eq. 1 and 2, before negative values are set to 0.
    """
    (gradient,) = torch.autograd.grad(logit.float().sum(), features, create_graph=True)
    weights = as_map(gradient.float()).mean(dim=(2, 3), keepdim=True)
    maps = (weights * as_map(features.float())).sum(dim=1, keepdim=True)
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)[:, 0]


#: From a batch to its logits and the maps (N, H, W) of its true classes.
Mapped = Callable[[Batch], tuple[torch.Tensor, torch.Tensor]]


@contextmanager
def maps_of(model: Classifier, kind: Map, layer: str) -> Iterator[Mapped]:
    """Give the function from a batch to its logits and the maps of its true classes.

    Parameters
    ----------
    model
        The network, which has hooks inside the block alone.
    kind
        gradient: input x gradient; gradcam: Grad-CAM.
    layer
        Of Grad-CAM: a module of the trunk, or `last`: `last_conv` of `models.layers.layer_of`.

    Raises
    ------
    UserError
        Where there is no such layer, or its output is no feature map.
    """
    if kind == "gradient":

        def by_pixel(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            pixels = batch.inputs.detach().requires_grad_()
            with twice_differentiable():
                logits = model(pixels)
            return logits, input_map(_true(logits, batch), pixels)

        yield by_pixel
        return
    module = layer_of(model, "last_conv" if layer == "last" else layer)
    with captured(module) as outputs:

        def by_position(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            with twice_differentiable():
                logits = model(batch.inputs.detach().requires_grad_())
            if outputs[0].dim() < 3:
                raise UserError(
                    f"map_guidance.layer: the output of {layer} has no height and width. Choose a "
                    "convolutional layer, or `last`."
                )
            height, width = batch.inputs.shape[2:]
            return logits, feature_map(_true(logits, batch), outputs[0], (height, width))

        yield by_position


def _true(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return logits.gather(1, batch.target[:, None])[:, 0]
