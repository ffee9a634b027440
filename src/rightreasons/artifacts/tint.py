"""A shift of the whole image's colour: a shortcut that has no place."""

from __future__ import annotations

from pydantic import Field

from rightreasons.artifacts import ARTIFACTS, ArtifactParams, Colour, Stamp, colour_of


class TintParams(ArtifactParams):
    """Parameters of `tint`."""

    colour: Colour = Field(
        default_factory=lambda: [255, 150, 60], description="colour it tends to, red green blue"
    )
    opacity: float = Field(0.15, gt=0, le=1, description="how far it tends there")


@ARTIFACTS.register(
    "tint",
    title="Tint",
    paper="Searching for Unintended Biases With Saliency (the colour shortcut)",
    params=TintParams,
)
def tint(size: int, params: TintParams) -> Stamp:
    """Return the tint for images of `size` x `size` pixels; its mask is the whole image."""
    import numpy as np

    alpha = np.full((size, size), params.opacity, np.float32)
    return Stamp(alpha, colour_of(params.colour), 0, 0)
