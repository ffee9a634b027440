"""Regions of interest (ROIs): a rectangle in fractions of the image, or a mask per image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion

Array = np.ndarray


@dataclass(frozen=True)
class Rectangle:
    """Pixels `[y0, y1)` x `[x0, x1)` of an image: x to the right, y down, rows are y.

    Parameters
    ----------
    x0, y0, x1, y1
        The edges in pixels; x1 > x0 and y1 > y0.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def height(self) -> int:
        """Rows of the rectangle, at least 1."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns of the rectangle, at least 1."""
        return self.x1 - self.x0

    @property
    def area(self) -> int:
        """Pixels of the rectangle, at least 1."""
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index (rows, columns) of the rectangle in an array (..., H, W)."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


class Masks:
    """Bool masks (N, H, W) of many images that are made when a slice of them is asked for.

    Parameters
    ----------
    count
        N.
    made
        Returns the masks bool (n, H, W) of image numbers int64 (n,).
    """

    def __init__(self, count: int, made: Callable[[Array], Array]) -> None:
        self.count = count
        self.made = made

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> Array:
        return self.made(np.arange(self.count)[part])


class Masked(Protocol):
    """Images whose regions are known, such as a pool with an injected artifact."""

    def masks(self, rows: Array) -> Array:
        """Return the bool masks (n, H, W) of the images int64 (n,)."""


def pixel_rectangle(roi: Sequence[float], *, height: int, width: int) -> Rectangle:
    """Return the pixels of a ROI.

    Parameters
    ----------
    roi
        `(x0, y0, x1, y1)` in fractions of the image.
    height, width
        Of the image in pixels.

    Returns
    -------
    Rectangle
        Its edges are rounded to the nearest pixel edge (halves up). A ROI thinner than a pixel
        becomes the pixel that holds its middle.

    Raises
    ------
    UserError
        For an edge outside [0, 1], and for an empty ROI.
    """
    x0, y0, x1, y1 = _checked(roi)
    (left, right), (top, bottom) = _pixels(x0, x1, width), _pixels(y0, y1, height)
    return Rectangle(left, top, right, bottom)


def rectangle_mask(roi: Sequence[float], *, height: int, width: int) -> Array:
    """Return the bool mask (height, width) of a rectangle; see `pixel_rectangle`."""
    mask = np.zeros((height, width), dtype=bool)
    mask[pixel_rectangle(roi, height=height, width=width).slices] = True
    return mask


def as_masks(roi: Sequence[float] | Array, shape: Sequence[int]) -> Array:
    """Return what `task_roi` gives as bool masks.

    Parameters
    ----------
    roi
        A rectangle, or bool masks (N, H, W).
    shape
        (H, W) of the maps.

    Returns
    -------
    ndarray
        Masks (N, H, W) as they are, a rectangle as (H, W).
    """
    if isinstance(roi, np.ndarray):
        return roi
    return rectangle_mask(roi, height=shape[0], width=shape[1])


def bit_masks(masks: Array, *, bit: int, height: int, width: int) -> Array:
    """Return one mask of a pool, at the size of the maps.

    Parameters
    ----------
    masks : uint8 (N, H, W)
        A bit per mask.
    bit
        Which one, 0 to 7.
    height, width
        Of the maps in pixels.

    Returns
    -------
    ndarray
        bool (N, height, width), resized by the nearest pixel; a mask of few pixels may come out
        empty. An image whose mask is empty has no ROI: every ROI metric is missing for it.

    Raises
    ------
    UserError
        For masks of another form, and for a bit that does not exist.
    """
    if masks.ndim != 3 or masks.dtype != np.uint8:
        raise UserError(
            f"masks must be uint8 of shape (N, H, W), one bit per region; got {masks.dtype} of "
            f"shape {masks.shape}."
        )
    if not 0 <= bit <= 7:
        raise UserError(f"mask bit {bit} does not exist. Allowed: 0 to 7.")
    return resize_nearest(masks, height=height, width=width) & np.uint8(1 << bit) != 0


def resize_nearest(images: Array, *, height: int, width: int) -> Array:
    """Return `images` (..., H, W) as (..., height, width), each pixel from the nearest one."""
    rows = _nearest(images.shape[-2], height)
    columns = _nearest(images.shape[-1], width)
    return images[..., rows[:, None], columns]


def widened(
    roi: Sequence[float] | Array, margin: float, shape: Sequence[int]
) -> Sequence[float] | Array:
    """Return a ROI that is wider on all sides.

    Parameters
    ----------
    roi
        A rectangle, or bool masks (N, H, W).
    margin
        Share of the image's height and width, at least 0; of masks rounded to whole pixels, at
        least one.
    shape
        (H, W) of the maps.

    Returns
    -------
    sequence of float or ndarray
        A rectangle within the image, or bool masks (N, H, W). An empty mask stays empty.
    """
    if margin == 0:
        return roi
    if not isinstance(roi, np.ndarray):
        x0, y0, x1, y1 = roi
        return [max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, 1), min(y1 + margin, 1)]
    from scipy.ndimage import maximum_filter1d

    wide = roi.view(np.uint8)
    for axis, side in ((1, shape[0]), (2, shape[1])):
        reach = max(1, math.floor(margin * side + 0.5))
        wide = maximum_filter1d(wide, 2 * reach + 1, axis=axis, mode="constant", cval=0)
    return wide.astype(bool)


