"""Drawn accessories: stamps that do what the painter would do, and where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rightreasons.artifacts import ARTIFACTS, Stamp
from rightreasons.artifacts._drawn import FAINTEST
from rightreasons.artifacts.injected import inject, lay
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen
from rightreasons.data.synthfaces.body import paint_necktie
from rightreasons.data.synthfaces.canvas import Canvas, Frame
from rightreasons.data.synthfaces.headwear import paint_glasses, paint_hat
from rightreasons.data.synthfaces.latents import sample_latents
from rightreasons.data.synthfaces.light import Light

SIZE = 48
LOOKS = 12
WHITE = np.ones((3, SIZE, SIZE))
#: Painter, the head's size and how far below the eyes its frame lies.
PAINTERS: dict[str, tuple[Callable[..., None], float, float]] = {
    "glasses": (
        lambda canvas, frame, look, light: paint_glasses(canvas, frame, look, False),
        1.14,
        0.0,
    ),
    "hat": (paint_hat, 1.2, 0.045),
    "necktie": (paint_necktie, 1.12, 0.0),
}


def made(kind: str, size: int = SIZE, **given: Any) -> tuple[Stamp, ...]:
    component = ARTIFACTS[kind]
    stamps: tuple[Stamp, ...] = component.run(
        size, component.params(**{"variants": LOOKS, **given})
    )
    return stamps


def middle(kind: str, **given: Any) -> tuple[float, float]:
    """Return the middle (x, y) of the mean mask, as fractions of the image."""
    masks = inject(
        np.zeros((300, SIZE, SIZE, 3), np.uint8), Chosen.of("a", {"kind": kind, **given})
    )
    y, x = np.nonzero(masks.masks(np.arange(300)).any(axis=0))
    return (x.min() + x.max() + 1) / 2 / SIZE, (y.min() + y.max() + 1) / 2 / SIZE


@pytest.mark.parametrize("kind", PAINTERS)
def test_a_stamp_is_what_the_painter_paints_over_any_picture(kind: str) -> None:
    painter, unit, below = PAINTERS[kind]
    picture = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    looks = sample_latents(LOOKS, 0).itertuples(index=False)
    for stamp, look in zip(made(kind), looks, strict=True):
        row: Any = look  # a named tuple of columns
        origin = (0.5 + row.shift_x, 0.51 + below + row.shift_y)
        frame, light = Frame(SIZE, origin, row.roll, unit * row.scale), Light(row)
        over_picture, over_white = Canvas(picture.transpose(2, 0, 1) / 255), Canvas(WHITE.copy())
        for canvas in (over_picture, over_white):
            painter(canvas, frame, row, light)
        laid = picture.copy()
        lay(laid, stamp, stamp.y, stamp.x)
        wrong = np.abs(laid.transpose(2, 0, 1) - 255 * over_picture.rgb)
        # Half a grey level of rounding, and what is left out. Light brighter than white is cut off.
        assert wrong[over_white.rgb <= 1].max() <= 0.51 + 255 * FAINTEST
        assert (over_white.rgb > 1).mean() < 0.05


@pytest.mark.parametrize("kind", PAINTERS)
def test_looks_differ_and_a_smaller_bank_is_the_start_of_a_larger_one(kind: str) -> None:
    few, many = made(kind), made(kind, variants=LOOKS + 5)
    assert len(many) == LOOKS + 5
    for one, same in zip(few, many, strict=False):
        assert np.array_equal(one.alpha, same.alpha)
        assert np.array_equal(one.colour, same.colour)
    forms = {(one.alpha.tobytes(), one.x, one.y) for one in few}
    colours = {tuple(np.rint(one.colour[one.alpha > 0.5].mean(axis=0))) for one in few}
    assert len(forms) > LOOKS / 2
    assert len(colours) > LOOKS / 4


def test_they_lie_where_the_eyes_say() -> None:
    x, y = middle("glasses")
    assert (x, y) == pytest.approx((0.5, 0.51), abs=0.03)
    hat, tie = middle("hat"), middle("necktie")
    assert hat == pytest.approx((0.5, 0.2), abs=0.05)
    assert tie == pytest.approx((0.5, 0.92), abs=0.05)
    assert middle("glasses", eyes=[0.4, 0.3]) == pytest.approx((x - 0.1, y - 0.21), abs=0.02)


def test_scale_is_the_size_of_the_head() -> None:
    one = [stamp.alpha.shape for stamp in made("glasses", size=100)]
    two = [stamp.alpha.shape for stamp in made("glasses", size=100, scale=2.0)]
    ratio = np.array(two) / np.array(one)
    assert ratio.mean(axis=0) == pytest.approx([2, 2], rel=0.1)


def test_an_accessory_outside_the_image_is_refused() -> None:
    with pytest.raises(UserError, match=r"no visible pixel in images of 48 pixels.*`eyes`"):
        made("necktie", eyes=[0.5, 0.95])


def test_nothing_painted_leaves_nothing() -> None:
    from rightreasons.artifacts._drawn import _cut_out

    with pytest.raises(UserError, match="no visible pixel"):
        _cut_out(np.zeros((3, 9, 9)), np.ones((3, 9, 9)))
    black, white = np.zeros((3, 9, 9)), np.ones((3, 9, 9))
    black[:, 4, 2:5], white[:, 4, 2:5] = 0.1, 0.6  # alpha 0.5 of colour 0.2
    stamp = _cut_out(black, white)
    assert (stamp.x, stamp.y, stamp.alpha.shape) == (2, 4, (1, 3))
    assert stamp.alpha == pytest.approx(np.full((1, 3), 0.5))
    assert stamp.colour == pytest.approx(np.full((1, 3, 3), 51.0))
