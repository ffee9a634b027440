"""Drawing with signed distances: frames of coordinates, coverage, blending, masks.

Lengths are fractions of the image side, x to the right, y down. A distance is negative inside a
shape; coverage is antialiased from it, so that nothing needs supersampling.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np

MASKS: tuple[str, ...] = (
    *("Wearing_Necktie", "Wearing_Hat", "Eyeglasses", "Hair", "Mouth"),
    "Person",
)
BIT: dict[str, int] = {name: 1 << k for k, name in enumerate(MASKS)}

Colour = np.ndarray  # (3,) or (3, h, w), 0 to 1


@dataclass(frozen=True)
class View:
    """A window of the canvas, with the coordinates of its pixels in some frame.

    Parameters
    ----------
    x, y : (h, w)
        The coordinates of the pixels' centres.
    rows, cols
        Where the window lies in the canvas.
    px
        The side of a pixel, in the frame's unit.
    """

    x: np.ndarray
    y: np.ndarray
    rows: slice
    cols: slice
    px: float  # side of a pixel

    def moved(self, x: np.ndarray, y: np.ndarray) -> View:
        """Return the same window with other coordinates."""
        return View(x, y, self.rows, self.cols, self.px)


class Frame:
    """Coordinates that are turned, scaled and moved against the image's.

    Parameters
    ----------
    size
        The side of the canvas in pixels.
    origin
        Where the frame's origin lies in the image, as fractions of its side.
    degrees
        How far the frame is turned, clockwise as seen.
    scale
        The frame's unit as a fraction of the image's side.
    """

    def __init__(
        self, size: int, origin: tuple[float, float], degrees: float = 0.0, scale: float = 1.0
    ) -> None:
        self.size, self.origin, self.scale = size, origin, scale
        self.cos, self.sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        self.centres = ((np.arange(size) + 0.5) / size).astype(np.float32)

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the frame lies in the image, as fractions of its side."""
        return (
            self.origin[0] + self.scale * (self.cos * x - self.sin * y),
            self.origin[1] + self.scale * (self.sin * x + self.cos * y),
        )

    def _window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """Rows and columns of the upright image rectangle around the frame's rectangle."""
        middle_x, middle_y = self.to_image(0.5 * (x0 + x1), 0.5 * (y0 + y1))
        half_x, half_y = 0.5 * self.scale * (x1 - x0), 0.5 * self.scale * (y1 - y0)
        cols = self._pixels(middle_x, abs(self.cos) * half_x + abs(self.sin) * half_y)
        rows = self._pixels(middle_y, abs(self.sin) * half_x + abs(self.cos) * half_y)
        return rows, cols

    def view(self, x0: float, y0: float, x1: float, y1: float) -> View:
        """Return the pixels around the frame's rectangle, as far as they lie in the image."""
        rows, cols = self._window(x0, y0, x1, y1)
        dx = (self.centres[cols] - (self.origin[0])) / self.scale
        dy = (self.centres[rows, None] - (self.origin[1])) / self.scale
        cos, sin = self.cos, self.sin
        px = 1.0 / (self.size * self.scale)
        return View(cos * dx + sin * dy, cos * dy - sin * dx, rows, cols, px)

    def crop(self, view: View, x0: float, y0: float, x1: float, y1: float) -> View:
        """Return the part of a view around the frame's rectangle."""
        rows, cols = self._window(x0, y0, x1, y1)
        rows = slice(max(rows.start, view.rows.start), min(rows.stop, view.rows.stop))
        cols = slice(max(cols.start, view.cols.start), min(cols.stop, view.cols.stop))
        part = np.s_[
            rows.start - view.rows.start : rows.stop - view.rows.start,
            cols.start - view.cols.start : cols.stop - view.cols.start,
        ]
        return View(view.x[part], view.y[part], rows, cols, view.px)

    def _pixels(self, middle: float, half: float) -> slice:
        first = math.floor((middle - half) * self.size) - 1
        last = math.ceil((middle + half) * self.size) + 1
        return slice(min(max(first, 0), self.size), min(max(last, 0), self.size))


