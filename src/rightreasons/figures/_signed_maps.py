"""Signed maps in one scale: red speaks for the explained class, blue against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.figures._style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray
Part = Mapping[str, Array]  # a `mean_maps.npz` (rightreasons.metrics.mean_maps.mean_maps)
COLORS = "RdBu_r"
QUANTILE = 0.995


def average(parts: Sequence[Part], key: str, counts: Array) -> Array:
    """Return the average of arrays (C, H, W, ...) over parts; NaN where a cell has no images.

    Parameters
    ----------
    parts
        Mean maps of groups.
    key
        Which of their arrays.
    counts
        (parts, C), the images behind each cell of each part: its weight.
    """
    total = counts.sum(axis=0)
    stacked = np.stack([part[key].astype(float) for part in parts])
    weights = counts.reshape(*counts.shape, *[1] * (stacked.ndim - 2))
    summed = np.where(weights > 0, stacked, 0) * weights
    share = np.where(total > 0, total, np.nan).reshape(-1, *[1] * (stacked.ndim - 2))
    return summed.sum(axis=0) / share


def limit_of(maps: Sequence[Array]) -> float:
    """Return the largest |value| of all maps but for 0.5 % of the pixels; 1 for all-zero maps."""
    values = np.abs(np.concatenate([map_.ravel() for map_ in maps]))
    known = values[~np.isnan(values)]
    limit = float(np.quantile(known, QUANTILE)) if known.size else 0.0
    return limit or float(known.max(initial=0.0)) or 1.0


def picture(axes: Axes, image: Array, roi: Array) -> None:
    """Show an image (H, W, 3) in [0, 255] with the outline of its ROI (H, W)."""
    if np.isnan(image).any():
        blank(axes, roi.shape)
        return
    _show(axes, image.round().astype(np.uint8))
    draw_roi(axes, roi)


def signed_map(axes: Axes, map_: Array, limit: float, roi: Array) -> None:
    """Show a map with colours from -limit to limit, and the outline of its ROI.

    Parameters
    ----------
    axes
        Where.
    map_
        (H, W); one with missing values is left blank.
    limit
        Above 0, in the map's unit.
    roi
        (H, W): 0 and 1, or shares of images, of which half of the largest counts as inside.
    """
    if np.isnan(map_).any():
        blank(axes, roi.shape)
        return
    _show(axes, map_, cmap=COLORS, vmin=-limit, vmax=limit)
    draw_roi(axes, roi)


def blank(axes: Axes, shape: tuple[int, ...]) -> None:
    """Show that there is no image to show."""
    _show(axes, np.full((*shape, 3), 245, np.uint8))
    axes.text(0.5, 0.5, "no images", transform=axes.transAxes, ha="center", color=GREY)


def _show(axes: Axes, pixels: Array, **look: Any) -> None:
    axes.imshow(pixels, interpolation="nearest", **look)
    height, width = pixels.shape[:2]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def draw_roi(axes: Axes, roi: Array) -> None:
    """Outline the ROI: a rectangle as such, masks where half of their peak share is reached."""
    from matplotlib.patches import Rectangle

    if box := rectangle(roi):
        x0, y0, x1, y1 = box
        edges = Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec="black", lw=0.9)
        axes.add_patch(edges)
    elif roi.max() > 0:
        axes.contour(roi, levels=[roi.max() / 2], colors="black", linewidths=0.9)


def rectangle(roi: Array) -> tuple[int, int, int, int] | None:
    """Return x0, y0, x1, y1 in pixels if the ROI is one full rectangle, else None."""
    rows, columns = np.flatnonzero(roi.any(axis=1)), np.flatnonzero(roi.any(axis=0))
    if not len(rows):
        return None
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return (x0, y0, x1, y1) if (roi[y0:y1, x0:x1] == 1).all() else None


def colorbar(figure: Figure, axes: Axes, limit: float, label: str) -> None:
    """Fill `axes` with the colours from -limit to limit and what they mean."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(-limit, limit), COLORS)
    bar = figure.colorbar(scale, cax=axes, extend="both", ticks=MaxNLocator(5))
    bar.set_label(label)
