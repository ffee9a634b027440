"""A coloured rectangle."""

from __future__ import annotations

from pydantic import Field

from rightreasons.artifacts import ARTIFACTS, Colour, PlacedParams, Stamp, colour_of
from rightreasons.regions.rois import pixel_rectangle


class PatchParams(PlacedParams):
    """Parameters of `patch`."""

    colour: Colour = Field(
        default_factory=lambda: [230, 60, 40], description="its colour, red green blue"
    )
    opacity: float = Field(1.0, gt=0, le=1, description="1 covers what is below")


@ARTIFACTS.register(
    "patch",
    title="Coloured patch",
    paper="Own; as in the ISIC colour patches of Rieger et al. 2020",
    params=PatchParams,
)
def patch(size: int, params: PatchParams) -> Stamp:
    """Return the rectangle for images of `size` x `size` pixels; its mask is all of it."""
    import numpy as np

    box = pixel_rectangle(params.position, height=size, width=size)
    alpha = np.full((box.height, box.width), params.opacity, np.float32)
    return Stamp(alpha, colour_of(params.colour), box.x0, box.y0)