class Canvas:
    """A picture (3, size, size) in 0 to 1 that is painted back to front, and its masks."""

    def __init__(self, backdrop: np.ndarray) -> None:
        self.rgb = backdrop
        self.masks = np.zeros(backdrop.shape[1:], np.uint8)

    def blend(self, view: View, coverage: np.ndarray, colour: Colour, bit: int = 0) -> None:
        """Paint over. Pixels that are mostly covered leave all masks but `bit` and Person's."""
        region = self.rgb[:, view.rows, view.cols]
        self._lay(region, coverage, colour)
        left = np.uint8(bit | BIT["Person"])  # whatever is painted is no backdrop
        np.copyto(self.masks[view.rows, view.cols], left, where=coverage > 0.5)

    def tint(self, view: View, coverage: np.ndarray, colour: Colour) -> None:
        """Paint over something that stays visible; masks stay."""
        region = self.rgb[:, view.rows, view.cols]
        self._lay(region, coverage, colour)

    def mark(self, view: View, inside: np.ndarray, bit: int) -> None:
        """Add pixels to a mask and leave the other masks as they are."""
        self.masks[view.rows, view.cols] |= np.where(inside, np.uint8(bit), np.uint8(0))

    @staticmethod
    def _lay(region: np.ndarray, coverage: np.ndarray, colour: Colour) -> None:
        # Exact where coverage is 0 or 1, so that twins are equal where the change is hidden.
        region *= 1 - coverage
        region += coverage * (colour if colour.ndim == 3 else colour[:, None, None])

    def shade(self, view: View, factor: np.ndarray) -> None:
        """Multiply by light; masks stay."""
        self.rgb[:, view.rows, view.cols] *= factor


def clip(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """np.clip in place, at half its cost on small arrays."""
    np.maximum(values, low, out=values)
    return np.minimum(values, high, out=values)


def cover(distance: np.ndarray, px: float) -> np.ndarray:
    """Share of a pixel inside a shape; a `px` wider than the pixel gives a soft edge."""
    share = distance * (-1 / px)
    share += 0.5
    return clip(share, 0, 1)


def soft(distance: np.ndarray, width: float, px: float) -> np.ndarray:
    """Coverage of a blurred line; one that is thinner than a pixel becomes faint, not jagged."""
    wide = max(width, px)
    return cover(distance, wide) * (width / wide)


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = value - low
    t *= 1 / (high - low)
    clip(t, 0, 1)
    steep = 3 - 2 * t
    t *= t
    t *= steep
    return t


def ellipse(x: np.ndarray, y: np.ndarray, a: float, b: float) -> np.ndarray:
    """Distance (to first order) from the ellipse with half-axes a, b around the origin."""
    u, v = x * (1 / a), y * (1 / b)
    u *= u
    v *= v
    distance = u + v
    distance -= 1
    u *= 4 / (a * a)
    v *= 4 / (b * b)
    u += v
    np.sqrt(u, out=u)
    u += 1e-3
    distance /= u
    return distance


def bump(x: np.ndarray, y: np.ndarray, a: float, b: float) -> np.ndarray:
    """Return a soft spot of height 1 at the origin with widths a, b, and exactly 0 far away."""
    t, v = x * (0.5 / a), y * (0.5 / b)
    t *= t
    v *= v
    t += v
    np.subtract(1, t, out=t)
    np.maximum(t, 0, out=t)
    t *= t
    t *= t
    return t


def box(x: np.ndarray, y: np.ndarray, a: float, b: float, corner: float) -> np.ndarray:
    """Distance from the rounded rectangle with half-sides a, b around the origin."""
    u, v = np.abs(x) - (a - corner), np.abs(y) - (b - corner)
    outside = length(np.maximum(u, 0), np.maximum(v, 0))
    return outside + np.minimum(np.maximum(u, v), 0) - corner


def edge(
    x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    """Distance from the line through two points: negative to the right of start -> end (y down)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    norm = math.hypot(dx, dy)
    a, b = dy / norm, dx / norm
    return a * (x - (start[0])) - b * (y - (start[1]))


def polygon(x: np.ndarray, y: np.ndarray, *corners: tuple[float, float]) -> np.ndarray:
    """Distance from the convex polygon with the given corners, clockwise as seen."""
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    distance = None
    for start, end in sides:
        side = edge(x, y, start, end)
        distance = side if distance is None else np.maximum(distance, side)
    assert distance is not None
    return distance


def stroke(
    x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    """Distance from the segment between two points (never negative)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    u, v = x - (start[0]), y - (start[1])
    t = clip((u * dx + v * dy) / (dx * dx + dy * dy), 0, 1)
    u -= t * dx
    v -= t * dy
    return length(u, v)


def length(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Length of the vectors (u, v); np.hypot guards against overflow at four times the cost."""
    return np.sqrt(u * u + v * v)


def rgb(red: float, green: float, blue: float) -> Colour:
    """Return a colour, float32 (3,), from channels in [0, 1]."""
    return np.array((red, green, blue), np.float32)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour, float32 (3,). Saturation and value are in [0, 1], hue counts modulo 1."""
    return rgb(*colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour between two: the first for `share` 0, the second for 1."""
    return (first + share * (second - first)).astype(np.float32)


def lit(colour: Colour, light: np.ndarray) -> Colour:
    """Colour (3,) under light (h, w)."""
    return colour[:, None, None] * light
