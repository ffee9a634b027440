"""Attribution maps of single images (data-attribution paper, Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.data.attributes import binary
from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import nothing
from rightreasons.figures._tiles import heading, overlay, picture, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
CAPTION = """
Attribution maps of single images: how confident the patch classifier of each attribute is at every
place, in colour over the image. Each map goes from its own lowest to its own highest confidence. No
labels were needed for these maps.
"""


class AttributionMapsParams(Params):
    """Parameters of `attribution_maps`."""

    images: int = Field(4, ge=1, description="images shown, or more where more attributes are")


@FIGURES.register(
    "attribution_maps",
    title="Attribution maps of single images, a column per attribute",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Fig. 3",
    params=AttributionMapsParams,
    caption=CAPTION,
    category="6 Where attributes are",
    label="single images",
    over=("dataset",),
    when=("regions", "shows_images"),
    files=("pool", "regions"),
)
def attribution_maps(given: Given, params: AttributionMapsParams) -> Figure:
    """Draw the first images that have each attribute, and the pool's first, with their maps."""
    stored, index = given.attributions(), given.index()
    having = [
        int(found[0])
        for maps in stored
        if maps.attribute in index and len(found := np.flatnonzero(binary(maps.attribute, index)))
    ]
    rows = list(dict.fromkeys([*having, *range(min(len(index), params.images))]))
    rows = rows[: max(params.images, len(stored))]
    return maps_of_images(
        given.images()[rows],
        {maps.attribute: maps.specific(np.array(rows)) for maps in stored},
        labels=[str(name) for name in index["image_id"].iloc[rows]],
        title=f"{given.dataset}: attribution maps of single images",
    )


def maps_of_images(
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
