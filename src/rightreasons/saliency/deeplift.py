"""DeepLIFT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency._params import PassParams

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class DeepLiftParams(PassParams):
    """Parameters of DeepLIFT."""

    baseline: Literal["mean", "black"] = Field(
        "mean",
        description="What the image is compared with: ImageNet's mean colour (0 after "
        "normalisation) or black, with which dark objects get next to nothing.",
    )


@EXPLAINERS.register(
    "deeplift",
    title="DeepLIFT (rescale rule)",
    paper="Shrikumar et al. 2017; max pooling and products: Lundberg and Lee 2017 (DeepSHAP)",
    params=DeepLiftParams,
    check="completeness",
    least=2,  # an image and its baseline,
)
@contextmanager
def deeplift(
    model: Classifier, params: DeepLiftParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that shares out the logit's difference to the baseline, layer by layer.

    Works on a copy of `model`, made once, whose gradient is multipliers of differences: images and
    their baseline go through it together. `generator` is not used. The map sums to
    f(x) - f(baseline), with f the logit asked for; the error is what is missing of it, by rounding,
    relative to it: below 1e-3 but where image and baseline have nearly the same logit. An image
    equal to the baseline gets zeros.
    Raises UserError for a network with a step that has no rule.
    """
    from rightreasons.saliency._passes import by_images, colour, complete
    from rightreasons.saliency._rescale import DifferencesNetwork

    network = DifferencesNetwork(model)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        inputs = inputs.detach()
        baseline = colour(params.baseline, inputs).expand(1, *inputs.shape[1:])
        at_once = params.images_at_once(inputs)

        def share(some: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
            return network.share_out(some, baseline, asked)

        parts = by_images(share, inputs, classes, max(1, at_once - 1))
        return complete(model, parts, inputs, baseline, classes, at_once)

    yield explain
