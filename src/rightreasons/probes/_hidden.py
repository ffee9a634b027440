"""The outputs while more and more of an image is hidden, the most relevant part first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightreasons.probes._boxes import counts, places
from rightreasons.probes._params import CurveParams

if TYPE_CHECKING:
    import torch

    from rightreasons.probes._probing import Array, Probing


def hidden_curve(
    given: Probing,
    params: CurveParams,
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
        Boxes, steps, and the colour that hides.
    under : (n, 3, H, W)
        What hides in place of a colour.
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
    plain = colour(params.baseline, given.inputs) if under is None else None

    def make(image: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        first = (order[image] < until[copy][:, None, None])[:, None]
        hides = plain if under is None else under[image]
        own = given.inputs[image]
        return torch.where(first, own, hides) if shown else torch.where(first, hides, own)

    return given.outputs(params.steps + 1, make)
