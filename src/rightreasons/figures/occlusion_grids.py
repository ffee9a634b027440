"""Occlusion maps as the grid of boxes gets finer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from rightreasons.core.errors import UserError
from rightreasons.figures.signed_maps import Array, picture, signed_map
from rightreasons.figures.style import styled
from rightreasons.figures.tiles import nothing, tiles


@styled
def occlusion_grids(
    images: Array,
    maps: Mapping[str, Array],
    *,
    roi: Array,
    labels: Sequence[str] = (),
    title: str = "",
    remark: str = "",
) -> Figure:
    """Return a row per image: the image, and its map at every grid.

    images: (n, H, W, 3) uint8, or mean images. maps: by explainer, from coarse to fine, (n, H, W);
    each is shown relative to its own largest |value|; an all-zero map is white. roi: (H, W) or
    (n, H, W), outlined. labels: a name per row. remark: a line below. Raises UserError for maps of
    another number of images.
    """
    for name, of_images in maps.items():
        if len(of_images) != len(images):
            raise UserError(
                f"{name}: {len(of_images)} maps for {len(images)} images. Give one map an image."
            )
    if not len(images) or not maps:
        return nothing("no occlusion maps")
    lines = 1 + bool(remark)
    grid = tiles(len(images), 1 + len(maps), left=0.8 if labels else 0.1, top=0.55,
                 bottom=0.1 + 0.15 * lines, largest=1.3, smallest_width=5.2)  # fmt: skip
    rois = np.broadcast_to(roi, (len(images), *np.shape(roi)[-2:]))
    for row, panels in enumerate(grid.panels):
        picture(panels[0], images[row], rois[row])
        for axes, of_images in zip(panels[1:], maps.values(), strict=True):
            signed_map(axes, of_images[row], _peak(of_images[row]), rois[row])
        if labels:
            panels[0].set_ylabel(labels[row], rotation=0, ha="right", va="center", labelpad=6)
    for axes, name in zip(grid.panels[0], ["image", *maps], strict=True):
        axes.set_title(name, loc="center", pad=3)
    grid.title(title or "Occlusion at finer and finer grids")
    grid.note(
        ["Red: for the class, blue: against it, each map by its own strongest value."]
        + [remark] * bool(remark)
    )
    return grid.figure


def _peak(map_: Array) -> float:
    return float(np.nanmax(np.abs(map_), initial=0.0)) or 1.0
