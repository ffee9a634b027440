"""Neck, clothes and necktie, in the body's frame (the head may be turned against it)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rightreasons.data.synthfaces.canvas import (
    BIT,
    Canvas,
    Frame,
    View,
    bump,
    cover,
    ellipse,
    hsv,
    length,
    lit,
    mix,
    polygon,
    ramp,
    rgb,
    soft,
    stroke,
)
from rightreasons.data.synthfaces.latents import GARMENTS, TIE_PATTERNS
from rightreasons.data.synthfaces.light import Light

_COLLARED = ("shirt", "v_sweater", "jacket")


def paint_body(canvas: Canvas, frame: Frame, latents: Any, light: Light, skin: np.ndarray) -> None:
    """Neck and clothes, and the necktie where there is one."""
    view = frame.view(-0.6, 0.2, 0.6, 0.6)
    neck = _neck(latents)
    shade = _cloth_light(view, light)
    _paint_neck(canvas, frame.crop(view, -0.2, 0.15, 0.2, 0.42), neck, light, skin)
    garment = GARMENTS[latents.garment]
    base = hsv(latents.garment_hue, latents.garment_saturation, latents.garment_value)
    shirt = hsv(latents.shirt_hue, latents.shirt_saturation, latents.shirt_value)
    inner = shirt if garment in _COLLARED else base
    torso = _torso(view, latents, neck)
    _paint_cloth(canvas, view, np.maximum(torso, -_neckline(view, garment, neck)), inner, shade)
    middle = frame.crop(view, -0.15, 0.26, 0.15, 0.6)
    middle_shade = _cloth_light(middle, light)
    if garment not in _COLLARED:
        _paint_ribbing(canvas, middle, garment, neck, base, middle_shade)
    else:
        _paint_placket(canvas, middle)
    if latents.Wearing_Necktie:
        _paint_necktie(canvas, middle, latents, middle_shade, garment in _COLLARED, neck)
    if garment in _COLLARED:
        _paint_collar(canvas, middle, neck, shirt, middle_shade)
    if garment in ("v_sweater", "jacket"):
        _paint_open_front(canvas, view, latents, garment, torso, base, shade)


def paint_necktie(canvas: Canvas, frame: Frame, latents: Any, light: Light) -> None:
    """Paint a necktie alone over what is there, with its band around the neck and no collar."""
    view = frame.view(-0.15, 0.26, 0.15, 0.6)
    shade = _cloth_light(view, light)
    _paint_necktie(canvas, view, latents, shade, collar=False, neck=_neck(latents))


def _neck(latents: Any) -> float:
    """Half the width of the neck."""
    return 0.082 + 0.014 * float(latents.Male)


def _cloth_light(view: View, light: Light) -> np.ndarray:
    return light.on_round(view.x * 1.6, (view.y - 0.62) * 1.6)


def _torso(view: View, latents: Any, neck: float) -> np.ndarray:
    """Distance from the shoulders' outline."""
    slope = 0.30 - 0.05 * latents.Male + 0.03 * latents.shoulders
    outward = np.maximum(np.abs(view.x) - neck, 0)
    line = 0.325 + slope * outward + 0.35 * outward * outward
    width = 0.45 + 0.04 * latents.Male + 0.015 * latents.shoulders
    side = np.abs(view.x) - width
    return np.maximum(line - view.y, side) * 0.95


def _neckline(view: View, garment: str, neck: float) -> np.ndarray:
    depth = {"t_shirt": 0.055, "crew_sweater": 0.035}.get(garment, 0.075)
    return ellipse(view.x, view.y - 0.32, neck + 0.004, depth)


def _paint_neck(canvas: Canvas, view: View, neck: float, light: Light, skin: np.ndarray) -> None:
    flare = np.maximum(view.y - 0.29, 0)
    distance = np.abs(view.x) - neck - 6 * flare * flare
    below = view.y - 0.42
    shade = light.on_round(view.x * (1 / (1.15 * neck)), np.zeros_like(view.y))
    shade *= 0.62 + 0.33 * ramp(view.y, 0.24, 0.40)
    hollow = bump(view.x, view.y - 0.375, 0.014, 0.012)
    colour = lit(skin, shade * (1 - 0.12 * hollow))
    canvas.blend(view, cover(np.maximum(distance, below), view.px), colour)


def _paint_cloth(
    canvas: Canvas, view: View, distance: np.ndarray, colour: np.ndarray, shade: np.ndarray
) -> None:
    folds = np.sin(view.x * 23 + view.y * 31) * np.sin(view.x * 41 - view.y * 17)
    canvas.blend(view, cover(distance, view.px), lit(colour, shade * (1 + 0.04 * folds)))


