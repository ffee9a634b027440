"""Injected artifacts: overlays, exact masks, pools whose images exist twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.artifacts import Stamp
from rightreasons.artifacts.injected import (
    Injected,
    Switched,
    both_versions,
    inject,
    lay,
    open_images,
    open_twins,
)
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen

SIZE = 40


def images(n: int = 5, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (n, size, size, 3)).astype(np.uint8)


def test_a_stamp_is_blended_as_the_formula_says() -> None:
    image = images(1)[0]
    alpha = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    stamp = Stamp(alpha, np.array([255, 0, 100], np.float32), x=3, y=7)
    expected = image.copy()
    for i in range(2):
        for j in range(2):
            for c, colour in enumerate((255, 0, 100)):
                a = float(alpha[i, j])
                expected[7 + i, 3 + j, c] = round(
                    (1 - a) * float(image[7 + i, 3 + j, c]) + a * colour
                )
    lay(image, stamp, stamp.y, stamp.x)
    assert np.array_equal(image, expected)


def test_jitter_moves_within_reach_and_stays_inside() -> None:
    pool = np.zeros((300, SIZE, SIZE, 3), np.uint8)
    position = [0.0, 0.5, 0.25, 0.75]
    still = inject(pool, Chosen.of("p", {"kind": "patch", "position": position}))
    assert (still.corners == [20, 0]).all()
    moved = inject(
        pool, Chosen.of("p", {"kind": "patch", "position": position, "jitter": 0.1})
    ).corners
    assert moved[:, 1].min() == 0
    assert moved[:, 1].max() == 4
    assert (moved[:, 0].min(), moved[:, 0].max()) == (16, 24)


def test_slices_and_single_sides_of_the_pool() -> None:
    injected = inject(images(), Chosen.of("w", {"kind": "watermark"}))
    assert len(injected) == 10
    assert injected.shape == (10, SIZE, SIZE, 3)
    assert np.array_equal(injected[3:7], injected[np.arange(3, 7)])
    twins = Switched(injected)
    assert np.array_equal(twins[np.array([0, 6])], injected[np.array([5, 1])])


def test_open_images_and_twins(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images())
    plain = open_images(tmp_path / "images.npy")
    assert open_twins(plain, None) is None
    injected = open_images(tmp_path / "images.npy", Chosen.of("t", {"kind": "tint"}))
    assert isinstance(injected, Injected)
    assert isinstance(open_twins(injected, None), Switched)
    assert np.array_equal(open_twins(plain, tmp_path / "images.npy"), plain)


def test_a_tint_has_no_place_and_a_frame_leaves_the_middle() -> None:
    pool = images(1)
    assert inject(pool, Chosen.of("t", {"kind": "tint"})).masks(np.array([0])).all()
    frame = inject(pool, Chosen.of("f", {"kind": "frame", "width": 0.1})).masks(np.array([0]))[0]
    assert not frame[4:-4, 4:-4].any()
    assert frame[:4].all()
    assert frame[:, -4:].all()


def test_a_logo_keeps_its_transparency(tmp_path: Path) -> None:
    from PIL import Image

    logo = np.zeros((8, 8, 4), np.uint8)
    logo[:, :4] = [10, 200, 30, 255]
    Image.fromarray(logo).save(tmp_path / "logo.png")
    place = [0.0, 0.0, 0.2, 0.2]
    given = {"logo": str(tmp_path / "logo.png"), "position": place, "opacity": 1.0}
    artifact = Chosen.of("w", {"kind": "watermark", **given})
    injected = inject(np.full((1, SIZE, SIZE, 3), 90, np.uint8), artifact)
    image = injected[np.array([1])][0]
    assert image[2, 0].tolist() == [10, 200, 30]
    assert image[2, 7].tolist() == [90, 90, 90]


def test_a_logo_that_cannot_be_read_and_one_that_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_text("no image")
    with pytest.raises(UserError, match=r"logo .*logo\.png cannot be read"):
        inject(images(), Chosen.of("w", {"kind": "watermark", "logo": str(tmp_path / "logo.png")}))
    with pytest.raises(UserError, match="no visible pixel"):
        inject(images(), Chosen.of("w", {"kind": "watermark", "text": " "}))


def test_both_versions_share_an_identity_and_nothing_else_changes() -> None:
    index = pd.DataFrame(
        {
            "row": [0, 1],
            "image_id": ["a", "b"],
            "identity": ["x", None],
            "Smiling": np.array([0, 1], np.int8),
        }
    )
    both = both_versions(index, "mark")
    assert both["row"].tolist() == [0, 1, 2, 3]
    assert both["image_id"].tolist() == ["a", "b", "a+mark", "b+mark"]
    assert both["identity"].tolist() == ["x", "image b", "x", "image b"]
    assert both["mark"].tolist() == [0, 0, 1, 1]
    assert both["Smiling"].tolist() == [0, 1, 0, 1]
    with pytest.raises(UserError, match="has an attribute 'Smiling' already"):
        both_versions(index, "Smiling")


def test_each_image_gets_one_of_several_stamps() -> None:
    pool = np.full((200, SIZE, SIZE, 3), 90, np.uint8)
    small = Stamp(np.full((2, 3), 0.5, np.float32), np.array([10, 20, 30], np.float32), x=4, y=5)
    large = Stamp(np.ones((6, 8), np.float32), np.array([200, 0, 0], np.float32), x=30, y=34)
    injected = Injected(pool, [small, large], "mark")
    rows = np.arange(200, 400)
    images, masks = injected[rows], injected.masks(rows)
    got_large = images[:, 39, 37, 0] == 200
    assert 60 < got_large.sum() < 140
    for image, mask, large_one in zip(images, masks, got_large, strict=True):
        expected = np.zeros((SIZE, SIZE), bool)
        if large_one:
            expected[34:40, 30:38] = True
            assert (image[expected] == [200, 0, 0]).all()
        else:
            expected[5:7, 4:7] = True
            assert (image[expected] == [50, 55, 60]).all()
        assert np.array_equal(mask, expected)
        assert (image[~expected] == 90).all()
    other = Injected(pool, [small, large], "another name")
    assert not np.array_equal(other.variants, injected.variants)
