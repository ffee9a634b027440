"""Noise: a control that knows neither the network nor the class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rightreasons.core.registry import Params
from rightreasons.core.seeds import torch_generator
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


@EXPLAINERS.register(
    "random",
    title="Random noise",
    paper="Control, as in Adebayo et al. 2022",
    control=True,
    noise=True,
    style=("#000000", "x", ":"),
    reads="image",
)
@contextmanager
def random(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that returns standard normal noise, independent from pixel to pixel.

    An image's noise depends on `generator` and on its own pixels (as 8-bit values): equal images
    get the same noise, whatever their batch and class, and all others independent noise. No sum is
    promised.
    """
    import hashlib

    import torch

    from rightreasons.saliency._passes import draw_seed, unchecked, unnormalise

    seed = draw_seed(generator)

    def noise(codes: torch.Tensor) -> torch.Tensor:
        key = hashlib.blake2b(codes.contiguous().numpy().tobytes(), digest_size=16).hexdigest()
        return torch.randn(codes.shape[1:], generator=torch_generator(seed, "random", key))

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        codes = (255 * unnormalise(inputs)).round().int().cpu()
        return unchecked(torch.stack([noise(image) for image in codes]).to(inputs))

    yield explain
