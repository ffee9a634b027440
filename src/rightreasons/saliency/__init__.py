"""Explainers, one file each: `EXPLAINERS` finds them all.

An explainer is a context manager `explainer(model, params, generator)` that yields a function
`explain(inputs, classes) -> Attribution`. Whatever it attaches to the network (hooks, merged
layers) is gone when the context ends.

Traits: `check`, what the maps' sum is checked against: "conservation", "completeness" or "" (see
`Attribution`); `control`, True for maps that are made without the network and the class; `noise`,
True for a control that is nothing but chance; `style`, its colour, marker and line in figures, as
matplotlib has them, empty for those of its turn; `boxes`, for one that hides boxes: the parameter
that says how many a side; `least`, how many images its smallest pass through the network holds;
`reads`, what it needs of a network: "image" (nothing), "outputs", "gradient" (of outputs by the
image) or "layers"; `refuses`, families of architectures (`models.facts`) whose layers it has no
rule for, so that a study with them ends before it begins; `only`, the families that it is for,
empty for all;
`small`, parameters with which it is quick, for tests; `exempt`, why a test of the contract is not
for it, by the test's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rightreasons.core.registry import Registry

if TYPE_CHECKING:
    import torch

#: Families whose steps have no rule in explainers that follow ReLUs: attention, layer norms, other
#: activations, products.
BEYOND_RELU = ("convnext", "efficientnet", "maxvit", "mobilenet_v3", "regnet_y", "swin", "vit")

EXPLAINERS = Registry(
    "rightreasons.saliency",
    "explainer",
    traits={
        "check": "",
        "control": False,
        "noise": False,
        "style": (),
        "boxes": "",
        "least": 1,
        "reads": "layers",
        "refuses": (),
        "only": (),
        "small": {},
        "exempt": {},
    },
    group="rightreasons.explainers",
)


@dataclass(frozen=True)
class Attribution:
    """Maps of one batch.

    maps: (N, H, W) float32, signed, summed over channels: the part of the logit of the class
        that was asked for which belongs to each pixel.
    error: (N,) float32, the explainer's self-check (|sum of map - what it should sum to| divided
        by max(|what it should sum to|, 1e-6)), NaN where the explainer promises no sum. What is
        checked is the trait `check` of the explainer: "conservation", "completeness" or "".
    """

    maps: torch.Tensor
    error: torch.Tensor
