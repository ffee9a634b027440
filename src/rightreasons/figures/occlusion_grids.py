"""Occlusion maps as the grid of boxes gets finer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._dots import cell_name
from rightreasons.figures._page_data import choose_images, maps_of_images
from rightreasons.figures._signed_maps import Array, picture, signed_map
from rightreasons.figures._style import nothing
from rightreasons.figures._tiles import tiles
from rightreasons.metrics.mean_maps import CELLS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = """
What occlusion says as its grid gets finer, on task ``{task}`` at ``{design}`` = {level}: how much
the logit drops when one box is hidden. A row per combination of protected attribute (PA,
``{protected}``) and target (T, ``{target}``): one image of each, or the mean of its images where
the dataset's images may not be shown. Black: the region of interest. A box shows what it hides by
itself; what two boxes show together, neither has.
"""


@FIGURES.register(
    "occlusion_grids",
    title="Occlusion maps as the grid gets finer",
    paper="Searching for Unintended Biases With Saliency",
    caption=CAPTION,
    category="8 Artifacts",
    label="occlusion grids",
    over=("task", "design"),
    when=("boxes", "two_groups"),
    files=("mean_maps", "maps", "pool", "roi"),
    levels="strongest",
    seeds="first",
)
def occlusion_grids(given: Given, params: Params) -> Figure:
    """Draw a row per quadrant: an image, or the mean where none may be shown; its map by each grid.

    Each map is shown relative to its own largest |value|; an all-zero map is white.
    """
    shown = given.study.datasets[given.dataset].shows_images
    images, maps, roi, cells = _single(given) if shown else _means(given)
    what = "An image of each quadrant." if shown else "Means of each quadrant's images."
    return grids(
        images,
        maps,
        roi=roi,
        labels=[cell_name(*cell) for cell in cells],
        title=f"{given.task}, {given.design} = {given.strongest:g}: finer and finer grids",
        remark=f"{what} PA: {given.facts.protected}. T: {given.facts.target}.",
    )


def _single(given: Given) -> tuple[Array, dict[str, Array], Array, list[tuple[int, int]]]:
    """Return the first image of each quadrant, its maps, its region and its quadrant."""
    (group,) = given.groups
    sets = {group.level: given.map_sets(group)}
    chosen = choose_images(sets, 4)
    rows, shape = chosen["row"].to_numpy(), sets[group.level][0].maps.shape[2:]
    found = maps_of_images(sets, chosen["image_id"].tolist(), given.facts.boxes)
    maps = {explainer: of_images for (_, explainer), of_images in found.items()}
    images = given.shown(chosen)[rows]
    cells = list(zip(chosen["protected"], chosen["target"], strict=True))
    return images, maps, given.roi(rows, shape), cells


def _means(given: Given) -> tuple[Array, dict[str, Array], Array, list[tuple[int, int]]]:
    """Return the mean image, mean maps and region of each quadrant, and the quadrants."""
    part = given.mean_maps(given.groups[0])
    maps = {name: part[f"map/{name}/{given.roles.original}"] for name in given.facts.boxes}
    return part["image"], maps, part["roi"], list(CELLS)


def grids(
    images: Array,
    maps: Mapping[str, Array],
    *,
    roi: Array,
    labels: Sequence[str] = (),
    title: str = "",
    remark: str = "",
) -> Figure:
    """Return a row per image: the image, and its map at every grid.

    images: (n, H, W, 3) uint8, or mean images. maps: by explainer, from coarse to fine, (n, H, W).
    roi: (H, W) or (n, H, W), outlined. labels: a name per row. remark: a line below. Raises
    UserError for maps of another number of images.
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
