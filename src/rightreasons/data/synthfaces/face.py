"""Head: skin, ears, eyes, brows, nose, mouth, beard, wrinkles, in the head's frame."""

from __future__ import annotations

from dataclasses import dataclass
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
    ramp,
    rgb,
    soft,
    stroke,
)
from rightreasons.data.synthfaces.latents import BEARDS
from rightreasons.data.synthfaces.light import Light

# The ten tones of the Monk scale (E. Monk, 2019), 0 to 255.
_MONK = np.array(
    (
        (246, 237, 228),
        (243, 231, 219),
        (247, 234, 208),
        (234, 218, 186),
        (215, 189, 150),
        (160, 126, 86),
        (130, 92, 67),
        (96, 65, 52),
        (58, 49, 42),
        (41, 36, 32),
    ),
    np.float32,
)
_BLOOD = rgb(0.78, 0.28, 0.24)
_BLACK = rgb(0.03, 0.02, 0.02)


def skin_colour(latents: Any) -> np.ndarray:
    """Colour of the skin in full light: the Monk swatch, a little warmer and jittered."""
    swatch = _MONK[int(latents.Skin_Tone) - 1] / 255
    warm = mix(swatch, _BLOOD * (0.35 + 0.75 * swatch[1]), 0.14 + 0.10 * latents.redness)
    return np.clip(0.93 * warm * latents.skin_value, 0.05, 1).astype(np.float32)


@dataclass(frozen=True)
class Shape:
    """Lengths of a face; perceived gender moves the means of some."""

    width: float
    chin: float
    square: float
    eye_x: float
    mouth_y: float
    nose_y: float

    @classmethod
    def of(cls, latents: Any) -> Shape:
        """Return the lengths of one portrait's face."""
        male = float(latents.Male)
        return cls(
            width=0.168 + 0.006 * male + 0.006 * latents.face_width,
            chin=0.268 + 0.012 * male + 0.007 * latents.chin,
            square=float(np.clip(0.18 + 0.42 * male + 0.16 * latents.jaw, 0, 1)),
            eye_x=0.078 + 0.003 * latents.eye_spacing,
            mouth_y=0.168 + 0.004 * male + 0.002 * latents.chin,
            nose_y=0.094 + 0.004 * latents.nose_length + 0.003 * male,
        )


def turned(view: View, latents: Any) -> View:
    """Return the view with features moved as by a slight turn of a round head."""
    depth = np.maximum(1 - (view.x * view.x + 0.4 * view.y * view.y) * 28, 0)
    return view.moved(
        view.x - 0.022 * latents.yaw * depth,
        view.y - 0.012 * latents.pitch * depth,
    )


def paint_ears(canvas: Canvas, frame: Frame, latents: Any, light: Light, skin: np.ndarray) -> None:
    """Paint both ears, behind the face."""
    width = Shape.of(latents).width
    view = frame.view(-0.24, -0.06, 0.24, 0.12)
    side = np.abs(view.x) - (width + 0.006) - 0.012 * latents.yaw * np.sign(view.x)
    height = view.y - 0.022
    lean = side - 0.12 * -height
    distance = ellipse(lean, height, 0.021, 0.052)
    shade = light.on_round(view.x * 4.2, height * 4)
    hollow = bump(lean + 0.002, height, 0.008, 0.024)
    colour = lit(mix(skin, _BLOOD * skin[1], 0.18), shade * (1 - 0.4 * hollow))
    canvas.blend(view, cover(distance, view.px), colour)


def paint_face(canvas: Canvas, frame: Frame, latents: Any, light: Light, skin: np.ndarray) -> None:
    """Paint the face in front of neck and ears, without glasses and hair."""
    shape = Shape.of(latents)
    view = frame.view(-0.2, -0.32, 0.2, 0.31)
    inner = turned(view, latents)
    outline = _outline(view, shape)
    shade = light.on_height(_relief(view, inner, latents, shape), view.px)
    shade *= 1 - 0.10 * cover(-outline - 0.02, 0.05)
    canvas.blend(view, cover(outline, view.px), _skin_tones(inner, latents, shape, skin, shade))
    _paint_age(canvas, inner, latents, shape)
    _paint_nose(canvas, frame.crop(inner, -0.09, 0.05, 0.09, 0.16), latents, shape)
    if latents.Male:
        _paint_beard(canvas, inner, outline, latents, shape)
    _paint_eyes(canvas, frame.crop(inner, -0.16, -0.05, 0.16, 0.05), latents, shape, skin)
    _paint_brows(canvas, frame.crop(inner, -0.17, -0.09, 0.17, -0.01), latents, shape)
    _paint_mouth(canvas, frame.crop(inner, -0.12, 0.11, 0.12, 0.24), latents, shape, skin)


