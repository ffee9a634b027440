"""Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.errors import UserError
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
        "the last convolution leads to, before it is pooled.",
    )
    positive: bool = Field(
        False, description="Set negative values to 0, as in the paper, before upsampling."
    )


@EXPLAINERS.register(
    "gradcam",
    title="Grad-CAM",
    paper="Selvaraju et al. 2017",
    params=GradCAMParams,
    refuses=("vit",),
)
@contextmanager
def gradcam(
    model: Classifier, params: GradCAMParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that weighs a feature map's channels with their mean gradients.

    Works on a copy of `model`, made once; `generator` is not used. The sum over channels is
    upsampled bilinearly to the image's size. Signed unless `positive`; no sum is promised.
    Raises UserError for a network without a convolution that leads to a pooling layer, and for a
    `layer` that does not exist or whose output is no feature map (N, C, h, w).
    """
    import torch.nn.functional as F
    from captum.attr import LayerGradCam

    from rightreasons.saliency._feature_map import with_feature_map
    from rightreasons.saliency._passes import unchecked

    network, layer = with_feature_map(model, params.layer)
    method = LayerGradCam(network, layer)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        maps = method.attribute(
            inputs.detach(), target=classes, relu_attributions=params.positive
        ).detach()
        if maps.dim() != 4:
            raise UserError(
                f"gradcam: the output of {params.layer} has no height and width. Choose a "
                "convolutional layer, or `last`."
            )
        size = inputs.shape[2:]
        return unchecked(F.interpolate(maps, size, mode="bilinear", align_corners=False)[:, 0])

    yield explain
