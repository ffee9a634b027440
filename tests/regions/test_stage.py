"""The stage `region`: labels and their split, and how maps meet a known region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.regions.map_index import how_often, index_maps
from rightreasons.regions.params import RegionParams
from rightreasons.regions.rois import Masks, rectangle_mask, task_roi
from rightreasons.regions.stage import Labels, labels

PARAMS = RegionParams(patch=4, positions=9)


def pool_index(n: int = 400, rare: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "image_id": [f"i{k}" for k in range(n)],
            "identity": [f"p{k // 4}" if k < 200 else None for k in range(n)],
            "Hat": (rng.random(n) < rare).astype(np.int8),
        }
    )


def test_identities_stay_together_and_classes_are_equally_often() -> None:
    index = pool_index()
    data = labels(index, "Hat", PARAMS, seed=0)
    assert not set(data.train) & set(data.validation)
    people = [set(index["identity"].iloc[r].dropna()) for r in (data.train, data.validation)]
    assert people[0]
    assert not people[0] & people[1]
    for rows in (data.train, data.validation):
        assert len(set(np.bincount(data.codes[rows]))) == 1
    assert len(set(data.validation)) == len(data.validation)
    assert data.chance == 0.5
    assert (data.codes == index["Hat"]).all()


def test_without_balance_all_images_are_used_once() -> None:
    params = RegionParams(patch=4, positions=9, balance=False, validation=0.25)
    data = labels(pool_index(), "Hat", params, seed=0)
    assert sorted([*data.train, *data.validation]) == list(range(400))
    assert len(data.validation) == pytest.approx(100, abs=4)
    assert data.chance > 0.8
    few = labels(
        pool_index(), "Hat", RegionParams(patch=4, positions=9, balance=False, max_images=50), 0
    )
    assert len(few.train) == 50


def test_a_coin_flip_is_a_label_of_its_own() -> None:
    one, same, other = (labels(pool_index(), "coin_flip", PARAMS, s) for s in (0, 0, 1))
    assert (one.codes == same.codes).all()
    assert (one.codes != other.codes).any()
    assert 0.4 < one.codes.mean() < 0.6
    assert one.names == ["heads", "tails"]


def test_an_attribute_that_all_share_is_refused() -> None:
    index = pool_index().assign(Hat=np.int8(1))
    with pytest.raises(UserError, match="Hat"):
        labels(index, "Hat", PARAMS, seed=0)


def _data(n: int) -> Labels:
    none = np.arange(0)
    return Labels(np.zeros(n, np.int64), ["a", "b"], none, none, [f"i{k}" for k in range(n)])


def test_maps_are_compared_with_masks_pixel_by_pixel() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.random((5, 3, 3)).astype(np.float16)
    masks = rng.random((5, 12, 12)) < 0.3
    masks[3] = False
    table = index_maps(
        confidence, confidence.mean(0), masks, _data(5), PARAMS, size=12, quantile=0.8
    )
    assert table["kind"].tolist() == ["mean"] + ["image"] * 5
    assert table["image_id"].tolist()[1:] == [f"i{k}" for k in range(5)]
    for k, row in enumerate(table.iloc[1:].to_dict("records")):
        pixels = _slow_map(confidence[k])
        if k == 3:
            assert np.isnan([row["iou"], row["mask_share"], row["mask_mass"]]).all()
            continue
        top = pixels > np.quantile(pixels, 0.8)
        assert row["iou"] == (top & masks[k]).sum() / (top | masks[k]).sum()
        assert row["mask_share"] == pytest.approx(masks[k].mean())
        assert row["mask_mass"] == pytest.approx(pixels[masks[k]].sum() / pixels.sum(), rel=1e-5)


def _slow_map(confidence: np.ndarray) -> np.ndarray:
    """Algorithm 1 on 3 x 3 patches of 4 pixels in an image of 12, then scaled to [0, 1]."""
    total, count = np.zeros((12, 12)), np.zeros((12, 12))
    for i in range(3):
        for j in range(3):
            total[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] += float(confidence[i, j])
            count[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] += 1
    pixels = total / count
    return (pixels - pixels.min()) / (pixels.max() - pixels.min())


def test_a_perfect_mean_map_covers_a_rectangle() -> None:
    confidence = np.zeros((2, 3, 3), np.float16)
    confidence[:, 0, 0] = 1
    known = [0, 0, 1 / 3, 1 / 3]
    table = index_maps(confidence, confidence.mean(0), known, _data(2), PARAMS, 12, quantile=0.5)
    assert table["iou"].tolist() == [1, 1, 1]
    assert table["mask_mass"].tolist() == [1, 1, 1]
    assert table["mask_share"].tolist() == pytest.approx([1 / 9] * 3)


def test_without_a_known_region_there_is_nothing_to_compare() -> None:
    confidence = np.zeros((2, 3, 3), np.float16)
    table = index_maps(confidence, confidence.mean(0), None, _data(2), PARAMS, 12, quantile=0.5)
    assert len(table) == 3
    assert "iou" not in table


def test_how_often_a_pixel_is_in_the_region_counts_images_that_have_one() -> None:
    masks = np.zeros((3, 4, 4), bool)
    masks[0, 0, 0] = masks[1, 0, 0] = masks[1, 1, 1] = True
    often = how_often(masks, 4)
    assert (often[0, 0], often[1, 1], often[2, 2]) == (1.0, 0.5, 0.0)
    assert (how_often([0, 0, 0.5, 1], 4) == rectangle_mask([0, 0, 0.5, 1], height=4, width=4)).all()


def test_an_attributions_top_is_every_images_roi(tmp_path: Path) -> None:
    confidence = np.zeros((7, 3, 3), np.float16)
    confidence[:, 2, 1] = 0.9
    np.save(tmp_path / "confidence.npy", confidence)
    (tmp_path / "region.json").write_text(
        '{"size": 12, "patch": 4, "positions": 9, "attribute": "Hat", "confidence": "maximum"}'
    )
    roi = {"attribution": {"attribute": "Hat", "quantile": 0.8}}
    none = np.zeros((0, 12, 12), np.uint8)
    masks = task_roi(roi, none, [], np.arange(5), (12, 12), tmp_path)
    assert masks.shape == (5, 12, 12)
    expected = np.zeros((12, 12), bool)
    expected[8:, 4:8] = True
    assert (masks == expected).all()
    np.save(tmp_path / "confidence.npy", confidence * 0)
    with pytest.raises(UserError, match="the same everywhere"):
        task_roi(roi, none, [], np.arange(5), (12, 12), tmp_path)


def test_masks_made_when_asked_for_give_the_same_numbers() -> None:
    rng = np.random.default_rng(0)
    confidence, known = rng.random((300, 3, 3)).astype(np.float16), rng.random((300, 12, 12)) < 0.2
    asked = []

    def made(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return known[rows]

    there, lazy = (
        index_maps(confidence, confidence.mean(0), k, _data(300), PARAMS, 12, quantile=0.5)
        for k in (known, Masks(300, made))
    )
    pd.testing.assert_frame_equal(lazy, there, check_exact=True)
    assert max(asked) < 300
