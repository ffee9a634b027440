"""Confidences of a patch classifier at all positions: maps of a pool, and its validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from rightreasons.core.errors import UserError
from rightreasons.learning.training import Rows, normalise
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
    out: np.ndarray | None = None,
    coarse: int | None = None,
) -> np.ndarray:
    """Return the confidence maps float16 (N, g, g) of images uint8 (N, I, I, 3).

    confidence: a name in CONFIDENCES. out: where to write instead (a memory map, say), so that
    only `batch` images are in memory at a time; it is returned. coarse: classify h x h of the
    positions only and interpolate the rest, for speed. No labels are needed.
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
    """Return which rows (and columns) of a g x g grid make a coarser one, int64 (h,).

    They are spread evenly, first and last among them. Raises UserError if not 2 <= h <= g.
    """
    if not 2 <= coarse <= grid:
        raise UserError(f"regions: a coarse grid has 2 to {grid} positions per side, not {coarse}.")
    return np.rint(np.linspace(0, grid - 1, coarse)).astype(np.int64)


def interpolated(maps: np.ndarray, lines: np.ndarray, grid: int) -> np.ndarray:
    """Return maps (n, h, h), known on `lines` (h,) of a grid, on all of it: (n, g, g), bilinear."""
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
    """Return confidence float32 (N, p), the maximum of the softmax, and correct bool (N, p).

    images: uint8 (N, I, I, 3), labels: int64 (N,), of the validation images.
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
