"""From latents to pictures and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.data.synthfaces.backdrop import paint_backdrop
from rightreasons.data.synthfaces.body import paint_body
from rightreasons.data.synthfaces.camera import photograph
from rightreasons.data.synthfaces.canvas import Canvas, Frame
from rightreasons.data.synthfaces.face import paint_ears, paint_face, skin_colour
from rightreasons.data.synthfaces.hair import Hair
from rightreasons.data.synthfaces.headwear import paint_glasses, paint_hat
from rightreasons.data.synthfaces.latents import check_columns
from rightreasons.data.synthfaces.light import Light

# Midpoint between the eyes, as fractions of the image: as in aligned CelebA, padded to a square.
EYES = (0.485, 0.47)  # of the head at its mean place
HEAD = 1.12  # the head's size against the body's: room for a mouth at 64 px
SMALLEST = 16


def paint(latents: Any, size: int) -> Canvas:
    """Paint one clean portrait (no blur, noise or compression) and its masks.

    Parameters
    ----------
    latents
        A row of `sample_latents`, as a named tuple.
    size
        The side of the picture in pixels.

    Returns
    -------
    Canvas
        Picture and masks. Where twins are the same, their clean portraits are equal.
    """
    light = Light(latents)
    skin = skin_colour(latents)
    centre = (EYES[0] + latents.shift_x, EYES[1] + latents.shift_y)
    head = Frame(size, centre, latents.roll, HEAD * latents.scale)
    body = Frame(size, (centre[0] + latents.body_shift, centre[1]), 0.0, latents.scale)
    hair = Hair(head, latents, light)
    canvas = Canvas(paint_backdrop(latents, size))
    hair.back(canvas)
    paint_body(canvas, body, latents, light, skin)
    if not hair.covers_ears:
        paint_ears(canvas, head, latents, light, skin)
    paint_face(canvas, head, latents, light, skin)
    hair.front(canvas)
    if latents.Eyeglasses:
        paint_glasses(canvas, head, latents, over_hair=hair.covers_ears)
    if latents.Wearing_Hat:
        paint_hat(canvas, head, latents, light)
    return canvas


def render(latents: pd.DataFrame, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Render portraits.

    Image i depends on row i and size only. Beside the result, one portrait is in memory at a time.

    Parameters
    ----------
    latents
        Rows of `sample_latents`.
    size
        The side of the images in pixels, at least 16.

    Returns
    -------
    images : uint8 (N, size, size, 3)
        RGB.
    masks : uint8 (N, size, size)
        Bit k is set where MASKS[k] is visible.

    Raises
    ------
    UserError
        If size is no integer of at least 16, or latents lack a column.
    """
    if not isinstance(size, int | np.integer) or size < SMALLEST:
        raise UserError(
            f"synthfaces: size is {size!r}, but must be an integer of at least {SMALLEST}"
        )
    check_columns(latents)
    images = np.empty((len(latents), size, size, 3), np.uint8)
    masks = np.empty((len(latents), size, size), np.uint8)
    for i, row in enumerate(latents.itertuples(index=False)):
        canvas = paint(row, int(size))
        images[i], masks[i] = photograph(canvas.rgb, row), canvas.masks
    return images, masks
