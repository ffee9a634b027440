"""Input invariance: how far a map moves when a shift of the image is undone in the network."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Params
from rightreasons.metrics._intensity import ratio
from rightreasons.probes import PROBES, Probing

if TYPE_CHECKING:
    from torch import nn

    from rightreasons.models.classifier import Classifier
    from rightreasons.probes._probing import Array


class InvarianceParams(Params):
    """Parameters of input invariance."""

    shift: float = Field(
        1.0,
        description="Added to every value of the normalised image (1 is about 57 of 255 grey "
        "levels).",
    )


@PROBES.register(
    "input_invariance",
    title="Input invariance",
    paper="Kindermans et al. 2019",
    params=InvarianceParams,
    family="robustness",
    better="lower",
    sign="signed",
    needs=("maps",),
    bounds=(0, float("inf")),
    formula=r"\frac{\|R_2(x + m) - R_1(x)\|}{\|R_1(x)\|}, \quad f_2(x + m) = f_1(x)",
    order=11,
)
def input_invariance(given: Probing, params: InvarianceParams) -> Array:
    """Return the relative change of the map by a shift that the first bias takes back.

    Both networks have a first convolution without padding, and images with a margin of what it
    would have padded: so the shift is undone at the border as well. An explainer's random numbers
    are others for the shifted image.
    """
    import torch.nn.functional as F

    one, margin = unpadded(given.model)
    other = copy.deepcopy(one)
    with_bias(first_convolution(other), params.shift)
    padded = F.pad(given.inputs, (margin[1], margin[1], margin[0], margin[0]))
    before = given.explain(padded, model=one, stream="before")
    after = given.explain(padded + params.shift, model=other, stream="after")
    inner = tuple(slice(m, m + side) for m, side in zip(margin, given.size, strict=True))
    before, after = (maps[:, inner[0], inner[1]] for maps in (before, after))
    size = np.linalg.norm(before, axis=(1, 2))
    moved = np.linalg.norm(after - before, axis=(1, 2))
    return ratio(moved, size)


def first_convolution(model: nn.Module) -> nn.Conv2d:
    """Return the convolution that sees the image.

    Raises
    ------
    UserError
        Where the first layer is something else, or pads with anything but zeros.
    """
    from torch import nn

    layer = next(
        (m for m in model.modules() if next(m.parameters(recurse=False), None) is not None), None
    )
    if not isinstance(layer, nn.Conv2d) or layer.padding_mode != "zeros":
        raise UserError(
            "input_invariance: the network does not begin with a convolution that pads with zeros. "
            "Leave this probe out of probe.probes."
        )
    return layer


def unpadded(model: Classifier) -> tuple[Classifier, tuple[int, int]]:
    """Return a copy whose first convolution has a bias and no padding, and the margin left out."""
    import torch
    from torch import nn

    network = copy.deepcopy(model)
    layer = first_convolution(network)
    if isinstance(layer.padding, str):
        raise UserError(
            "input_invariance: the first convolution has the padding "
            f"{layer.padding!r}. Leave this probe out of probe.probes."
        )
    margin = (int(layer.padding[0]), int(layer.padding[1]))
    layer.padding = (0, 0)
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(layer.out_channels).to(layer.weight))
    return network, margin


def with_bias(layer: nn.Conv2d, shift: float) -> None:
    """Change the bias so that the layer gives for x + shift what it gave for x."""
    import torch

    assert layer.bias is not None
    with torch.no_grad():
        layer.bias -= shift * layer.weight.sum((1, 2, 3))
