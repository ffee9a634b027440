"""Confidences of a patch classifier at all positions: maps of a pool, and its validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from rightreasons.core.errors import UserError
from rightreasons.learning.images import Rows, normalise
from rightreasons.regions.confidence import CONFIDENCES
from rightreasons.regions.networks import CHUNK, PatchNetwork

#: Images classified at a time; what is kept of each is one number per position.
BATCH = 16
#: Patches in memory at once on a GPU, about 1 GB at k = 32.
CHUNK_OF_GPU = 4096


def confidence_maps(
    network: PatchNetwork,
    images: np.ndarray | Rows,
    confidence: str,
    *,
    device: torch.device,
    progress: Callable[..., Any],
    batch: int = BATCH,
    out: Any = None,
    coarse: int | None = None,
) -> np.ndarray:
    """Return the confidence maps of images. No labels are needed.

    Parameters
    ----------
    network
        The trained patch classifier.
    images : uint8 (N, I, I, 3)
        Images of the network's size.
    confidence
        A name in `rightreasons.regions.confidence.CONFIDENCES`.
    device
        Where to compute.
    progress
        Wraps an iterable in a progress bar.
    batch
        Images at a time.
    out : float16 (N, g, g)
        Where to write instead, such as a memory map, slice by slice; only `batch` images are then
        in memory at once.
    coarse
        Classify h x h of the positions only and interpolate the rest, for speed.

    Returns
    -------
    ndarray
        float16 (N, g, g), or `out`.
    """
    score, grid = CONFIDENCES[confidence], network.grid
    maps = np.empty((len(images), grid, grid), np.float16) if out is None else out
    lines = coarse_lines(grid, grid if coarse is None else coarse)
    chosen = torch.from_numpy((lines[:, None] * grid + lines).ravel())
    for rows, softmax in _softmax(network, images, device, progress, batch, "attribution", chosen):
        found = score(softmax).cpu().numpy().reshape(-1, len(lines), len(lines))
        maps[rows] = found if coarse is None else interpolated(found, lines, grid)
    return maps


def coarse_lines(grid: int, coarse: int) -> np.ndarray:
    """Return which rows (and columns) of a grid make a coarser one.

    Parameters
    ----------
    grid
        g, the positions of one side.
    coarse
        h, those of the coarser grid.

    Returns
    -------
    ndarray
        int64 (h,), spread evenly, first and last among them.

    Raises
    ------
    UserError
        If 2 <= h <= g does not hold.
    """
    if not 2 <= coarse <= grid:
        raise UserError(f"regions: a coarse grid has 2 to {grid} positions per side, not {coarse}.")
    return np.rint(np.linspace(0, grid - 1, coarse)).astype(np.int64)


def interpolated(maps: np.ndarray, lines: np.ndarray, grid: int) -> np.ndarray:
    """Return maps that are known on some lines of a grid on all of it, bilinearly.

    Parameters
    ----------
    maps : (n, h, h)
        What is known.
    lines : (h,)
        Where: which rows and columns of the grid.
    grid
        g, the positions of one side.

    Returns
    -------
    ndarray
        (n, g, g).
    """
    unit = np.eye(len(lines))
    share = np.stack([np.interp(np.arange(grid), lines, line) for line in unit], axis=1)
    return share @ maps @ share.T


def validate(
    network: PatchNetwork,
    images: np.ndarray | Rows,
    labels: np.ndarray,
    *,
    device: torch.device,
    progress: Callable[..., Any],
    batch: int = BATCH,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how sure a patch classifier is of each patch, and whether it is right.

    Parameters
    ----------
    network
        The trained patch classifier.
    images : uint8 (N, I, I, 3)
        The validation images.
    labels : int64 (N,)
        Their classes.
    device
        Where to compute.
    progress
        Wraps an iterable in a progress bar.
    batch
        Images at a time.

    Returns
    -------
    confidence : float32 (N, p)
        The maximum of the softmax.
    correct : bool (N, p)
        Whether that class is the image's.
    """
    confidence = np.empty((len(images), network.positions), np.float32)
    correct = np.empty(confidence.shape, bool)
    for rows, softmax in _softmax(network, images, device, progress, batch, "calibration"):
        largest, predicted = softmax.max(dim=-1)
        confidence[rows] = largest.cpu().numpy()
        correct[rows] = predicted.cpu().numpy() == labels[rows, None]
    return confidence, correct


@torch.no_grad()
def _softmax(
    network: PatchNetwork,
    images: np.ndarray | Rows,
    device: torch.device,
    progress: Callable[..., Any],
    batch: int,
    description: str,
    positions: torch.Tensor | None = None,
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield a slice of rows and their softmax (n, p, C), on the device, batch after batch.

    positions: which of the p positions; all if None.
    """
    chunk = CHUNK if device.type == "cpu" else CHUNK_OF_GPU
    logits = network.to(device).prepared(positions, chunk=chunk)
    for start in progress(range(0, len(images), batch), description):
        rows = slice(start, min(start + batch, len(images)))
        inputs = normalise(torch.from_numpy(np.array(images[rows])), device)
        yield rows, logits(inputs).float().softmax(dim=-1)
