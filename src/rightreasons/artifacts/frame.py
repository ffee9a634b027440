"""A border around the image."""

from __future__ import annotations

from pydantic import Field

from rightreasons.artifacts import ARTIFACTS, ArtifactParams, Colour, Stamp, colour_of


class FrameParams(ArtifactParams):
    """Parameters of `frame`."""

    width: float = Field(
        0.06, gt=0, lt=0.5, description="of the border, as a share of the side; 1 pixel at least"
    )
    colour: Colour = Field(
        default_factory=lambda: [20, 20, 20], description="its colour, red green blue"
    )
    opacity: float = Field(1.0, gt=0, le=1, description="1 covers what is below")


@ARTIFACTS.register("frame", title="Frame", paper="Own", params=FrameParams)
def frame(size: int, params: FrameParams) -> Stamp:
    """Return the border; it fills the image, so it never moves.

    Parameters
    ----------
    size
        The side of the images in pixels.
    params
        The artifact's parameters.
    """
    import numpy as np

    wide = min(max(1, round(params.width * size)), (size - 1) // 2)
    alpha = np.full((size, size), params.opacity, np.float32)
    alpha[wide : size - wide, wide : size - wide] = 0
    return Stamp(alpha, colour_of(params.colour), 0, 0)
