"""Training again with other images: vanilla's network, order of images and budget, new inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.search import Passes, Real, Space
from rightreasons.core.seeds import generator_of
from rightreasons.debias import Debiased
from rightreasons.debias._decision import DecisionParams
from rightreasons.debias._fresh import decided, train_fresh
from rightreasons.debias._tuning import run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.debias import Context
    from rightreasons.learning.images import LabelledImages
    from rightreasons.learning.training import Change

PAPER = "Mitigating Bias Using Model-Agnostic Data Attribution"

#: The largest value of a uint8 image, and mid-grey on that scale.
WHITE = 255.0
GREY = 0.5 * WHITE

#: Images whose maps are computed at a time.
CHUNK = 256


class RetrainParams(DecisionParams):
    """What may differ from vanilla's training beside the images."""

    epochs: int | None = Field(
        None, ge=1, description="passes over the train split; none: as vanilla"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="initial learning rate; none: as vanilla"
    )


class MaskParams(RetrainParams):
    """Which part of the images is made grey."""

    quantile: float = Field(
        0.8, ge=0, le=1, description="quantile of the map above which pixels are changed"
    )


class NoiseParams(MaskParams):
    """Which part of the images gets noise, and how much."""

    sigma: float = Field(
        0.5, ge=0, description="standard deviation of the noise, where black is 0 and white 1"
    )


#: What a tuned method's parameters may be: the passes over the train split, and its own.
RETRAIN_SEARCH: Space = {
    "epochs": Passes(unit="epochs", role="train"),
    "learning_rate": Real(1e-4, 1e-2, log=True),
}
MASK_SEARCH: Space = {**RETRAIN_SEARCH, "quantile": Real(0.5, 0.99)}
NOISE_SEARCH: Space = {**MASK_SEARCH, "sigma": Real(0.05, 2.0, log=True, zero=0.125)}

#: Where images are changed: from the indices of a batch in the train split (B,) to booleans on
#: the device that broadcast with images (B, H, W, 3).
Region = Callable[["torch.Tensor"], "torch.Tensor"]


def retrain(
    context: Context,
    data: LabelledImages,
    params: RetrainParams,
    name: str,
    change: Change | None = None,
) -> Debiased:
    """Return the untrained vanilla network trained on `data` as vanilla was on the train split.

    First weights, order of images, mirroring and dropout are vanilla's, so that with vanilla's
    images the result is vanilla, bit for bit on the CPU.

    Parameters
    ----------
    context
        What the method is given.
    data
        The images, with labels.
    params
        What may differ from vanilla's training; None there is vanilla's value.
    name
        The method's name in the study.
    change
        What is done to the images of a batch first.

    Raises
    ------
    UserError
        Where loss or weights are not finite.
    """
    model = context.fresh()
    history = train_fresh(context, model, params, name, data=data, change=change)
    return decided(context, model, params, name, run_notes(history))


def general_region(context: Context, quantile: float) -> Region:
    """Return the same region for all images: where the general map is above its quantile.

    Parameters
    ----------
    context
        Has the attribution maps of the protected attribute.
    quantile
        In [0, 1]; at 1 the region is empty.
    """
    import torch

    from rightreasons.regions.attribution import top

    size = context.train().images.shape[1]
    region = torch.from_numpy(top(context.attribution().general(size), quantile)[None, ..., None])
    region = region.to(context.device)
    return lambda indices: region


def specific_region(context: Context, quantile: float) -> Region:
    """Return each image's own region: where its map is above its own quantile.

    Every map is computed once, and kept as one bit per pixel: 12 MB for 6,000 images of 128 px.

    Parameters
    ----------
    context
        Has the attribution maps of the protected attribute.
    quantile
        In [0, 1]; at 1 all regions are empty.
    """
    import torch

    from rightreasons.regions.attribution import top

    attribution, rows = context.attribution(), context.pool_rows("train")
    size = context.train().images.shape[1]
    bits = np.empty((len(rows), size, -(-size // 8)), np.uint8)
    for start in context.progress(range(0, len(rows), CHUNK), "maps"):
        maps = attribution.specific(rows[start : start + CHUNK], size)
        bits[start : start + CHUNK] = np.packbits(top(maps, quantile), axis=-1)

    def region(indices: torch.Tensor) -> torch.Tensor:
        booleans = np.unpackbits(bits[indices.numpy()], axis=-1, count=size).view(bool)
        return torch.from_numpy(booleans[..., None]).to(context.device)

    return region


def mask(region: Region) -> Change:
    """Return the change that makes the region mid-grey."""

    def change(images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        return images.float().masked_fill_(region(indices), GREY)

    return change


def noise(region: Region, sigma: float, generator: torch.Generator) -> Change:
    """Return the change that adds N(0, sigma) to every channel in the region, clipped to [0, 1].

    Parameters
    ----------
    region
        Where the noise is added.
    sigma
        Standard deviation, where black is 0 and white 1.
    generator
        Where the noise comes from, on the images' device; drawn anew for every batch.
    """
    import torch

    def change(images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        images = images.float()
        drawn = torch.randn(images.shape, generator=generator, device=images.device)
        noisy = (images + sigma * WHITE * drawn).clamp_(0, WHITE)
        return torch.where(region(indices), noisy, images)

    return change


def noise_generator(context: Context, name: str) -> torch.Generator:
    """Return the generator of a method's noise, on the device."""
    return generator_of(context.seed_of(name), context.device)
