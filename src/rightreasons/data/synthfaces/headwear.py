"""Hats and eyeglasses, in the head's frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from rightreasons.data.synthfaces.canvas import (
    BIT,
    Canvas,
    Frame,
    View,
    box,
    bump,
    cover,
    ellipse,
    hsv,
    lit,
    mix,
    polygon,
    ramp,
    rgb,
    stroke,
)
from rightreasons.data.synthfaces.face import Shape, turned
from rightreasons.data.synthfaces.latents import GLASSES_STYLES, HAT_STYLES
from rightreasons.data.synthfaces.light import Light

_BLACK = rgb(0.03, 0.03, 0.03)


def paint_hat(canvas: Canvas, frame: Frame, latents: Any, light: Light) -> None:
    """Paint the hat, and its shadow on the brow."""
    view = frame.view(-0.38, -0.44, 0.38, -0.08)
    half = Shape.of(latents).width + 0.034
    colour = hsv(latents.hat_hue, latents.hat_saturation, latents.hat_value)
    top = -0.365 - 0.03 * latents.hat_height
    style = HAT_STYLES[latents.hat_style]
    paint = {"fedora": _fedora, "cap": _cap, "beanie": _beanie, "sun_hat": _sun_hat}[style]
    brow = ramp(-np.abs(view.x), -half, -0.8 * half)
    shadow = 0.38 * brow * (1 - ramp(view.y, -0.165, -0.125))
    canvas.shade(view, 1 - shadow * (view.y > -0.2))
    shade = light.on_round(view.x * 3.4, (view.y + 0.12) * 2.8)
    paint(canvas, view, latents, colour, np.clip(shade, 0.3, 1.3), half, top)


def _blend(canvas: Canvas, view: View, distance: np.ndarray, colour: np.ndarray) -> None:
    canvas.blend(view, cover(distance, view.px), colour, BIT["Wearing_Hat"])


def _fedora(
    canvas: Canvas,
    view: View,
    latents: Any,
    colour: np.ndarray,
    shade: np.ndarray,
    half: float,
    top: float,
) -> None:
    side = np.abs(view.x)
    dent = 0.028 * bump(view.x, np.zeros_like(side), 0.035, 1.0)
    crown = polygon(side, view.y, (-1, top), (0.76 * half, top), (half, -0.19), (-1, -0.19))
    crown = np.maximum(crown, top + dent + 2.5 * np.maximum(side - 0.10, 0) ** 2 - view.y)
    crease = bump(view.x, view.y - (top + 0.03), 0.012, 0.05)
    _blend(canvas, view, crown, lit(colour, shade * (1 - 0.3 * crease)))
    band = np.maximum(crown, np.abs(view.y + 0.222) - 0.021)
    _blend(canvas, view, band, lit(mix(colour, _BLACK, 0.7), shade))
    _brim(canvas, view, colour, shade, 0.29, 0.0)


def _sun_hat(
    canvas: Canvas,
    view: View,
    latents: Any,
    colour: np.ndarray,
    shade: np.ndarray,
    half: float,
    top: float,
) -> None:
    straw = mix(colour, rgb(0.86, 0.74, 0.50), 0.65)
    weave = 1 + 0.07 * np.sin(view.x * 240) * np.sin(view.y * 260)
    dome = ellipse(view.x, view.y + 0.19, half, -0.19 - top)
    dome = np.maximum(dome, view.y + 0.19)
    _blend(canvas, view, dome, lit(straw, shade * weave))
    band = np.maximum(dome, np.abs(view.y + 0.215) - 0.018)
    _blend(canvas, view, band, lit(colour, shade))
    _brim(canvas, view, straw, shade * weave, 0.33, 0.3)


def _brim(
    canvas: Canvas,
    view: View,
    colour: np.ndarray,
    shade: np.ndarray,
    reach: float,
    droop: float,
) -> None:
    bend = (0.25 + droop) * view.x * view.x
    level = view.y + 0.190 - bend + (0.02 + 0.06 * droop)
    distance = ellipse(view.x, level, reach, 0.030)
    edge = 0.88 + 0.25 * ramp(level, 0.012, -0.02)
    _blend(canvas, view, distance, lit(colour, shade * edge))


def _cap(
    canvas: Canvas,
    view: View,
    latents: Any,
    colour: np.ndarray,
    shade: np.ndarray,
    half: float,
    top: float,
) -> None:
    dome = ellipse(view.x, view.y + 0.17, half, -0.17 - top)
    dome = np.maximum(dome, view.y + 0.17)
    seam = cover(
        np.abs(np.abs(view.x) - 0.45 * half * np.sqrt(np.clip((view.y - top) * 5, 0, 1))) - 0.002,
        view.px,
    )
    _blend(canvas, view, dome, lit(colour, shade * (1 - 0.25 * seam)))
    badge = np.maximum(ellipse(view.x, view.y + 0.265, 0.042, 0.034), dome)
    _blend(canvas, view, badge, lit(hsv(latents.hat_hue + 0.5, 0.5, 0.95), shade))
    turn = view.x - (0.03 * latents.yaw)
    visor = ellipse(turn, view.y + 0.176 - 0.3 * turn * turn, 0.170, 0.036)
    _blend(
        canvas,
        view,
        visor,
        lit(mix(colour, _BLACK, 0.45), shade * (0.85 + 0.5 * ramp(view.y, -0.165, -0.2))),
    )


def _beanie(
    canvas: Canvas,
    view: View,
    latents: Any,
    colour: np.ndarray,
    shade: np.ndarray,
    half: float,
    top: float,
) -> None:
    dome = ellipse(view.x, view.y + 0.18, half, -0.18 - top - 0.01)
    dome = np.maximum(dome, view.y + 0.18)
    knit = 1 + 0.12 * np.sin(view.x * (230 / (1 + 2 * np.abs(view.y))))
    if latents.hat_height > 0.5:
        pompom = ellipse(view.x, view.y - top, 0.042, 0.038)
        pompom = pompom + 0.004 * np.sin(view.x * 300) * np.sin(view.y * 280)
        _blend(canvas, view, pompom, lit(mix(colour, rgb(1, 1, 1), 0.5), shade))
    _blend(canvas, view, dome, lit(colour, shade * knit))
    roll = view.y + 0.195 - 0.35 * view.x * view.x
    cuff = box(view.x, roll, half + 0.008, 0.036, 0.016)
    ribs = 1 + 0.16 * np.sin(view.x * 260)
    _blend(canvas, view, cuff, lit(mix(colour, _BLACK, 0.18), shade * ribs))


def paint_glasses(canvas: Canvas, frame: Frame, latents: Any, over_hair: bool) -> None:
    """Frame and lenses, in front of the hair.

    Both belong to the mask; the eyes stay visible through the lenses.
    """
    view = turned(frame.view(-0.21, -0.07, 0.21, 0.08), latents)
    eye_x = Shape.of(latents).eye_x
    side, style = np.abs(view.x), GLASSES_STYLES[latents.glasses_style]
    u, v = side - (eye_x + 0.001), view.y - 0.006
    lens = ellipse(u, v, 0.050, 0.047) if style == "round" else box(u, v, 0.056, 0.040, 0.017)
    thick = 0.0055 + 0.0012 * latents.frame_width
    rim = np.abs(lens) - thick
    if style == "half_rim":
        rim = np.where(v > 0.008, rim + (thick - 0.002), rim)
    bridge = np.maximum(np.abs(v + 0.012 - 6 * side * side) - 0.8 * thick, u + 0.045)
    end = 0.152 if over_hair else 0.182  # long hair hides the temples
    temple = stroke(side, view.y, (eye_x + 0.05, -0.012), (end, -0.004)) - thick
    wire = np.minimum(np.minimum(rim, bridge), np.maximum(temple, -lens))
    glare = 0.14 * bump(u + v - 0.012, u * 0, 0.009, 1.0)
    inside = cover(lens, view.px)
    canvas.tint(view, inside * latents.lens_tint, rgb(0.10, 0.10, 0.12))
    canvas.tint(view, inside * (0.03 + glare), rgb(1, 1, 1))
    canvas.tint(view, cover(wire, view.px), _frame_colour(latents))
    canvas.mark(view, np.minimum(lens, wire) < 0.5 * view.px, BIT["Eyeglasses"])


def _frame_colour(latents: Any) -> np.ndarray:
    palette = (_BLACK, rgb(0.25, 0.13, 0.07), rgb(0.45, 0.08, 0.10), rgb(0.12, 0.16, 0.32))
    return palette[int(latents.frame_colour * len(palette))]
