"""Attribution maps of single images (data-attribution paper, Fig. 3) and their means (4, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rightreasons.core.errors import UserError
from rightreasons.figures.style import styled
from rightreasons.figures.tiles import (
    MASK,
    REGION,
    blank,
    heading,
    heat,
    nothing,
    outline,
    overlay,
    picture,
    tiles,
)
from rightreasons.regions.attribution import top

Array = np.ndarray
COLUMNS = 5  # mean maps a row


@styled
def attribution_maps(
    images: Array, maps: Mapping[str, Array], *, labels: Sequence[str] = (), title: str = ""
) -> Figure:
    """Return a row per image: the image, and over it in colour its map of every attribute.

    images: (n, H, W, 3), uint8 or float in [0, 1]. maps: by attribute (n, h, w) in [0, 1], of
    pixels or of patch positions: both are drawn across the image. labels: a name per row. A map
    with missing values is blank. Raises UserError for maps of another number of images.
    """
    for attribute, of_images in maps.items():
        if len(of_images) != len(images):
            raise UserError(
                f"{attribute}: {len(of_images)} maps for {len(images)} images. Give one map an "
                "image."
            )
    if not len(images):
        return nothing("no images")
    lines = max((heading(name).count("\n") for name in maps), default=0)
    grid = tiles(
        len(images),
        1 + len(maps),
        left=1.0 if labels else 0.1,
        right=0.95,
        top=0.45 + 0.13 * lines,
        largest=1.2,
    )
    for row, (panels, image) in enumerate(zip(grid.panels, images, strict=True)):
        picture(panels[0], image)
        for axes, of_images in zip(panels[1:], maps.values(), strict=True):
            overlay(axes, image, of_images[row])
        if labels:
            panels[0].set_ylabel(labels[row], rotation=0, ha="right", va="center", labelpad=6)
    for axes, name in zip(grid.panels[0], ["image", *maps], strict=True):
        axes.set_title(heading(name), loc="center", pad=3)
    grid.colorbar("confidence of each map")
    grid.title(title or "Where the patch classifier is confident")
    return grid.figure


@styled
def mean_attribution_maps(
    maps: Mapping[str, Array],
    *,
    quantile: float,
    image: Array | None = None,
    masks: Mapping[str, Array] | None = None,
    region_maps: pd.DataFrame | None = None,
    title: str = "",
) -> Figure:
    """Return every attribute's mean map, its top outlined, with the known region where given.

    maps: by attribute (h, w) in [0, 1]. quantile: where a map is above it, it is outlined in
    white. image: mean image (H, W, 3), drawn first. masks: by attribute (H, W) bool, or shares of
    images, outlined in orange where half of the largest share is reached. region_maps: the table;
    its mean maps' IoU and shares are written below. An attribute without a mask has neither.
    """
    if not maps:
        return nothing("no maps")
    masks = {name: mask for name, mask in (masks or {}).items() if name in maps}
    overlaps = {name: _overlap(region_maps, name) for name in maps}
    remarks = _remarks(quantile, bool(masks), any(overlaps.values()))
    count = len(maps) + (image is not None)
    columns = min(count, COLUMNS)
    lines = max(heading(name).count("\n") for name in maps)
    below = 0.3 if any(overlaps.values()) else 0.0
    grid = tiles(
        -(-count // columns),
        columns,
        right=0.95,
        top=0.45 + 0.13 * lines,
        bottom=0.15 + 0.15 * len(remarks) + below,
        gap=(0.12, 0.22 + 0.13 * lines + below),
        smallest_width=4.6,
    )
    places = [axes for row in grid.panels for axes in row]
    if image is not None:
        first = places.pop(0)
        picture(first, image)
        first.set_title("mean image", loc="center", pad=3)
    for axes, (name, map_) in zip(places, maps.items(), strict=False):
        if np.isnan(map_).any():
            blank(axes, "no map")
        else:
            heat(axes, map_)
        outline(axes, top(map_, quantile), REGION)
        if name in masks:
            outline(axes, masks[name], MASK)
        axes.set_title(heading(name), loc="center", pad=3)
        axes.set_xlabel(overlaps[name], labelpad=2)
    for axes in places[len(maps) :]:
        axes.set_visible(False)
    grid.colorbar("confidence of each map")
    grid.title(title or "Mean attribution maps")
    grid.note(remarks)
    return grid.figure


def _remarks(quantile: float, masks: bool, overlaps: bool) -> list[str]:
    orange = " Orange dashes: the known region." if masks else ""
    lines = [f"White: the highest {1 - quantile:.0%} of the map.{orange}"]
    if overlaps:
        lines.append("IoU of the two. Mass: the map's share in the known region, and its area's.")
    return lines


def _overlap(region_maps: pd.DataFrame | None, attribute: str) -> str:
    """Return what the table says of a mean map's overlap with the known region; "" for nothing."""
    if region_maps is None:
        return ""
    ours = (region_maps["attribute"] == attribute) & (region_maps["kind"] == "mean")
    rows = region_maps[ours].dropna(subset=["iou"])
    if rows.empty:
        return ""
    row = rows.iloc[0]
    mass, area = f"{row['mask_mass']:.2f}", f"{row['mask_share']:.2f}"
    return f"IoU {row['iou']:.2f}\nmass {mass}, area {area}"
