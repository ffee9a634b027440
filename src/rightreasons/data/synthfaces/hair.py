"""Hair: a layer behind neck and shoulders and one in front of face and ears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rightreasons.data.synthfaces.canvas import (
    BIT,
    Canvas,
    Frame,
    View,
    cover,
    ellipse,
    length,
    mix,
    ramp,
    rgb,
)
from rightreasons.data.synthfaces.face import Shape, round_square
from rightreasons.data.synthfaces.latents import HAIR_STYLES
from rightreasons.data.synthfaces.light import Light

# Below this line (head's frame) a hat leaves the hair free.
HAT_LINE = -0.185

_DARK = (
    rgb(0.055, 0.045, 0.045),
    rgb(0.11, 0.075, 0.055),
    rgb(0.21, 0.13, 0.085),
    rgb(0.31, 0.19, 0.11),
    rgb(0.40, 0.18, 0.09),
)
_BLOND = (rgb(0.72, 0.54, 0.27), rgb(0.84, 0.68, 0.38), rgb(0.92, 0.82, 0.58))
_GREY = rgb(0.66, 0.65, 0.64)


@dataclass(frozen=True)
class Style:
    """Lengths in the head's frame; `end` is how far down the hair reaches."""

    end: float
    top: float
    side: float
    wave: float = 0.0
    curl: float = 0.0
    bun: float = 0.0
    fringe: bool = False


_STYLES: dict[str, Style] = {
    "buzz": Style(end=0.015, top=0.012, side=0.006),
    "short": Style(end=0.030, top=0.030, side=0.012),
    "quiff": Style(end=0.020, top=0.058, side=0.008),
    "curly": Style(end=0.055, top=0.046, side=0.030, curl=0.012),
    "bob": Style(end=0.235, top=0.030, side=0.034, fringe=True),
    "long": Style(end=0.420, top=0.028, side=0.026, fringe=True),
    "wavy": Style(end=0.400, top=0.036, side=0.040, wave=0.012, fringe=True),
    "updo": Style(end=0.025, top=0.026, side=0.010, bun=0.068, fringe=True),
    "afro": Style(end=0.130, top=0.085, side=0.085, curl=0.014),
}


def hair_colour(latents: Any) -> np.ndarray:
    """Return the colour of the hair, float32 (3,)."""
    if latents.Blond_Hair:
        return _between(_BLOND, latents.blond_tone)
    # Dark skin mostly comes with dark hair.
    tone = latents.hair_tone if latents.Skin_Tone <= 5 else 0.35 * latents.hair_tone
    grey = np.clip(1.6 * latents.grey - 0.5, 0, 1) * (1 - latents.Young)
    return mix(_between(_DARK, tone), _GREY, float(grey))


def _jag(x: np.ndarray, phase: float, depth: float) -> np.ndarray:
    """Uneven ends of strands."""
    waves = np.sin(x * 290 + phase) + np.sin(x * 133 + 2 * phase)
    return (0.6 * depth) * waves


def _between(palette: tuple[np.ndarray, ...], position: float) -> np.ndarray:
    place = position * (len(palette) - 1)
    k = min(int(place), len(palette) - 2)
    return mix(palette[k], palette[k + 1], place - k)


