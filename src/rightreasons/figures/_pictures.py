"""Small pictures as data URIs: a page that holds them needs no other file and no network."""

from __future__ import annotations

import base64
import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray
IMAGE_SIDE = 96  # px, at most
MAP_SIDE = 64
IMAGE_COLORS = 128
STEPS = 7  # colours on either side of zero: 15 and the outline are 4 bits a pixel
OUTLINE = 2 * STEPS + 1


def image_uri(image: Array) -> str:
    """Return an image (H, W, 3) uint8 as a PNG of at most 96 px and 128 colours."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BOX)
    return png_uri(small.quantize(IMAGE_COLORS, dither=Image.Dither.NONE))


def map_uri(map_: Array, roi: Array | None = None) -> str:
    """Return a map as a PNG: red for the class, blue against it, the ROI outlined in black.

    A map of more than MAP_SIDE px is averaged down to that, and shown relative to its largest
    |value| then. An all-zero map is white.

    Parameters
    ----------
    map_
        (H, W).
    roi
        bool (H, W); the outline lies just outside of it, so that an ROI at the edge of the image is
        open there.
    """
    from PIL import Image

    small = _shrunk(np.asarray(map_, np.float32))
    peak = float(np.abs(small).max())
    steps = np.rint(small / (peak or 1) * STEPS).astype(np.uint8) + STEPS
    if roi is not None:
        inside = _shrunk(roi.astype(np.float32)) >= 0.5
        steps[_around(inside)] = OUTLINE
    picture = Image.fromarray(steps, "P")
    picture.putpalette(_palette())
    return png_uri(picture, bits=4)


def png_uri(picture: Image, **options: int) -> str:
    """Return a picture as the data URI of a PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _shrunk(values: Array) -> Array:
    from PIL import Image

    height, width = values.shape
    scale = MAP_SIDE / max(height, width)
    if scale >= 1:
        return values
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))


def _around(inside: Array) -> Array:
    """Return the pixels outside a region (H, W) that touch it, corners included."""
    padded = np.pad(inside, 1)
    height, width = inside.shape
    near = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.any(near, axis=0) & ~inside


@cache
def _palette() -> bytes:
    from matplotlib import colormaps

    from rightreasons.figures._signed_maps import COLORS

    colors = colormaps[COLORS](np.linspace(0, 1, OUTLINE))[:, :3]
    return np.rint(np.vstack([colors, np.zeros(3)]) * 255).astype(np.uint8).tobytes()
