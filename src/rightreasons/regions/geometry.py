"""Where the patches of an image lie, and how their confidences become a map of its pixels."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from rightreasons.core.errors import UserError

#: A map whose values differ by less than this share of the largest one is constant.
ROUNDING = 1e-6


def grid_of(positions: int) -> int:
    """Return g, the positions per side of a square grid.

    The paper names 2041 positions, which is no square; 2025 = 45 x 45 is the nearest.

    Raises
    ------
    UserError
        If `positions` is no square of at least 4.
    """
    grid = math.isqrt(max(positions, 0))
    if grid < 2 or grid * grid != positions:
        near = max(round(math.sqrt(max(positions, 0))), 2) ** 2
        raise UserError(
            f"positions = {positions} do not fill a square grid: positions must be a square of at "
            f"least 4; the nearest is {near}."
        )
    return grid


def starts(size: int, patch: int, grid: int) -> np.ndarray:
    """Return where the patches of one axis begin: round(i (I - k) / (g - 1)).

    The paper's step (I - k) / g never reaches the right and the lower border, and no patch would
    cover the pixels there. This one begins and ends at the borders.

    Parameters
    ----------
    size
        I, the side of the image in pixels.
    patch
        k, the side of a patch.
    grid
        g, the positions of one side.

    Returns
    -------
    ndarray
        int64 (g,).

    Raises
    ------
    UserError
        If 1 <= k <= I does not hold.
    """
    if not 1 <= patch <= size:
        raise UserError(f"patch = {patch} must be between 1 and the image size, {size} pixels.")
    return np.rint(np.arange(grid) * (size - patch) / (grid - 1)).astype(np.int64)


def corners(size: int, patch: int, positions: int) -> np.ndarray:
    """Return the upper left corner of every patch.

    Parameters
    ----------
    size
        I, the side of the image in pixels.
    patch
        k, the side of a patch.
    positions
        p = g * g.

    Returns
    -------
    ndarray
        int64 (p, 2): y and x, row by row. See `starts` for one side.

    Raises
    ------
    UserError
        If p is no square of at least 4, or k does not fit into the image.
    """
    side = starts(size, patch, grid_of(positions))
    y, x = np.meshgrid(side, side, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def spread(confidence: np.ndarray, size: int, patch: int) -> np.ndarray:
    """Return the mean confidence of the patches that cover each pixel.

    A patch is the product of two intervals, so the sum over patches is B^T C B with the indicator
    B (g, I) of one axis, and the counts are the product of the two axes' counts.

    Parameters
    ----------
    confidence : (..., g, g)
        Row by row as `corners`.
    size
        I, the side of the image in pixels.
    patch
        k, the side of a patch.

    Returns
    -------
    ndarray
        float32 (..., I, I). A pixel that no patch covers (the grid is so coarse that its step is
        above k) has the value of the nearest pixel that is covered.

    References
    ----------
    Mitigating Bias Using Model-Agnostic Data Attribution, algorithm 1.
    """
    share = _shares(size, patch, confidence.shape[-1])
    return share @ np.asarray(confidence, np.float32) @ share.T


@lru_cache(maxsize=16)
def _shares(size: int, patch: int, grid: int) -> np.ndarray:
    """Return B / counts of one axis, float32 (I, g): the patches of a pixel, adding up to 1."""
    offset = np.arange(size)[:, None] - starts(size, patch, grid)
    covers = (offset >= 0) & (offset < patch)
    covered = np.flatnonzero(covers.any(axis=1))
    nearest = covered[np.abs(np.arange(size)[:, None] - covered).argmin(axis=1)]
    share = (covers / np.maximum(covers.sum(axis=1, keepdims=True), 1))[nearest].astype(np.float32)
    share.flags.writeable = False
    return share


def normalised(maps: np.ndarray) -> np.ndarray:
    """Return each map of (..., H, W) scaled to the range [0, 1], float32.

    A map that is constant but for rounding becomes zeros; a map with a NaN becomes NaN.
    """
    maps = np.asarray(maps, np.float32)
    low, high = (bound(axis=(-2, -1), keepdims=True) for bound in (maps.min, maps.max))
    span = high - low
    flat = span <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return np.where(flat, np.float32(0), (maps - low) / np.where(flat, np.float32(1), span))


def resized(maps: np.ndarray, size: int) -> np.ndarray:
    """Return square maps at another size, bilinearly.

    Pixels are areas whose centres are interpolated (torch's `align_corners=False`); outside the
    outermost centres the values stay those of the border.

    Parameters
    ----------
    maps : (..., I, I)
        Any maps.
    size
        The new side in pixels.

    Returns
    -------
    ndarray
        float32 (..., size, size).
    """
    share = _bilinear(maps.shape[-1], size)
    return share @ np.asarray(maps, np.float32) @ share.T


@lru_cache(maxsize=16)
def _bilinear(size: int, new: int) -> np.ndarray:
    """Return the shares of the old pixels of one axis in the new ones, float32 (new, size)."""
    centre = np.clip((np.arange(new) + 0.5) * size / new - 0.5, 0, size - 1)
    distance = np.abs(centre[:, None] - np.arange(size))
    share = np.maximum(1 - distance, 0).astype(np.float32)
    share.flags.writeable = False
    return share