def _paint_placket(canvas: Canvas, view: View) -> None:
    """Seams and buttons."""
    seam = soft(np.abs(np.abs(view.x) - 0.016) - 0.001, 0.003, view.px)
    spacing = np.abs((view.y - 0.43) % 0.055 - 0.0275)
    button = cover(length(view.x, spacing - 0.0275) - 0.005, view.px)
    canvas.shade(view, 1 - (0.2 * seam + 0.35 * button) * (view.y > 0.41))


def _paint_ribbing(
    canvas: Canvas, view: View, garment: str, neck: float, base: np.ndarray, shade: np.ndarray
) -> None:
    around = _neckline(view, garment, neck)
    width = 0.012 if garment == "t_shirt" else 0.02
    ring = np.maximum(np.maximum(-around, around - width), 0.325 - view.y)
    trim = mix(base, rgb(0, 0, 0), 0.25)
    canvas.blend(view, cover(ring, view.px), lit(trim, shade))


def _paint_collar(
    canvas: Canvas, view: View, neck: float, shirt: np.ndarray, shade: np.ndarray
) -> None:
    side = np.abs(view.x)
    flap = polygon(
        side, view.y, (0.03, 0.348), (neck + 0.004, 0.285), (neck + 0.022, 0.315), (0.078, 0.418)
    )
    rim = soft(np.abs(flap + 0.004) - 0.001, 0.004, view.px)
    cloth = lit(mix(shirt, rgb(1, 1, 1), 0.25), shade * (1 - 0.25 * rim))
    canvas.shade(view, 1 - 0.22 * cover(flap - 0.008, max(0.012, view.px)))
    canvas.blend(view, cover(flap, view.px), cloth)


def _paint_necktie(
    canvas: Canvas, view: View, latents: Any, shade: np.ndarray, collar: bool, neck: float
) -> None:
    wide = 0.045 + 0.012 * latents.tie_width
    side = np.abs(view.x)
    knot = polygon(side, view.y, (-1, 0.330), (0.036, 0.330), (0.023, 0.382), (-1, 0.382))
    blade = polygon(side, view.y, (-1, 0.378), (0.022, 0.378), (wide + 0.02, 0.58), (-1, 0.58))
    distance = np.minimum(knot, blade)
    if not collar:
        band = stroke(side, view.y, (0.0, 0.345), (neck + 0.01, 0.31)) - 0.012
        distance = np.minimum(distance, band)
    colour = _tie_cloth(view, latents) * shade
    colour *= 1 - 0.35 * bump(view.x, view.y - 0.385, 0.03, 0.006)
    colour *= 1.12 - 5 * np.abs(view.x - (math.copysign(0.008, latents.light_azimuth)))
    canvas.blend(view, cover(distance, view.px), colour, BIT["Wearing_Necktie"])


def _tie_cloth(view: View, latents: Any) -> np.ndarray:
    first = hsv(latents.tie_hue, latents.tie_saturation, latents.tie_value)
    second = hsv(latents.tie_hue + 0.08, 0.3 * latents.tie_saturation, 0.95)
    pattern = TIE_PATTERNS[latents.tie_pattern]
    if pattern == "stripes":
        share = cover(np.abs((view.x + view.y) % 0.036 - 0.018) - 0.005, view.px)
    elif pattern == "dots":
        u, v = (view.x + view.y) % 0.028, (view.x - view.y) % 0.028
        share = cover(length(u - 0.014, v - 0.014) - 0.0055, view.px)
    else:
        share = np.zeros_like(view.x)
    return first[:, None, None] + share * (second - first)[:, None, None]


def _paint_open_front(
    canvas: Canvas,
    view: View,
    latents: Any,
    garment: str,
    torso: np.ndarray,
    base: np.ndarray,
    shade: np.ndarray,
) -> None:
    """Sweater or jacket over the shirt, open in a V."""
    bottom = 0.465 if garment == "v_sweater" else 0.50
    side = np.abs(view.x)
    opening = polygon(side, view.y, (-1, 0.2), (0.125, 0.30), (0.0, bottom), (-1, bottom))
    distance = np.maximum(torso - 0.008, -opening)
    shadow = cover(-opening - 0.008, 0.014) * cover(torso, view.px)
    canvas.shade(view, 1 - 0.2 * shadow)
    _paint_cloth(canvas, view, distance, base, shade)
    if garment == "v_sweater":
        ribs = np.maximum(np.abs(opening - 0.010) - 0.010, torso)
        canvas.shade(view, 1 - 0.25 * cover(ribs, view.px))
        return
    lapel = polygon(
        side, view.y, (0.115, 0.31), (0.165, 0.345), (0.175, 0.405), (0.0, 0.53), (-0.05, 0.53)
    )
    notch = stroke(side, view.y, (0.118, 0.375), (0.172, 0.375))
    lines = soft(np.minimum(np.abs(lapel), notch) - 0.002, 0.004, view.px)
    dark = 0.45 * lines + 0.15 * cover(lapel, view.px)
    canvas.shade(view, 1 - dark * cover(-opening, view.px))
