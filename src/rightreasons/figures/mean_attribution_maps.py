"""Mean attribution maps of all attributes of a dataset (data-attribution paper, Figs. 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rightreasons.core.files import read_json
from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import nothing
from rightreasons.figures._tiles import (
    MASK,
    REGION,
    blank,
    heading,
    heat,
    outline,
    picture,
    tiles,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
CAPTION = """
General attribution maps: the mean confidence over all images of the patches that cover a pixel,
from the lowest to the highest of each map. White outlines the pixels above the map's quantile,
which masks and noise change. Where the region of an attribute is known, it is outlined in orange
dashes (where at least half as many images have it as at its most frequent place), and below stand
the overlap of both outlines (IoU), the share of the map inside the known region (mass), and that
region's share of the image (area): a map without structure has as much mass as area.
"""
COLUMNS = 5
IMAGES = 2000  # that the mean image is of, at most


@FIGURES.register(
    "mean_attribution_maps",
    title="Mean attribution maps, with the known regions",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Figs. 4 and 5",
    caption=CAPTION,
    category="6 Where attributes are",
    label="mean maps",
    over=("dataset",),
    when=("regions",),
    tables=("region_maps",),
    files=("pool", "regions"),
)
def mean_attribution_maps(given: Given, params: Params) -> Figure:
    """Draw the mean image and every attribute's mean map, with the known region if there is one."""
    images = given.images()
    step = max(1, len(images) // IMAGES)
    return means(
        {maps.attribute: maps.general() for maps in given.attributions()},
        quantile=given.study.quantile,
        image=images[::step].mean(axis=0) / 255,
        masks=_known(given),
        region_maps=given.table("region_maps"),
        title=f"{given.dataset}: where attributes are found",
    )


def _known(given: Given) -> dict[str, Array]:
    """Return how often each pixel (H, W) is in the known region of an attribute, by attribute."""
    from rightreasons.regions.map_index import how_often
    from rightreasons.regions.rois import task_roi

    masks = np.load(given.files["masks"][0], mmap_mode="r")
    names, shape = read_json(given.files["pool"][0])["mask_names"], given.images().shape[1:3]
    facts, known = given.study.datasets[given.dataset], {}
    for attribute, roi in facts.attributes.items():
        if roi is not None:
            artifact = facts.artifacts.get(attribute)
            injected = given.images(artifact) if artifact else None
            region = task_roi(roi, masks, names, np.arange(len(masks)), shape, injected=injected)
            known[attribute] = how_often(region, shape[0])
    return known


def means(
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
    from rightreasons.regions.attribution import top

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
