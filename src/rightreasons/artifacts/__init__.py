"""Artifacts that the suite puts into images itself, one file each: `ARTIFACTS` finds them all.

An artifact is a function `artifact(size, params) -> Stamp`: what is laid over an image of size x
size pixels, and where. It may return several stamps, of which each image gets one: an artifact
that does not look the same in all images. It is then an attribute of the images: every image of a
pool exists without and with it, as rows 0 to N - 1 and N to 2N - 1 of `injected.Injected`. It is
laid over images when they are read; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from rightreasons.core.job import Chosen
from rightreasons.core.registry import Params, Registry

if TYPE_CHECKING:
    import numpy as np

ARTIFACTS = Registry("rightreasons.artifacts", "artifact", group="rightreasons.artifacts")

Share = Annotated[float, Field(ge=0, le=1)]
Colour = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]


@dataclass(frozen=True)
class Stamp:
    """What is laid over an image: (1 - alpha) image + alpha colour.

    Parameters
    ----------
    alpha : float32 (h, w), in [0, 1]
        Where it is above 0 the image is changed: that is the artifact's mask.
    colour : float32 (3,) or (h, w, 3), in [0, 255]
        Red, green, blue.
    x, y
        The upper left corner in the image, in pixels.
    """

    alpha: np.ndarray
    colour: np.ndarray
    x: int
    y: int


def stamps_of(made: Stamp | Sequence[Stamp]) -> Sequence[Stamp]:
    """Return what an artifact made as a sequence: one stamp for all images, or one of several."""
    return [made] if isinstance(made, Stamp) else made


class ArtifactParams(Params):
    """What every artifact may do."""

    jitter: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="how far it moves from image to image, as a share of the side, at random but "
        "always alike for the same image; it stays inside the image",
    )


class PlacedParams(ArtifactParams):
    """An artifact in a rectangle."""

    position: Annotated[list[Share], Field(min_length=4, max_length=4)] = Field(
        default_factory=lambda: [0.04, 0.82, 0.50, 0.96],
        description="the rectangle that it fills: x0, y0, x1, y1 as fractions of the image",
    )

    @field_validator("position")
    @classmethod
    def _has_area(cls, position: list[float]) -> list[float]:
        if not (position[0] < position[2] and position[1] < position[3]):
            raise ValueError("x0 must be below x1 and y0 below y1")
        return position


def modules_of(*artifacts: Chosen | None) -> tuple[str, ...]:
    """Return the modules of some artifacts, None among them left out."""
    return tuple(ARTIFACTS[one.kind].module for one in artifacts if one is not None)


def colour_of(rgb: Sequence[int]) -> np.ndarray:
    """Return a colour of a config as float32 (3,)."""
    import numpy as np

    return np.array(rgb, np.float32)
