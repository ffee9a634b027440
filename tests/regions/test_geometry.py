"""Patch corners and Algorithm 1 against slow loops; normalisation and resizing of maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.regions.geometry import corners, grid_of, normalised, resized, spread


@st.composite
def _layouts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Image size, patch size, positions per side; also grids coarser than the patch."""
    size = draw(st.integers(4, 24))
    return size, draw(st.integers(1, size)), draw(st.integers(2, 9))


def algorithm_1(confidence: np.ndarray, size: int, patch: int) -> np.ndarray:
    """Spread each confidence over its patch's pixels, count, divide; one patch after the other."""
    total, count = np.zeros((size, size)), np.zeros((size, size))
    places = corners(size, patch, confidence.size)
    for value, (y, x) in zip(confidence.ravel(), places, strict=True):
        for i in range(patch):
            for j in range(patch):
                total[y + i, x + j] += value
                count[y + i, x + j] += 1
    covered = np.argwhere(count > 0)
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            near = covered[np.abs(covered - (i, j)).sum(axis=1).argmin()]
            result[i, j] = total[tuple(near)] / count[tuple(near)]
    return result


@settings(max_examples=60, deadline=None)
@given(_layouts(), st.integers(0, 2**32))
def test_spread_is_algorithm_1(layout: tuple[int, int, int], seed: int) -> None:
    size, patch, grid = layout
    confidence = np.random.default_rng(seed).uniform(0, 1, (2, grid, grid))
    got = spread(confidence, size, patch)
    assert got.shape == (2, size, size)
    assert got.dtype == np.float32
    for mine, values in zip(got, confidence, strict=True):
        np.testing.assert_allclose(mine, algorithm_1(values, size, patch), atol=2e-6)


@given(st.one_of(_layouts(), st.just((128, 32, 45))), st.sampled_from([0, 1e-3, 0.1, 0.73, 0.9, 1]))
def test_equal_confidences_spread_to_a_constant_that_normalises_to_zeros(
    layout: tuple[int, int, int], value: float
) -> None:
    size, patch, grid = layout
    got = spread(np.full((grid, grid), value), size, patch)
    np.testing.assert_allclose(got, value, rtol=2e-6)
    assert not normalised(got).any()


@given(_layouts())
def test_corners_begin_and_end_at_the_borders_row_by_row(layout: tuple[int, int, int]) -> None:
    size, patch, grid = layout
    places = corners(size, patch, grid * grid)
    assert places.shape == (grid * grid, 2)
    assert places.dtype == np.int64
    assert places[0].tolist() == [0, 0]
    assert places[grid - 1].tolist() == [0, size - patch]
    assert places[-1].tolist() == [size - patch, size - patch]
    for number, (y, x) in enumerate(places):
        row, column = divmod(number, grid)
        assert (y, x) == tuple(round(i * (size - patch) / (grid - 1)) for i in (row, column))


def test_the_published_grid_covers_every_pixel_of_the_image() -> None:
    count = np.zeros((128, 128), int)
    for y, x in corners(128, 32, 2025):
        count[y : y + 32, x : x + 32] += 1
    assert count.min() == 1
    assert count[-1, -1] == 1


def test_a_pixel_between_the_patches_takes_the_nearest_covered_ones_value() -> None:
    got = spread(np.array([[0.0, 1.0], [0.5, 0.25]]), size=7, patch=2)
    # Covered are 0, 1, 5, 6 of each axis; 3 is as near to 1 as to 5.
    np.testing.assert_allclose(got[0], [0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(got[:, 6], [1, 1, 1, 1, 0.25, 0.25, 0.25])


@pytest.mark.parametrize("positions", [-4, 0, 1, 2, 5, 2041])
def test_positions_must_fill_a_square(positions: int) -> None:
    with pytest.raises(UserError, match=f"positions = {positions} do not fill a square"):
        corners(128, 32, positions)


def test_the_papers_number_of_positions_is_corrected_to_the_nearest_square() -> None:
    with pytest.raises(UserError, match="the nearest is 2025"):
        grid_of(2041)
    assert grid_of(2025) == 45


@pytest.mark.parametrize("patch", [0, -1, 17])
def test_a_patch_fits_into_the_image(patch: int) -> None:
    with pytest.raises(UserError, match="must be between 1 and the image size, 16"):
        spread(np.ones((2, 2)), 16, patch)


@settings(deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(2, 7),
    st.sampled_from([1.0, 1e-4, 100.0]),
    st.integers(0, 2**32),
)
def test_normalised_maps_are_affine_with_range_0_to_1(
    n: int, height: int, width: int, scale: float, seed: int
) -> None:
    maps = np.random.default_rng(seed).normal(0, scale, (n, height, width))
    got = normalised(maps)
    assert got.dtype == np.float32
    for mine, values in zip(got, maps, strict=True):
        assert mine.min() == 0
        assert mine.max() == 1
        slow = (values - values.min()) / (values.max() - values.min())
        np.testing.assert_allclose(mine, slow, atol=1e-4)


def test_each_map_is_normalised_by_itself_and_one_without_contrast_is_zero() -> None:
    maps = np.stack([np.full((2, 3), 0.7), np.arange(6.0).reshape(2, 3)])
    got = normalised(maps)
    assert not got[0].any()
    np.testing.assert_allclose(got[1], np.arange(6).reshape(2, 3) / 5)
    assert np.isnan(normalised(np.array([[np.nan, 1.0]]))).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 2**32))
def test_resizing_is_bilinear(size: int, new: int, seed: int) -> None:
    maps = np.random.default_rng(seed).uniform(0, 1, (2, size, size)).astype(np.float32)
    wanted = F.interpolate(torch.from_numpy(maps)[None], (new, new), mode="bilinear")[0].numpy()
    np.testing.assert_allclose(resized(maps, new), wanted, atol=1e-5)
