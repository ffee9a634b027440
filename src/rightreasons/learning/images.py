"""Images as networks take them: uint8 in memory, normalised on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from rightreasons.learning.passes import count
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.runtime.devices import Residence, fits

#: Images sent to a GPU at a time, where all of a split go there.
PART = 512


class Rows:
    """Some images of a pool, in a given order, read from the memory-mapped pool when asked for.

    Indexing with a slice or an index array gives uint8 images (n, H, W, 3) in memory.

    Parameters
    ----------
    pool : uint8 (M, H, W, 3)
        The pool's images.
    rows : (N,)
        Which of them, in this order.
    """

    def __init__(self, pool: Images, rows: np.ndarray) -> None:
        self.pool = pool
        self.rows = np.asarray(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        return np.asarray(self.pool[self.rows[which]])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (N, H, W, 3) of all its images together."""
        return (len(self.rows), *self.pool.shape[1:])


#: Images uint8 (N, H, W, 3): in memory, in a pool, or on a device.
Images = np.ndarray | Rows | torch.Tensor


@dataclass(frozen=True)
class LabelledImages:
    """One role of a split.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        An array, `Rows` of a pool that is read batch by batch, or a tensor on the device.
    target, protected : int64 (N,)
        The labels, 0 or 1.
    image_ids
        Of the images.
    """

    images: Images
    target: torch.Tensor
    protected: torch.Tensor
    image_ids: list[str]

    def __len__(self) -> int:
        return len(self.images)


def resident(data: LabelledImages, device: torch.device) -> LabelledImages:
    """Return `data` with its images as `resident_images` gives them."""
    return replace(data, images=resident_images(data.images, device))


def resident_images(images: Images, device: torch.device) -> Images:
    """Return images as a tensor on the device, where they take little enough of its memory.

    What `take` takes from them is the same either way. They are sent in parts, so that the CPU's
    memory holds few of them.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        The images.
    device
        Where they are wanted.

    Returns
    -------
    Tensor, ndarray or Rows
        A tensor on the device where `rightreasons.runtime.devices.fits` says so, else `images`.
    """
    if isinstance(images, torch.Tensor) or not fits(math.prod(images.shape), device):
        return images
    placed = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), PART):
        part = np.ascontiguousarray(images[start : start + PART])
        placed[start : start + PART] = torch.from_numpy(part)
    Residence.used = True
    return placed


def take(images: Images, indices: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return some images on the device.

    What is sent to a GPU is sent from pinned memory, and the GPU computes meanwhile.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        The images, as from `resident_images`.
    indices : int64 (n,)
        Which of them, on the CPU.
    device
        Where they are wanted.

    Returns
    -------
    Tensor
        uint8 (n, H, W, 3).
    """
    count(len(indices))
    if isinstance(images, torch.Tensor):
        return images[indices.to(images.device)]
    batch = torch.from_numpy(images[indices.numpy()])
    if device.type == "cuda":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch


def normalise(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move images to the device and bring them to ImageNet's scale.

    (x / 255 - mean) / std for each channel.

    Parameters
    ----------
    images : (N, H, W, 3)
        uint8, or float of the same range, 0 to 255.
    device
        Where they are wanted.

    Returns
    -------
    Tensor
        float32 (N, 3, H, W), channels-last in memory.
    """
    inputs = images.to(device, non_blocking=True).to(
        torch.float32, copy=True, memory_format=torch.contiguous_format
    )
    # Row by row: a pixel's three channels alone are too short a loop, four times slower.
    n, height, width, channels = inputs.shape
    mean = (torch.tensor(IMAGENET_MEAN, device=device) * 255).repeat(width)
    std = (torch.tensor(IMAGENET_STD, device=device) * 255).repeat(width)
    inputs.view(n, height, width * channels).sub_(mean).div_(std)
    return inputs.permute(0, 3, 1, 2)
