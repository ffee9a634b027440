"""A row per attribution map: where it lies, and how it meets the region where an attribute is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.regions.attribution import top
from rightreasons.regions.geometry import normalised, spread
from rightreasons.regions.rois import Masks, iou, rectangle_mask

if TYPE_CHECKING:
    from rightreasons.regions.params import RegionParams
    from rightreasons.regions.stage import Labels

#: Images whose maps are compared at a time.
CHUNK = 256


def index_maps(
    confidence: np.ndarray,
    mean: np.ndarray,
    known: Sequence[float] | np.ndarray | Masks | None,
    data: Labels,
    params: RegionParams,
    size: int,
    quantile: float,
) -> pd.DataFrame:
    """Return a row per stored map, the mean map first: where it lies, how it meets the known ROI.

    The mean map is compared with the mean mask: mask_share and mask_mass weigh each pixel by how
    often it is in the ROI, iou takes the same number of pixels as the top of the map, those most
    often in it.

    Parameters
    ----------
    confidence : (N, g, g)
        The confidences of all images.
    mean : (g, g)
        Their mean.
    known
        The attribute's ROI: a rectangle, bool masks (N, H, W) in memory or made when asked for, or
        None.
    data
        Whose image ids the rows get.
    params
        The patch classifier's parameters.
    size
        The side of the images in pixels.
    quantile
        Above which the top of a map lies.

    Returns
    -------
    DataFrame
        With the columns mask_share (the ROI's share of the image), mask_mass (the ROI's share of
        the map's sum) and iou (of the ROI and the map's top), missing without a known ROI and for
        images whose mask is empty.
    """
    rows = [_mean_row(mean, known, params, size, quantile)]
    for start in range(0, len(confidence), CHUNK):
        rows.append(_image_rows(confidence, start, known, params, size, quantile))
    table = pd.concat(rows, ignore_index=True)
    table["image_id"] = [None, *data.image_ids]
    return table.assign(
        grid=confidence.shape[1],
        size=size,
        patch=params.patch,
        confidence=params.confidence,
        quantile=quantile,
    )


def _mean_row(
    mean: np.ndarray,
    known: Sequence[float] | np.ndarray | Masks | None,
    params: RegionParams,
    size: int,
    quantile: float,
) -> pd.DataFrame:
    row: dict[str, Any] = {"kind": "mean", "file": "mean.npy", "row": 0}
    if known is not None:
        pixels = normalised(spread(mean, size, params.patch))
        often = how_often(known, size)
        region = top(pixels, quantile)
        row["mask_share"] = often.mean()
        row["mask_mass"] = (often * pixels).sum() / pixels.sum() if pixels.any() else np.nan
        row["iou"] = float(iou(region, _largest(often, int(region.sum()))))
    return pd.DataFrame([row])


def _image_rows(
    confidence: np.ndarray,
    start: int,
    known: Sequence[float] | np.ndarray | Masks | None,
    params: RegionParams,
    size: int,
    quantile: float,
) -> pd.DataFrame:
    part = np.asarray(confidence[start : start + CHUNK], np.float32)
    table = pd.DataFrame(
        {"kind": "image", "file": "confidence.npy", "row": np.arange(start, start + len(part))}
    )
    if known is None:
        return table
    pixels = normalised(spread(part, size, params.patch))
    if isinstance(known, np.ndarray | Masks):
        masks = np.asarray(known[start : start + CHUNK])
    else:
        masks = np.broadcast_to(rectangle_mask(known, height=size, width=size), pixels.shape)
    area, mass = masks.mean(axis=(1, 2)), pixels.sum(axis=(1, 2))
    there = area > 0
    inside = (pixels * masks).sum(axis=(1, 2))
    table["mask_share"] = np.where(there, area, np.nan)
    table["mask_mass"] = np.divide(
        inside, mass, out=np.full(len(part), np.nan), where=there & (mass > 0)
    )
    table["iou"] = np.where(there, iou(top(pixels, quantile), masks), np.nan)
    return table


def how_often(known: Sequence[float] | np.ndarray | Masks, size: int) -> np.ndarray:
    """Return how often each pixel is in the known ROI, (size, size), over images that have one."""
    if not isinstance(known, np.ndarray | Masks):
        return rectangle_mask(known, height=size, width=size).astype(np.float64)
    total, count = np.zeros((size, size)), 0
    for start in range(0, len(known), CHUNK):
        part = np.asarray(known[start : start + CHUNK])
        total += part.sum(axis=0)
        count += int(part.any(axis=(1, 2)).sum())
    return total / max(count, 1)


def _largest(often: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` pixels that are most often in the ROI, none that never is."""
    chosen = np.zeros(often.size, dtype=bool)
    chosen[np.argsort(-often, axis=None, kind="stable")[:count]] = True
    return chosen.reshape(often.shape) & (often > 0)