def _outline(view: View, shape: Shape) -> np.ndarray:
    """Distance from the skull above and the jaw below, oval to square."""
    above = (round_square(view.x / shape.width, view.y * (1 / 0.28)) - 1) * (shape.width)
    down = np.maximum(view.y, 0) * (1 / shape.chin)
    taper = 1 - (0.10 * (1 - shape.square)) * down * down
    u = view.x / (shape.width * taper)
    u *= u
    v = down * down
    oval = np.sqrt(u + v)
    square = np.sqrt(np.sqrt(u * u + v * v))
    norm = oval + (0.8 * shape.square + 0.1) * (square - oval)
    return np.where(view.y < 0, above, (norm - 1) * shape.width)


def round_square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Norm of (u, v) between Euclid's and the fourth: outlines of a skull."""
    u, v = u * u, v * v
    oval = np.sqrt(u + v)
    return oval + 0.45 * (np.sqrt(np.sqrt(u * u + v * v)) - oval)


def _relief(view: View, inner: View, latents: Any, shape: Shape) -> np.ndarray:
    """Height of the face towards the viewer."""
    smile, male = latents.smile, float(latents.Male)
    x, y, side = inner.x, inner.y, np.abs(inner.x)
    u, v = view.x * (1 / 0.205), view.y * (1 / 0.335)
    height = 0.15 * np.sqrt(np.maximum(1 - u * u - v * v, 0.05))
    wide = 0.014 + 0.002 * latents.nose_width
    ridge = bump(x, np.zeros_like(y), 1.5 * wide, 1.0)
    height += (
        0.027
        * ridge
        * ramp(y, -0.05, shape.nose_y)
        * (1 - ramp(y, shape.nose_y, shape.nose_y + 0.028))
    )
    height += 0.012 * bump(x, y - shape.nose_y, wide, 0.014)
    wing = bump(side - 1.6 * wide, y - (shape.nose_y + 0.008), 0.010, 0.010)
    height += 0.010 * wing
    height -= 0.013 * bump(side - (shape.eye_x - 0.006), y + 0.004, 0.034, 0.02)
    height += (0.006 + 0.005 * male) * bump(side - 0.07, y + 0.055, 0.04, 0.013)
    cheek_y = 0.085 - 0.018 * smile
    height += (0.007 + 0.018 * smile) * bump(side - 0.090, y - cheek_y, 0.042, 0.036)
    height += 0.010 * bump(x, y - shape.mouth_y, 0.045, 0.024)
    height -= 0.007 * bump(x, y - (shape.mouth_y + 0.042), 0.024, 0.008)
    height += 0.012 * bump(x, y - (shape.chin - 0.035), 0.026, 0.02)
    return height


def _skin_tones(
    view: View, latents: Any, shape: Shape, skin: np.ndarray, shade: np.ndarray
) -> np.ndarray:
    """Shaded skin: shadows are redder, cheeks and nose have more blood."""
    side = np.abs(view.x)
    blush = bump(side - 0.095, view.y - 0.085, 0.035, 0.03)
    blush += bump(view.x, view.y - shape.nose_y, 0.022, 0.02)
    strength = 0.08 + 0.12 * latents.redness + 0.08 * latents.makeup * (1 - latents.Male)
    blush *= strength
    dark = shade - 1
    colour = np.empty((3, *shade.shape), np.float32)
    blood = _BLOOD * (0.35 + 0.75 * skin[1])
    for k, gain in enumerate((0.86, 1.0, 1.08)):
        base = skin[k] + blush * (blood[k] - skin[k])
        colour[k] = base * (1 + gain * dark)
    gloss = np.maximum(shade - 1.06, 0)
    colour += 0.5 * gloss
    return colour


def _paint_nose(canvas: Canvas, view: View, latents: Any, shape: Shape) -> None:
    wide = 0.014 + 0.002 * latents.nose_width
    side, down = np.abs(view.x), view.y - shape.nose_y
    nostril = bump(side - 0.95 * wide, down - 0.017, 0.0065, 0.0042)
    under = bump(view.x, down - 0.024, 1.6 * wide, 0.007)
    crease = bump(side - 2.25 * wide, down - 0.008, 0.004, 0.011)
    canvas.shade(
        view,
        1 - 0.62 * nostril - 0.22 * under - 0.18 * crease,
    )


