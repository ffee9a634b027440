"""Boxes of an image: what relevance they have, and in which order it puts them."""

from __future__ import annotations

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.probes._probing import Probing

Array = np.ndarray


def boxes(grid: int, size: tuple[int, int]) -> Array:
    """Return the number of the box that each pixel is in, int64 (H, W), row by row.

    Row r of H belongs to row floor(r grid / H) of the boxes; with a grid of 0 each pixel is a box.

    Raises
    ------
    UserError
        For a grid finer than the image.
    """
    height, width = size
    if grid == 0:
        return np.arange(height * width).reshape(size)
    if grid > min(size):
        raise UserError(
            f"probe: a grid of {grid} x {grid} boxes is finer than the images of {height} x "
            f"{width} pixels. Allowed: grid from 1 to {min(size)}, or 0 for pixels."
        )
    row, column = (np.arange(side) * grid // side for side in size)
    return row[:, None] * grid + column


def sums(maps: Array, box: Array) -> Array:
    """Return the relevance (n, P) in each box of maps (n, H, W); box: (H, W)."""
    of = box.ravel()
    count = int(of.max()) + 1
    if count == of.size:
        return maps.reshape(len(maps), -1)
    return np.stack([np.bincount(of, one.ravel(), count) for one in maps])


def places(given: Probing, grid: int) -> tuple[Array, int]:
    """Return each pixel's place in the order of falling relevance of its box.

    Ties are broken at random, the same way for all explainers: else a map with many zeros would be
    read like a book, from the top left.

    Returns
    -------
    places : int64 (n, H, W)
        0 for the pixels of the box with the most relevance.
    boxes : int
        How many there are.
    """
    box = boxes(grid, given.size)
    relevance = sums(given.maps, box)
    count = relevance.shape[1]
    place = np.empty(relevance.shape, np.int64)
    for i, row in enumerate(relevance):
        shuffled = given.rng(i, "ties").permutation(count)
        place[i, shuffled[np.argsort(-row[shuffled], kind="stable")]] = np.arange(count)
    return place[:, box], count


def counts(steps: int, boxes: int) -> Array:
    """Return how many of `boxes` are hidden after each step, int64 (steps,); all after the last."""
    return np.round(np.arange(1, steps + 1) * boxes / steps).astype(np.int64)


def area(curve: Array) -> Array:
    """Return the area (n,) under curves (n, steps + 1) over [0, 1], by the trapezoidal rule."""
    return (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2


def known(values: Array, missing: Array) -> Array:
    """Return values (n,) with NaN where `missing` (n,)."""
    return np.where(missing, np.nan, values)
