"""ROIs against pixel-by-pixel definitions, on images that are not square."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.regions.rois import (
    bit_masks,
    iou,
    pixel_rectangle,
    rectangle_mask,
    resize_nearest,
    widened,
)

NECKTIE = (0.22, 0.80, 0.75, 0.94)
fractions = st.floats(0, 1, allow_nan=False)


def test_x_is_a_column_and_y_is_a_row():
    mask = rectangle_mask((0.5, 0.0, 1.0, 0.25), height=4, width=10)
    assert mask.shape == (4, 10)
    expected = [[y == 0 and x >= 5 for x in range(10)] for y in range(4)]
    assert mask.tolist() == expected


def test_published_rectangle():
    box = pixel_rectangle(NECKTIE, height=224, width=224)
    assert (box.x0, box.y0, box.x1, box.y1) == (49, 179, 168, 211)
    assert (box.width, box.height, box.area) == (119, 32, 119 * 32)


def test_whole_image():
    assert rectangle_mask((0, 0, 1, 1), height=3, width=7).all()


@pytest.mark.parametrize(
    ("roi", "pixel"),
    [
        ((0.41, 0.41, 0.42, 0.42), (2, 4)),
        ((0.999, 0.999, 1, 1), (4, 9)),
        ((0, 0, 1e-9, 1e-9), (0, 0)),
    ],
)
def test_a_thin_roi_is_the_pixel_that_holds_it(roi, pixel):
    mask = rectangle_mask(roi, height=5, width=10)
    assert np.argwhere(mask).tolist() == [list(pixel)]


@given(
    st.tuples(fractions, fractions, fractions, fractions), st.integers(1, 40), st.integers(1, 40)
)
def test_rectangles_lie_in_the_image_and_are_never_empty(edges, height, width):
    x0, x1 = sorted(edges[:2])
    y0, y1 = sorted(edges[2:])
    if x0 == x1 or y0 == y1:
        return
    box = pixel_rectangle((x0, y0, x1, y1), height=height, width=width)
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height
    for pixel, exact, size in ((box.x0, x0, width), (box.y1, y1, height)):
        assert math.isclose(pixel, exact * size, abs_tol=1.0)


@pytest.mark.parametrize(
    "roi",
    [
        (-0.1, 0, 1, 1),
        (0, 0, 1.01, 1),
        (0.5, 0, 0.5, 1),
        (0, 0.8, 1, 0.2),
        (0, 0, 1),
        (49, 179, 168, 211),
    ],
)
def test_impossible_rectangles_are_refused(roi):
    with pytest.raises(UserError, match="ROI"):
        pixel_rectangle(roi, height=10, width=10)


def test_nan_edges_are_refused():
    with pytest.raises(UserError):
        pixel_rectangle((0, 0, float("nan"), 1), height=10, width=10)


def test_bits_are_told_apart():
    masks = np.array([[[1, 2, 3], [128, 0, 4]]], dtype=np.uint8)
    for bit in range(8):
        got = bit_masks(masks, bit=bit, height=2, width=3)
        want = [[[bool(int(v) >> bit & 1) for v in row] for row in masks[0]]]
        assert got.dtype == bool
        assert got.tolist() == want


def test_resizing_takes_the_nearest_pixel():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (2, 6, 9), dtype=np.uint8)
    for height, width in ((6, 9), (3, 18), (4, 5), (13, 2)):
        got = resize_nearest(image, height=height, width=width)
        for y in range(height):
            for x in range(width):
                source = image[:, int((y + 0.5) * 6 / height), int((x + 0.5) * 9 / width)]
                assert (got[:, y, x] == source).all()


def test_wrong_masks_are_refused():
    with pytest.raises(UserError, match="uint8"):
        bit_masks(np.zeros((2, 3, 3), dtype=bool), bit=0, height=3, width=3)
    with pytest.raises(UserError, match="0 to 7"):
        bit_masks(np.zeros((2, 3, 3), dtype=np.uint8), bit=8, height=3, width=3)


def test_iou_against_sets():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 20, 4, 7)) < 0.4
    got = iou(a, b)
    for k in range(20):
        one, other = ({tuple(p) for p in np.argwhere(m[k])} for m in (a, b))
        assert got[k] == pytest.approx(len(one & other) / len(one | other))


def test_iou_of_empty_masks_is_missing():
    empty, full = np.zeros((3, 4), dtype=bool), np.ones((3, 4), dtype=bool)
    assert np.isnan(iou(empty, empty))
    assert iou(full, empty) == 0
    assert iou(full, full) == 1
    with pytest.raises(UserError, match="sizes"):
        iou(full, full.T)


def test_a_wider_rectangle_stays_in_the_image():
    assert widened(NECKTIE, 0, (10, 20)) is NECKTIE
    assert widened([0.02, 0.5, 0.75, 0.98], 0.05, (10, 20)) == pytest.approx([0, 0.45, 0.8, 1])


@pytest.mark.parametrize("margin", [0.01, 0.1, 0.26])
def test_wider_masks_have_all_pixels_that_are_near(margin):
    masks = np.random.default_rng(0).random((3, 10, 20)) < 0.03
    masks[2] = False
    found = widened(masks, margin, (10, 20))
    rows, columns = (max(1, round(margin * side)) for side in (10, 20))
    for mask, wide in zip(masks, found, strict=True):
        slow = [
            [
                mask[max(y - rows, 0) : y + rows + 1, max(x - columns, 0) : x + columns + 1].any()
                for x in range(20)
            ]
            for y in range(10)
        ]
        assert wide.tolist() == slow
    assert found.dtype == bool
    assert not found[2].any()