def iou(a: Array, b: Array) -> Array:
    """Return the intersection over union of masks.

    Parameters
    ----------
    a, b : bool (..., H, W)
        The masks; their leading axes are broadcast.

    Returns
    -------
    ndarray
        float64 (...), in [0, 1]; NaN where both masks are empty.

    Raises
    ------
    UserError
        Where the sizes differ.
    """
    if a.shape[-2:] != b.shape[-2:]:
        raise UserError(f"masks of different sizes: {a.shape[-2:]} and {b.shape[-2:]} pixels.")
    union = np.logical_or(a, b).sum(axis=(-2, -1), dtype=np.float64)
    both = np.logical_and(a, b).sum(axis=(-2, -1), dtype=np.float64)
    return np.divide(both, union, out=np.full_like(union, np.nan), where=union > 0)


def _checked(roi: Sequence[float]) -> tuple[float, float, float, float]:
    if len(roi) != 4 or not all(0 <= edge <= 1 for edge in roi):
        raise UserError(
            f"ROI {tuple(roi)} is not (x0, y0, x1, y1) in fractions of the image. Every edge must "
            "lie in [0, 1]; divide pixels by the image's width or height."
        )
    x0, y0, x1, y1 = (float(edge) for edge in roi)
    if x1 <= x0 or y1 <= y0:
        raise UserError(
            f"ROI {tuple(roi)} is empty: x1 must exceed x0 and y1 must exceed y0 "
            "(x to the right, y down)."
        )
    return x0, y0, x1, y1


def _pixels(start: float, end: float, size: int) -> tuple[int, int]:
    first, last = (math.floor(edge * size + 0.5) for edge in (start, end))
    if last > first:
        return first, last
    middle = min(math.floor((start + end) / 2 * size), size - 1)
    return middle, middle + 1


def _nearest(old: int, new: int) -> Array:
    return ((np.arange(new) + 0.5) * old / new).astype(np.int64)


def task_roi(
    roi: Sequence[float] | Mapping[str, Any],
    masks: Array,
    names: Sequence[str],
    rows: Array,
    shape: Sequence[int],
    attribution: Path | None = None,
    injected: Masked | None = None,
) -> Sequence[float] | Array:
    """Return a task's ROI as metrics take it: a rectangle, or a mask per image.

    Parameters
    ----------
    roi
        As in the config: a rectangle, {"mask": name}, {"attribution": {"quantile": q, ...}} or
        {"artifact": name}.
    masks : uint8 (M, H', W')
        The pool's bit masks.
    names
        The names of their bits.
    rows : (N,)
        The pool's rows of the images. A version with an artifact has the mask of the one without.
    shape
        (H, W) of the maps.
    attribution
        The folder of the maps of {"attribution": ...}; the top of their mean is the ROI of all
        images.
    injected
        The pool with the artifact of {"artifact": ...}.

    Returns
    -------
    sequence of float or ndarray
        The rectangle (x0, y0, x1, y1) in fractions, or bool masks (N, H, W).

    Raises
    ------
    UserError
        For a mask that the dataset does not have, and for a mean map without a top.
    """
    if not isinstance(roi, Mapping):
        return roi
    if "attribution" in roi:
        return _attribution_roi(roi["attribution"], attribution, len(rows), shape)
    if "artifact" in roi:
        if injected is None:
            raise UserError("roi.artifact: no artifact was given.")
        return resize_nearest(injected.masks(rows), height=shape[0], width=shape[1])
    if roi["mask"] not in names:
        raise UserError(
            f"roi.mask: the dataset has no mask {roi['mask']!r}{suggestion(roi['mask'], names)} "
            f"Allowed: {', '.join(names) or 'none, give a rectangle'}."
        )
    bit = list(names).index(roi["mask"])
    return bit_masks(np.asarray(masks[rows % len(masks)]), bit=bit, height=shape[0], width=shape[1])


def _attribution_roi(
    roi: Mapping[str, Any], folder: Path | None, count: int, shape: Sequence[int]
) -> Array:
    from rightreasons.regions.attribution import Attribution, top

    if folder is None:
        raise UserError("roi.attribution: no attribution maps were given.")
    region = top(Attribution.load(folder).general(size=shape[0]), roi["quantile"])
    if not region.any():
        raise UserError(
            f"roi.attribution: the mean map of {roi['attribute']!r} is the same everywhere, so it "
            "has no region. Train its patch classifier for longer, or draw a rectangle."
        )
    return np.broadcast_to(region, (count, *region.shape))
