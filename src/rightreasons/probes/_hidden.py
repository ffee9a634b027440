"""The outputs while more and more of an image is hidden, the most relevant part first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightreasons.probes._boxes import counts, places
from rightreasons.probes._params import CurveParams, StepParams

if TYPE_CHECKING:
    import torch

    from rightreasons.probes._probing import Array, Probing


def hidden_curve(
    given: Probing,
    params: StepParams,
    *,
    under: torch.Tensor | None = None,
    shown: bool = False,
) -> Array:
    """Return the logits along a curve, from nothing hidden to all.

    Parameters
    ----------
    given
        Images and maps.
    params
        Boxes and steps, and the colour that hides where `under` is None.
    under : (n, 3, H, W)
        What hides.
    shown
        Begin with all hidden, and show the most relevant part first.

    Returns
    -------
    ndarray
        float64 (n, steps + 1, 2).
    """
    import torch

    from rightreasons.saliency._passes import colour

    place, boxes = places(given, params.grid)
    order = torch.from_numpy(place).to(given.inputs.device)
    until = torch.from_numpy(np.array([0, *counts(params.steps, boxes)])).to(order.device)
    if under is None:
        assert isinstance(params, CurveParams)
        under = colour(params.baseline, given.inputs).expand_as(given.inputs)

    def make(image: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        first = (order[image] < until[copy][:, None, None])[:, None]
        own, hides = given.inputs[image], under[image]
        return torch.where(first, own, hides) if shown else torch.where(first, hides, own)

    return given.outputs(params.steps + 1, make)


def falls(given: Probing, hidden: Array, baseline: str) -> Array:
    """Return how far the logit of the class explained falls without each set of pixels.

    Parameters
    ----------
    given
        The images.
    hidden : bool (n, sets, H, W)
        Which pixels get the baseline's colour.
    baseline
        Its name.

    Returns
    -------
    ndarray
        float64 (n, sets).
    """
    import torch

    from rightreasons.saliency._passes import colour

    masks = torch.from_numpy(hidden).to(given.inputs.device)
    fill = colour(baseline, given.inputs)

    def make(image: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        return torch.where(masks[image, copy][:, None], fill, given.inputs[image])

    without = given.asked(given.outputs(hidden.shape[1], make))
    return given.asked(given.before())[:, None] - without


def blurred(inputs: torch.Tensor, share: float) -> torch.Tensor:
    """Return images (n, 3, H, W) under a Gaussian of `share` of the shorter side.

    Its window ends at three standard deviations; pixels beyond the border repeat it.
    """
    import torch
    import torch.nn.functional as F

    sigma = share * min(inputs.shape[2:])
    reach = max(1, round(3 * sigma))
    weights = torch.exp(-(torch.arange(-reach, reach + 1).to(inputs) ** 2) / (2 * sigma**2))
    weights = weights / weights.sum()
    channels = inputs.shape[1]
    padded = F.pad(inputs, (reach, reach, reach, reach), mode="replicate")
    for shape in ((-1, 1), (1, -1)):
        kernel = weights.view(1, 1, *shape).repeat(channels, 1, 1, 1)
        padded = F.conv2d(padded, kernel, groups=channels)
    return padded