def _paint_age(canvas: Canvas, view: View, latents: Any, shape: Shape) -> None:
    """Folds from nose to mouth (smiles deepen them), and wrinkles unless young."""
    side, smile = np.abs(view.x), latents.smile
    age = (1 - latents.Young) * latents.wrinkles
    wide = 0.030 + 0.004 * latents.nose_width
    corner = (0.064 + 0.028 * smile, shape.mouth_y - 0.004)
    fold = soft(stroke(side, view.y, (wide, shape.nose_y + 0.004), corner) - 0.001, 0.011, view.px)
    dark = (0.06 + 0.20 * smile + 0.22 * age) * fold
    if age > 0:
        bag = np.abs(ellipse(side - shape.eye_x, view.y - 0.004, 0.040, 0.030))
        dark += 0.24 * age * soft(bag - 0.001, 0.008, view.px) * (view.y > 0.012)
        waves = np.abs((view.y + 3 * view.x * view.x) % 0.028 - 0.014)
        brow = bump(view.x, view.y + 0.135, 0.06, 0.03)
        dark += 0.26 * age * brow * soft(waves - 0.001, 0.007, view.px)
        for drop in (-0.016, 0.0, 0.016):
            foot = stroke(side, view.y, (0.123, 0.4 * drop), (0.143, drop))
            dark += 0.2 * age * soft(foot - 0.001, 0.005, view.px)
    canvas.shade(view, 1 - dark)


def _paint_eyes(canvas: Canvas, view: View, latents: Any, shape: Shape, skin: np.ndarray) -> None:
    smile, male = latents.smile, float(latents.Male)
    lashes = (1 - male) * (0.4 + 0.6 * latents.makeup)
    half = 0.0345 + 0.0012 * latents.eye_size
    side = np.abs(view.x)
    t = (side - shape.eye_x) * (1 / half)
    arch = 1 - t * t
    tilt = (0.0016 * latents.eye_tilt + 0.001 * (1 - male)) * t
    upper = -(0.0155 + 0.0018 * latents.eye_size - 0.004 * smile) + 0.0015 * male
    lower = 0.0110 - 0.007 * smile
    v = view.y + tilt
    lid = upper * arch * (1 + 0.15 * t)
    inside = np.maximum(lid - v, v - lower * arch)
    inside = np.where(arch > 0, inside, 0.02)
    white = cover(inside, view.px)
    ball = 0.92 - 0.28 * np.abs(t) - 9 * np.maximum(0.008 + lid - v, 0)
    shadowed = mix(rgb(1.0, 0.97, 0.95), skin, 0.12)
    canvas.blend(view, white, lit(shadowed, np.clip(ball, 0.3, 1)))
    _paint_iris(canvas, view, latents, shape, white)
    line = np.abs(v - lid - 0.001) - (0.0022 + 0.0022 * lashes)
    line = np.maximum(line, np.abs(t) - 1.08)
    canvas.tint(view, (0.55 + 0.4 * lashes) * cover(line, view.px), _BLACK)
    under = np.abs(v - lower * arch) - 0.001
    crease = np.abs(v - (upper - 0.008) * (1 - 0.7 * t * t)) - 0.001
    dark = 0.35 * soft(np.maximum(under, np.abs(t) - 1), 0.005, view.px)
    dark += 0.35 * soft(np.maximum(crease, np.abs(t) - 1.1), 0.006, view.px)
    canvas.shade(view, 1 - dark)


def _paint_iris(canvas: Canvas, view: View, latents: Any, shape: Shape, white: np.ndarray) -> None:
    centre = 0.006 * latents.gaze * np.sign(view.x) + shape.eye_x
    u, v = np.abs(view.x) - centre, view.y + 0.003
    r = length(u, v)
    pale = latents.iris if latents.Skin_Tone <= 5 else 0.25 * latents.iris
    colour = mix(rgb(0.20, 0.11, 0.06), hsv(0.55 - 0.3 * latents.iris, 0.45, 0.6), pale)
    glow = np.clip(0.65 + 35 * (v + 0.2 * u), 0.45, 1.3)
    glow *= 1 - 0.95 * cover(r - 0.0062, view.px)
    canvas.tint(view, white * cover(r - 0.0135, view.px), lit(colour, glow))
    spark = length(view.x - np.sign(view.x) * centre + 0.004, v + 0.005)
    canvas.tint(view, 0.9 * white * cover(spark - 0.003, view.px), rgb(1, 1, 1))


def _brow_colour(latents: Any) -> np.ndarray:
    brown = mix(rgb(0.10, 0.07, 0.05), rgb(0.42, 0.29, 0.18), latents.brow_dark)
    if latents.Skin_Tone > 5:
        brown = mix(brown, rgb(0.06, 0.045, 0.04), 0.7)
    grey = 0.7 * (1 - latents.Young) * latents.grey
    return mix(brown, rgb(0.62, 0.61, 0.60), grey)


