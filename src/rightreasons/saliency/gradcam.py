"""Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class GradCAMParams(Params):
    """Parameters of Grad-CAM."""

    layer: str = Field(
        "last",
        description="The module whose output is the feature map, such as trunk.layer3; last: what "
        "the last convolution or attention leads to, before it is pooled; where a class token is "
        "read, the tokens that enter the last attention.",
    )
    positive: bool = Field(
        False, description="Set negative values to 0, as in the paper, before upsampling."
    )


@EXPLAINERS.register(
    "gradcam",
    title="Grad-CAM",
    paper="Selvaraju et al. 2017",
    params=GradCAMParams,
)
@contextmanager
def gradcam(
    model: Classifier, params: GradCAMParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that weighs a feature map's channels with their mean gradients.

    Works on a copy of `model`, made once; `generator` is not used. The sum over channels is
    upsampled bilinearly to the image's size. A transformer's tokens are a feature map on the grid
    of their patches; class tokens and the like are left out. Signed unless `positive`; no sum is
    promised.
    Raises UserError for a network without a convolution or attention that leads to a pooling layer
    or a class token, and for a `layer` that does not exist or whose output has no positions.
    """
    from rightreasons.saliency._feature_map import FeatureMap
    from rightreasons.saliency._passes import unchecked
    from rightreasons.saliency._tokens import upsampled

    feature_map = FeatureMap(model, params.layer)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        values, gradient = feature_map.read(inputs, classes)
        maps = (values * gradient.mean((1, 2), keepdim=True)).sum(-1)
        return unchecked(upsampled(maps.clamp_min(0) if params.positive else maps, inputs))

    yield explain
