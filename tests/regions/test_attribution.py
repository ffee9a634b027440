"""Attribution maps: stored and in memory, general and specific, and the top of a map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.regions import attribution as module
from rightreasons.regions.attribution import Attribution, top
from rightreasons.regions.geometry import normalised, resized, spread

SIZE, PATCH, GRID, N = 12, 4, 5, 30
META = {"size": SIZE, "patch": PATCH, "positions": GRID**2, "attribute": "Hat"}


def confidences(n: int = N) -> np.ndarray:
    return np.random.default_rng(n).uniform(0.5, 1, (n, GRID, GRID)).astype(np.float16)


def store(folder: Path, confidence: np.ndarray, mean: bool = True, **changed: Any) -> Path:
    np.save(folder / "confidence.npy", confidence)
    if mean:
        np.save(folder / "mean.npy", confidence.astype(np.float64).mean(0).astype(np.float32))
    meta = {**META, "confidence": "maximum", **changed}
    (folder / "region.json").write_text(json.dumps(meta))
    return folder


def test_a_stored_attribution_is_read_by_memory_map(tmp_path: Path) -> None:
    opened = Attribution.load(store(tmp_path, confidences()))
    assert isinstance(opened.confidence, np.memmap)
    assert len(opened) == N
    assert (opened.size, opened.patch) == (SIZE, PATCH)
    assert (opened.attribute, opened.kind) == ("Hat", "maximum")


def test_specific_maps_are_each_images_own() -> None:
    known = Attribution(confidences(), SIZE, PATCH)
    rows = np.array([7, 2, 2, 29])
    got = known.specific(rows)
    assert got.shape == (4, SIZE, SIZE)
    assert got.dtype == np.float32
    for row, mine in zip(rows, got, strict=True):
        alone = spread(known.confidence[row], SIZE, PATCH)
        slow = (alone - alone.min()) / (alone.max() - alone.min())
        np.testing.assert_allclose(mine, slow, atol=1e-5)


@pytest.mark.parametrize("mean", [True, False])
def test_the_general_map_is_that_of_the_mean_stored_or_not(
    tmp_path: Path, mean: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 7)
    values = confidences()
    got = Attribution.load(store(tmp_path, values, mean)).general()
    pixels = np.mean([spread(v, SIZE, PATCH) for v in values.astype(np.float64)], axis=0)
    np.testing.assert_allclose(got, normalised(pixels), atol=1e-4)


def test_maps_at_another_size_still_range_from_0_to_1() -> None:
    known = Attribution(confidences(), SIZE, PATCH)
    for got, own in (
        (known.general(size=30), known.general()),
        (known.specific(np.array([3]), size=30)[0], known.specific(np.array([3]))[0]),
    ):
        assert got.shape == (30, 30)
        assert (got.min(), got.max()) == (0, 1)
        np.testing.assert_allclose(got, normalised(resized(own, 30)), atol=1e-5)


def test_images_without_a_map_are_an_error() -> None:
    values = confidences()
    values[[4, 9]] = np.nan
    known = Attribution(values, SIZE, PATCH, "Hat")
    assert known.specific(np.array([3, 5])).shape == (2, SIZE, SIZE)
    with pytest.raises(UserError, match=r"2 of 3 images have no .* 'Hat', first row 9"):
        known.specific(np.array([3, 9, 4]))


@pytest.mark.parametrize("name", ["confidence.npy", "region.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (store(tmp_path, confidences()) / name).unlink()
    with pytest.raises(UserError, match=f"no {name}.*stage `region`"):
        Attribution.load(tmp_path)


@pytest.mark.parametrize("shape", [(N, GRID, GRID + 1), (GRID, GRID), (N, GRID**2)])
def test_confidences_of_another_grid_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    folder = store(tmp_path, np.zeros(shape, np.float16), mean=False)
    with pytest.raises(UserError, match=r"with 25 positions it must be \(images, 5, 5\)"):
        Attribution.load(folder)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_the_top_of_a_map_is_strictly_above_its_own_quantile(
    quantile: float, height: int, width: int, seed: int
) -> None:
    maps = np.random.default_rng(seed).integers(0, 5, (2, height, width)) / 4
    got = top(maps, quantile)
    assert got.shape == maps.shape
    assert got.dtype == bool
    for mine, values in zip(got, maps, strict=True):
        assert (mine == (values > np.quantile(values, quantile))).all()
        assert mine.mean() <= 1 - quantile + 1 / values.size + 1e-9
        if mine.any():
            assert values[mine].min() > values[~mine].max()


def test_quantile_07_is_the_highest_30_percent() -> None:
    values = np.random.default_rng(0).permutation(100).reshape(10, 10)
    assert (top(values, 0.7) == (values >= 70)).all()


def test_a_map_without_contrast_has_no_top() -> None:
    known = Attribution(np.full((3, GRID, GRID), 0.73, np.float16), SIZE, PATCH)
    for quantile in (0, 0.5, 1):
        assert not top(known.general(), quantile).any()
        assert not top(known.specific(np.arange(3)), quantile).any()
    assert not top(np.random.default_rng(0).uniform(size=(9, 9)), 1).any()


@pytest.mark.parametrize("quantile", [-0.1, 1.1, 80, float("nan")])
def test_a_quantile_is_a_share(quantile: float) -> None:
    with pytest.raises(UserError, match="must be between 0 and 1"):
        top(np.zeros((2, 2)), quantile)
