"""Drawn accessories: what the painter of `synthfaces` paints, as stamps for photographs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from rightreasons.artifacts import ArtifactParams, Share, Stamp
from rightreasons.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from rightreasons.data.synthfaces.canvas import Canvas, Frame
    from rightreasons.data.synthfaces.light import Light

    Painter = Callable[[Canvas, Frame, Any, Light], None]

#: Fainter traces than this are left out: on a photograph nobody would see them.
FAINTEST = 0.02
#: Seed of the looks.
_LOOKS = 0


class AccessoryParams(ArtifactParams):
    """Parameters of drawn accessories. The defaults fit aligned CelebA, padded to a square."""

    eyes: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [0.5, 0.51],
        description="the midpoint between the eyes: x, y as fractions of the image",
    )
    scale: float = Field(
        1.0,
        gt=0,
        le=4,
        description="size of the head; 1: the eyes are 0.178 of the image's side apart",
    )
    variants: int = Field(
        256, ge=1, le=4096, description="how many looks there are; each image has one of them"
    )


def stamps(
    size: int, params: AccessoryParams, painter: Painter, head: float, below: float = 0.0
) -> tuple[Stamp, ...]:
    """Return a drawn accessory, one stamp for each of its looks.

    Colour, form, size, place and turn vary as those of `synthfaces` do. The looks of a smaller
    bank are the first of a larger one. The bank is made once in a process.

    Parameters
    ----------
    size
        The side of the images in pixels.
    params
        The artifact's parameters.
    painter
        Paints the accessory for one row of latents in the frame of a head (or body).
    head
        The frame's unit as a share of the image's side, for `scale` 1.
    below
        How far the frame's origin lies below the midpoint between the eyes, as `head`.

    Raises
    ------
    UserError
        Where a look leaves no visible pixel in the image.
    """
    x, y = params.eyes
    origin = (x, y + below * params.scale)
    return _bank(size, params.variants, origin, head * params.scale, painter)


@lru_cache(maxsize=4)
def _bank(
    size: int, variants: int, origin: tuple[float, float], unit: float, painter: Painter
) -> tuple[Stamp, ...]:
    from rightreasons.data.synthfaces.canvas import Frame
    from rightreasons.data.synthfaces.latents import sample_latents
    from rightreasons.data.synthfaces.light import Light

    looks: Any = sample_latents(variants, _LOOKS).itertuples(index=False)
    made = []
    for look in looks:
        place = (origin[0] + look.shift_x, origin[1] + look.shift_y)
        frame = Frame(size, place, look.roll, unit * look.scale)
        black, white = (
            _painted(size, under, painter, frame, look, Light(look)) for under in (0, 1)
        )
        made.append(_cut_out(black, white))
    return tuple(made)


def _painted(
    size: int, under: float, painter: Painter, frame: Frame, look: Any, light: Light
) -> np.ndarray:
    """Return the accessory over one grey, float64 (3, size, size)."""
    import numpy as np

    from rightreasons.data.synthfaces.canvas import Canvas

    canvas = Canvas(np.full((3, size, size), under, np.float64))
    painter(canvas, frame, look, light)
    return canvas.rgb


def _cut_out(black: np.ndarray, white: np.ndarray) -> Stamp:
    """Return what was painted over black and over white as a stamp.

    Whatever is painted makes (1 - alpha) x + alpha colour of what was there, x, so that
    alpha = 1 - (white - black) and colour = black / alpha.

    Parameters
    ----------
    black, white : float (3, h, w), in [0, 1]
        The picture over black and over white.

    Raises
    ------
    UserError
        Where nothing was painted.
    """
    import numpy as np

    alpha = np.clip(1 - (white - black)[0], 0, 1)
    alpha[alpha < FAINTEST] = 0
    rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise UserError(
            f"artifacts: a drawn accessory leaves no visible pixel in images of {len(alpha)} "
            "pixels. Its `eyes` or `scale` put it outside the image, or the images are too small."
        )
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    share = np.where(alpha[part] > 0, alpha[part], 1)
    colour = 255 * np.clip(black[:, *part] / share, 0, 1).transpose(1, 2, 0)
    return Stamp(
        alpha[part].astype(np.float32),
        np.ascontiguousarray(colour, np.float32),
        int(columns[0]),
        int(rows[0]),
    )
