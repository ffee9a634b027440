"""Position embeddings of vision transformers for another size of images."""

from __future__ import annotations

from math import isqrt

import torch

#: What torchvision calls the position embedding of its vision transformers: (1, 1 + n^2, d).
NAME = "encoder.pos_embedding"
#: The convolution that cuts images into patches.
PATCHES = "conv_proj.weight"


def resampled(
    tensors: dict[str, torch.Tensor], shapes: dict[str, tuple[int, ...]]
) -> dict[str, torch.Tensor]:
    """Return tensors with the position embedding interpolated to the size of a network.

    Parameters
    ----------
    tensors
        By torchvision's names.
    shapes
        Those of the network.

    Returns
    -------
    dict
        The embedding of the class token as it was, those of the patches interpolated between
        corners (bicubic), as torchvision does it. All else is left alone; so is an embedding of
        the size that the network has.
    """
    wanted, own = shapes.get(NAME), tensors.get(NAME)
    if wanted is None or own is None or tuple(own.shape) == wanted:
        return tensors
    from torchvision.models.vision_transformer import interpolate_embeddings

    side = isqrt(wanted[1] - 1)
    made = interpolate_embeddings(side, 1, {NAME: own})
    return {**tensors, NAME: made[NAME]}