class Hair:
    """The hair of one portrait; paint `back` first, `front` after the face."""

    def __init__(self, frame: Frame, latents: Any, light: Light) -> None:
        self.frame, self.latents, self.light = frame, latents, light
        self.shape, self.style = Shape.of(latents), _STYLES[HAIR_STYLES[latents.hair_style]]
        self.colour = hair_colour(latents)
        grow = 1 + 0.18 * latents.hair_volume
        self.top, self.side = self.style.top * grow, self.style.side * grow
        longer = 0.10 * (latents.hair_length - 0.5) if self.style.end > 0.2 else 0.0
        self.end = self.style.end + longer

    @property
    def covers_ears(self) -> bool:
        """Whether the hair hangs over the ears."""
        return self.end > 0.1

    def back(self, canvas: Canvas) -> None:
        """Hair behind neck and shoulders."""
        if self.style.bun and not self.latents.Wearing_Hat:
            self._bun(canvas)
        if not self.covers_ears:
            return
        view = self.frame.view(-0.36, -0.42, 0.36, self.end + 0.06)
        distance = np.maximum(self._mane(view), view.y - (self.end - 0.01))
        dim = self._strands(view) * 0.62
        self._paint(canvas, view, distance, dim)

    def front(self, canvas: Canvas) -> None:
        """Hair in front of the face: crown, fringe, sides."""
        view = self.frame.view(-0.36, -0.42, 0.36, self.end + 0.06)
        tips = view.y - self._tips(view)
        distance = np.maximum(np.maximum(self._mane(view), -self._opening(view)), tips)
        roots = 0.72 + 0.28 * ramp(np.abs(self._opening(view)), 0.0, 0.03)
        self._paint(canvas, view, distance, self._strands(view) * roots)

    def _paint(self, canvas: Canvas, view: View, distance: np.ndarray, shade: np.ndarray) -> None:
        coverage = cover(distance, view.px + 0.3 * self.style.curl)
        if self.latents.Wearing_Hat:
            coverage = coverage * ramp(view.y, HAT_LINE - 0.012, HAT_LINE)
        colour = self.colour[:, None, None] * shade
        colour += 0.16 * np.maximum(shade - 1.05, 0)
        canvas.blend(view, coverage, colour, BIT["Hair"])

    def _mane(self, view: View) -> np.ndarray:
        """Distance from the outline of all hair, tips aside."""
        latents, style = self.latents, self.style
        x, y = view.x, view.y
        if style.wave:
            x = x + style.wave * np.sin(y * 34 + latents.hair_phase) * ramp(y, -0.1, 0.1)
        down = np.maximum(y + 0.03, 0)
        flare = 0.14 if self.end > 0.2 else -0.05
        half = (self.shape.width + self.side) + flare * down * (1 - down)
        up = np.minimum(y + 0.03, 0) * (1 / (0.255 + self.top))
        u = x / half
        distance = (round_square(u, up) - 1) * half
        if style.curl:
            rough = np.sin(x * 70 + latents.hair_phase + 2 * np.sin(y * 41)) + np.sin(
                y * 83 + 2 * np.sin(x * 57)
            )
            distance = distance + 0.5 * style.curl * rough
        return distance

    def _opening(self, view: View) -> np.ndarray:
        """Distance from the part of the head that the front hair leaves free."""
        latents = self.latents
        part = 0.16 * latents.hair_part
        line = -0.178 - 0.007 * latents.hairline - (0.012 if latents.Male else 0.0)
        y = view.y - part * view.x
        centre = 0.03
        half = self.shape.width * (0.90 if self.covers_ears else 0.97)
        up = np.minimum(y - centre, 0) * (1 / (centre - line))
        u = view.x * (1 / half)
        u2 = u * u
        free = (np.sqrt(np.sqrt(u2 * u2 + up * up * up * up)) - 1) * half
        if self.style.fringe and latents.hair_fringe > 0.55:
            jag = _jag(view.x, latents.hair_phase, 0.0035)
            depth = -0.075 - 0.05 * (1 - latents.hair_fringe) / 0.45
            fringe = depth + 0.5 * part * view.x + jag - view.y
            free = np.maximum(free, fringe)
        return free

    def _tips(self, view: View) -> np.ndarray:
        jag = _jag(view.x, self.latents.hair_phase, 0.006)
        rounding = 0.5 * np.abs(view.x) if self.end > 0.3 else 0.0
        return (self.end + 0.04 * (self.end > 0.3)) + jag - rounding

    def _strands(self, view: View) -> np.ndarray:
        """Light on the hair: a round head, a sheen, and strands that run from the parting."""
        latents = self.latents
        x, y = view.x - 0.05 * latents.hair_part, view.y
        shade = self.light.on_round(view.x * 3.6, (y + 0.06) * 2.4)
        shade *= 0.95
        if self.style.curl:
            phase = latents.hair_phase
            return shade * (
                1
                + 0.12 * np.sin(x * 150 + phase + 3 * np.sin(y * 61))
                + 0.12 * np.sin(y * 170 + 3 * np.sin(x * 73))
            )
        along = x / (np.abs(y + 0.34) + 0.10)
        phase = latents.hair_phase
        streak = (
            np.sin(along * 47 + phase) + np.sin(along * 103 + 9 * y) + np.sin(along * 19 - phase)
        )
        sheen = ramp(y, -0.30, -0.24) * (1 - ramp(y, -0.24, -0.15))
        return shade * (1 + 0.075 * streak + 0.25 * sheen)

    def _bun(self, canvas: Canvas) -> None:
        view = self.frame.view(-0.1, -0.44, 0.1, -0.2)
        ball = ellipse(view.x, view.y + 0.335, self.style.bun, self.style.bun)
        scale = 1 / self.style.bun
        shade = self.light.on_round(view.x * scale, (view.y + 0.335) * scale)
        swirl = 1 + 0.12 * np.sin(length(view.x - 0.01, view.y + 0.32) * 260)
        self._paint(canvas, view, ball, shade * swirl)
