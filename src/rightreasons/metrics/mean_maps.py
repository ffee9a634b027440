"""Mean images and mean maps of each protected x target cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rightreasons.metrics.measures import MapSet

CHUNK = 64  # images at a time
CELLS = ((0, 0), (1, 0), (0, 1), (1, 1))  # (protected, target), the order of the mean maps


def mean_maps(
    maps: Mapping[str, list[MapSet]],
    explained: Mapping[str, str],
    images: np.ndarray,
    roi: Any,
    *,
    original: str,
) -> dict[str, np.ndarray]:
    """Return what the figure of mean maps shows, averaged within each protected x target cell.

    Cells of groups and classes beyond the first two have no mean: the figure is left out for them.

    Parameters
    ----------
    maps
        By model, all sets of explainers.
    explained
        By method, the model whose maps it has.
    images : uint8 (M, H, W, 3)
        The pool.
    roi
        As `rightreasons.metrics.region_view` takes it.
    original
        The method that all others start from.

    Returns
    -------
    dict of ndarray
        `image`: uint8 (4, H, W, 3), mean images; `n`: images per cell; `roi`: float32 (H, W), share
        of images whose ROI covers the pixel; `map/<explainer>/<method>`: float32 (4, H, W), mean of
        R / max|R| (NaN where a cell is empty). Cells in the order of `CELLS`.
    """
    rows = next(maps[original][0].explainers())[2]
    members = [((rows["protected"] == p) & (rows["target"] == t)).to_numpy() for p, t in CELLS]
    pictures = [_mean_image(images, rows["row"].to_numpy()[member]) for member in members]
    arrays = {"image": np.stack(pictures), "n": np.array([m.sum() for m in members])}
    arrays["roi"] = _roi_share(roi, maps[original][0].maps.shape[2:])
    for method, model in explained.items():
        for one in maps[model]:
            for explainer, array, _ in one.explainers():
                arrays[f"map/{explainer}/{method}"] = _mean_map(array, members)
    return arrays


def _mean_map(maps: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    means = np.full((len(members), *maps.shape[1:]), np.nan, np.float32)
    for mean, member in zip(means, members, strict=True):
        if member.any():
            mean[:] = 0
            for one in (maps[i] for i in np.flatnonzero(member)):
                peak = np.abs(one).max()
                mean += one / (peak if peak > 0 else np.float32(1))
            mean /= np.float32(member.sum())
    return means


def _mean_image(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not len(rows):
        return np.full(images.shape[1:], 255, np.uint8)
    total = np.zeros(images.shape[1:])
    for start in range(0, len(rows), CHUNK):
        total += images[rows[start : start + CHUNK]].sum(axis=0, dtype=np.float64)
    return (total / len(rows)).round().astype(np.uint8)


def _roi_share(roi: Any, shape: tuple[int, ...]) -> np.ndarray:
    from rightreasons.regions.rois import as_masks

    masks = as_masks(roi, shape).reshape(-1, *shape)
    return masks.mean(axis=0, dtype=np.float32)
