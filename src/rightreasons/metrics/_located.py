"""Whole maps with the place of their regions, for metrics that rank or compare pixels.

A metric is given a few images at a time (`locate`), so that memory stays bounded however many
maps there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Params
from rightreasons.metrics._intensity import check_masks, chunks, peaks_of
from rightreasons.regions.rois import rectangle_mask

Array = np.ndarray
Sign = Literal["absolute", "positive"]


class SignParams(Params):
    """Which relevance a metric of whole maps ranks or compares."""

    sign: Sign = Field(
        "absolute",
        description="absolute: |r|, evidence for and against the class; positive: max(r, 0), "
        "evidence for it only.",
    )


@dataclass(frozen=True, eq=False)
class LocatedMaps:
    """N whole maps, the ROI of each and the protected attribute of its image.

    Parameters
    ----------
    maps : float32 (N, H, W)
        Signed relevance.
    masks : bool (N, H, W)
        The ROIs (of a rectangle, a view of one mask).
    protected : (N,)
        0 or 1.
    """

    maps: Array
    masks: Array
    protected: Array

    @cached_property
    def absolute(self) -> Array:
        """Sizes of the relevance |r|, (N, H, W) float32."""
        return np.abs(self.maps)

    @cached_property
    def positive(self) -> Array:
        """Positive relevance max(r, 0), (N, H, W) float32."""
        return np.maximum(self.maps, 0)

    def strength(self, sign: Sign) -> Array:
        """Return what is ranked and compared, (N, H, W) float32, at least 0."""
        return self.absolute if sign == "absolute" else self.positive

    @cached_property
    def roi_pixels(self) -> Array:
        """Pixels of each ROI, (N,) int64."""
        return np.count_nonzero(self.masks, axis=(1, 2))

    @cached_property
    def boxes(self) -> Array:
        """The smallest rectangle around each image's ROI, (N, H, W) bool; empty without a ROI."""
        rows, columns = (_between(np.logical_or.reduce(self.masks, axis=a)) for a in (2, 1))
        return rows[:, :, None] & columns[:, None, :]

    def measurable(self, sign: Sign) -> Array:
        """Return where there are both a ROI and a map that is not zero everywhere, (N,) bool."""
        return (self.roi_pixels > 0) & (self.strength(sign).max(axis=(1, 2)) > 0)

    def take(self, which: Array) -> LocatedMaps:
        """Return the images that `which`, bool (N,), names."""
        return LocatedMaps(self.maps[which], self.masks[which], self.protected[which])


@dataclass(frozen=True, eq=False)
class ReferenceMaps:
    """Maps of another model, and which of them belongs to which image.

    Parameters
    ----------
    maps : (M, H, W)
        Signed relevance.
    rows : int64 (N,)
        For each of N images its place among the M maps, -1 where the other model has no map of it.
    """

    maps: Array
    rows: Array


def locate(
    maps: Array, roi: Sequence[float] | Array, protected: Array
) -> Iterator[tuple[slice, LocatedMaps]]:
    """Yield maps with their regions, a few images at a time.

    Parameters
    ----------
    maps : (N, H, W)
        Signed relevance, memory-mapped perhaps.
    roi
        A rectangle `(x0, y0, x1, y1)` in fractions of the image, or bool masks (N, H, W).
    protected : (N,)
        0 or 1.

    Yields
    ------
    part : slice
        Which images.
    located : LocatedMaps
        Their maps.

    Raises
    ------
    UserError
        For a ROI that does not fit, and for NaN, infinite or enormous (above 1e32) values, naming
        the image.
    """
    masks = _masks(roi, maps.shape)
    for part in chunks(maps.shape):
        located = LocatedMaps(_float32(maps[part]), masks[part], protected[part])
        peaks_of(located.absolute, part.start)
        yield part, located


def facing(
    located: LocatedMaps, reference: ReferenceMaps, part: slice
) -> tuple[Array, LocatedMaps, LocatedMaps]:
    """Return some images beside their maps by another model.

    Parameters
    ----------
    located
        Some images.
    reference
        The other model's maps.
    part
        Which of all images `located` has.

    Returns
    -------
    found : bool (n,)
        Which of the images have a reference map.
    here, there : LocatedMaps
        These images with their own maps, and with their references.

    Raises
    ------
    UserError
        Where the maps' sizes differ.
    """
    if located.maps.shape[1:] != reference.maps.shape[1:]:
        raise UserError(
            f"the maps have {located.maps.shape[1:]} pixels, the reference maps "
            f"{reference.maps.shape[1:]} (rows, columns). Maps of one image must have one size."
        )
    rows = reference.rows[part]
    found = rows >= 0
    here = located.take(found)
    there = LocatedMaps(_float32(reference.maps[rows[found]]), here.masks, here.protected)
    return found, here, there


def top_share(strength: Array, inside: Array, count: Array) -> Array:
    """Return the share of each map's highest pixels that lies inside a region.

    Of the pixels that are tied at the threshold, as many as are needed are counted with the share
    of them that lies inside: the expected value over random orders of the tied ones.

    Parameters
    ----------
    strength : (N, H, W)
        What is ranked.
    inside : bool (N, H, W)
        The regions.
    count : int (N,)
        How many pixels are the highest, 1 to H W.

    Returns
    -------
    ndarray
        float64 (N,), in [0, 1]. A constant map has the share of the image that is inside.
    """
    values, within = strength.reshape(len(strength), -1), inside.reshape(len(inside), -1)
    edge = _nth_largest(values, count)[:, None]
    above, tied = values > edge, values == edge
    open_places = count - np.count_nonzero(above, axis=1)
    tied_share = np.count_nonzero(tied & within, axis=1) / np.count_nonzero(tied, axis=1)
    return (np.count_nonzero(above & within, axis=1) + open_places * tied_share) / count


def _nth_largest(values: Array, count: Array) -> Array:
    """Return each row's value (N,) that `count` (N,) of its values reach."""
    edge = np.empty(len(values), dtype=values.dtype)
    for n in np.unique(count):
        rows = count == n
        place = values.shape[1] - n
        if n == 1:
            edge[rows] = values[rows].max(axis=1)
        else:
            edge[rows] = np.partition(values[rows], place, axis=1)[:, place]
    return edge


def _between(used: Array) -> Array:
    """Return (N, L) bool: from the first to the last place that is used, none where none is."""
    begun = np.logical_or.accumulate(used, axis=1)
    left = np.logical_or.accumulate(used[:, ::-1], axis=1)[:, ::-1]
    return begun & left


def _masks(roi: Sequence[float] | Array, shape: tuple[int, ...]) -> Array:
    if isinstance(roi, np.ndarray):
        check_masks(roi, shape)
        return roi
    return np.broadcast_to(rectangle_mask(roi, height=shape[1], width=shape[2]), shape)


def _float32(maps: Array) -> Array:
    return np.asarray(maps, dtype=np.float32)
