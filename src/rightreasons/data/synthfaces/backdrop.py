"""Background: an out-of-focus clutter of walls, shelves and lamps."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Drawn at one small size whatever the portrait's: the enlargement is the lack of focus.
_DRAWN_AT = 40
_MOST_SHAPES = 10


def _colour(hue: float, saturation: float, value: float) -> tuple[int, ...]:
    channels = colorsys.hsv_to_rgb(hue, 0.75 * saturation * saturation, 0.12 + 0.8 * value)
    return tuple(int(255 * channel) for channel in channels)


def paint_backdrop(latents: Any, size: int) -> np.ndarray:
    """Return a backdrop, float32 (3, size, size) in [0, 1]."""
    rng = np.random.default_rng(int(latents.backdrop_seed))
    wall, floor, *shapes = rng.random((2 + _MOST_SHAPES, 8)).tolist()
    picture = Image.new("RGB", (_DRAWN_AT, _DRAWN_AT), _colour(*wall[:3]))
    draw = ImageDraw.Draw(picture)
    if floor[3] < 0.5:
        draw.rectangle((0, _DRAWN_AT * floor[4], _DRAWN_AT, _DRAWN_AT), fill=_colour(*floor[:3]))
    for shape in shapes[: 2 + int(wall[3] * (_MOST_SHAPES - 1))]:
        _paint_shape(draw, shape)
    picture = picture.filter(ImageFilter.BoxBlur(0.8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    planes = np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
    side = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + 0.2 * latents.light_azimuth * latents.light_strength * side
    return planes * (light * (1 / 255))


def _paint_shape(draw: ImageDraw.ImageDraw, shape: list[float]) -> None:
    """Draw a box or an ellipse from eight numbers in 0 to 1."""
    hue, saturation, value, kind, x, y, half_x, half_y = shape
    half_x, half_y = 0.04 + 0.26 * half_x**2, 0.04 + 0.26 * half_y**2
    ends = (x - half_x, y - half_y, x + half_x, y + half_y)
    paint = draw.rectangle if kind < 0.6 else draw.ellipse
    paint([_DRAWN_AT * end for end in ends], fill=_colour(hue, saturation, value))