def _paint_brows(canvas: Canvas, view: View, latents: Any, shape: Shape) -> None:
    male = float(latents.Male)
    t = (np.abs(view.x) - (shape.eye_x + 0.004)) * (1 / 0.046)
    arch = 0.006 + 0.003 * latents.brow_arch - 0.004 * male
    centre = (-0.044 + 0.003 * male) - arch * (1 - (t - 0.3) ** 2)
    thick = 0.0062 + 0.0035 * male + 0.0013 * latents.brow_thickness
    taper = thick * np.sqrt(np.clip(1.05 - 0.75 * t, 0.05, 1.1))
    distance = np.maximum(np.abs(view.y - centre) - taper, (np.abs(t) - 1) * 0.046)
    hairs = 0.85 + 0.15 * np.sin(view.x * 700 + view.y * 500)
    strength = (0.72 + 0.12 * male) * hairs
    canvas.tint(view, strength * cover(distance, 0.5 * view.px + 0.006), _brow_colour(latents))


def _paint_beard(
    canvas: Canvas, view: View, outline: np.ndarray, latents: Any, shape: Shape
) -> None:
    kind = BEARDS[latents.beard]
    side = np.abs(view.x)
    reach = length(view.x * 1.25, (view.y - 0.055))
    jaw = ramp(reach, 0.130, 0.175) * ramp(view.y, 0.0, 0.08)
    lip = view.y - (shape.mouth_y - 0.030)
    moustache = cover(np.abs(lip - side * 0.35) - 0.013, 0.012) * ramp(-side, -0.075, -0.055)
    chin = bump(view.x, view.y - (shape.chin - 0.032), 0.030, 0.028)
    goatee = np.clip(2.2 * chin, 0, 1)
    parts = {
        "none": 0.12 * np.maximum(jaw, moustache),
        "stubble": 0.42 * np.maximum(jaw, moustache),
        "moustache": 0.88 * moustache,
        "goatee": 0.88 * np.maximum(moustache, goatee),
        "full": 0.92 * np.maximum(np.maximum(jaw, moustache), goatee),
    }
    hairs = 0.9 + 0.1 * np.sin(view.x * 420) * np.sin(view.y * 380)
    coverage = parts[kind].astype(np.float32) * hairs * cover(outline, view.px)
    canvas.tint(view, coverage, _brow_colour(latents))


def _paint_mouth(canvas: Canvas, view: View, latents: Any, shape: Shape, skin: np.ndarray) -> None:
    smile, male = latents.smile, float(latents.Male)
    half = 0.060 + 0.003 * latents.mouth_width + 0.038 * smile
    t = np.clip(view.x * (1 / half), -1.3, 1.3)
    arch = 1 - t * t
    lift = -0.016 + 0.050 * smile + 0.004 * latents.mouth_rest
    line = (shape.mouth_y + 0.5 * lift) - lift * (1 - arch)
    gap = 0.009 * max(0.0, latents.mouth_open)
    gap += 0.075 * max(0.0, smile - 0.42 + 0.1 * latents.mouth_open)
    full = 0.0150 + 0.0018 * latents.lips - 0.0015 * male
    bow = 1 - 0.35 * bump(view.x, np.zeros_like(t), 0.006, 1.0)
    top = line - 0.35 * gap * arch - 0.85 * full * arch * bow
    bottom = line + (0.65 * gap + 1.25 * full - 0.002 * smile) * arch * (1 + 0.2 * arch)
    lips = np.maximum(np.maximum(top - view.y, view.y - bottom), (np.abs(t) - 1) * half)
    paint = latents.makeup * (1 - male)
    red = mix(
        mix(skin, _BLOOD * (0.3 + 0.7 * skin[1]), 0.45), rgb(0.70, 0.12, 0.18), 0.75 * paint**2
    )
    low = view.y - line
    shade = np.where(low < 0, 0.82, 1.02) - 6 * np.abs(low - 0.008)
    canvas.blend(view, cover(lips, view.px), lit(red, np.clip(shade, 0.6, 1.1)), BIT["Mouth"])
    _paint_mouth_line(canvas, view, line, arch, gap, half, t)


def _paint_mouth_line(
    canvas: Canvas,
    view: View,
    line: np.ndarray,
    arch: np.ndarray,
    gap: float,
    half: float,
    t: np.ndarray,
) -> None:
    """Paint the dark between the lips, with the upper teeth where the gap is wide."""
    above, below = line - 0.35 * gap * arch, line + 0.65 * gap * arch
    ends = (np.abs(t) - 0.97) * half
    opening = np.maximum(np.maximum(above - view.y, view.y - below) - 0.0014, ends)
    canvas.tint(view, 0.85 * cover(opening, view.px), rgb(0.22, 0.06, 0.07))
    if gap > 0.004:
        row = view.y - above - min(0.72 * gap, 0.022) * arch
        teeth = np.maximum(np.maximum(above - view.y, row), (np.abs(t) - 0.85) * half)
        ivory = rgb(0.95, 0.93, 0.88)
        tooth = 1 - 0.25 * t * t
        tooth -= 0.10 * cover(np.abs(view.x % 0.012 - 0.006) - 0.0008, view.px)
        canvas.tint(view, cover(teeth, view.px), lit(ivory, tooth))
