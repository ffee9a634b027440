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
    open_task,
)
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen
from rightreasons.learning.predictions import TaskImages

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


PATCH = Chosen.of("p", {"kind": "patch", "position": [0.1, 0.1, 0.4, 0.4], "jitter": 0.1})
OTHER = Chosen.of("o", {"kind": "patch", "position": [0.3, 0.3, 0.8, 0.7], "jitter": 0.2,
                        "opacity": 0.5})  # fmt: skip


def opened(folder: Path, split: pd.DataFrame, **what: Chosen | str) -> TaskImages:
    """Open five images and others that stand for their twins, with what is named."""
    np.save(folder / "images.npy", images())
    np.save(folder / "switched.npy", 255 - images())
    nothing = {"artifact": None, "watched": None, "twins": None, "watched_twins": None}
    files = {k: folder / v if isinstance(v, str) else v for k, v in what.items()}
    return open_task(folder / "images.npy", split, **{**nothing, **files})


def test_twins_of_tasks_that_watch_nothing(tmp_path: Path) -> None:
    split = pd.DataFrame({"row": [0, 1]})
    plain = opened(tmp_path, split)
    assert np.array_equal(plain.images, images())
    assert plain.twins is None
    assert plain.watched_twins is None
    injected = opened(tmp_path, split, artifact=PATCH)
    assert isinstance(injected.images, Injected)
    assert isinstance(injected.twins, Switched)
    files = opened(tmp_path, split, twins="switched.npy")
    assert np.array_equal(files.twins, 255 - images())


def by_hand(base: np.ndarray, image: int, *artifacts: Chosen) -> np.ndarray:
    """Return one image with artifacts laid over it one after the other, as each alone would be."""
    out = base[image].copy()
    for artifact in artifacts:
        alone = inject(images(), artifact)
        lay(out, alone.stamps[alone.variants[image]], *alone.corners[image])
    return out


def test_two_artifacts_and_the_twins_of_each(tmp_path: Path) -> None:
    """The watched one lies where it lay without the other, and each twin switches one alone."""
    carries = [0, 1, 1, 0, 1]
    split = pd.DataFrame({"row": [0, 6, 2, 8, 4], "watched": carries})
    pool = opened(tmp_path, split, artifact=PATCH, watched=OTHER)
    assert pool.images.shape == (10, SIZE, SIZE, 3)
    rows = np.arange(10)
    got = {name: getattr(pool, name)[rows] for name in ("images", "twins", "watched_twins")}
    for row in rows:
        image, has = row % 5, int(row >= 5)
        watched = [OTHER] * carries[image]
        other = [OTHER] * (1 - carries[image])
        protected, switched = [PATCH] * has, [PATCH] * (1 - has)
        base = images()
        assert np.array_equal(got["images"][row], by_hand(base, image, *watched, *protected))
        assert np.array_equal(got["twins"][row], by_hand(base, image, *watched, *switched))
        assert np.array_equal(got["watched_twins"][row], by_hand(base, image, *other, *protected))
    places = inject(images(), OTHER).masks(rows)
    changed = (got["images"] != got["watched_twins"]).any(axis=-1)
    assert changed.any(axis=(1, 2)).all()
    assert not (changed & ~places).any()
    assert np.array_equal(pool.images.masks(rows), inject(images(), PATCH).masks(rows))


def test_images_beyond_the_split_carry_nothing(tmp_path: Path) -> None:
    pool = opened(tmp_path, pd.DataFrame({"row": [3], "watched": [1]}), watched=OTHER)
    assert np.array_equal(pool.images[np.array([0, 1, 2, 4])], images()[[0, 1, 2, 4]])
    assert np.array_equal(pool.images[3:4][0], by_hand(images(), 3, OTHER))
    assert pool.images.shape == images().shape


def test_a_datasets_twins_carry_what_the_images_carry(tmp_path: Path) -> None:
    split = pd.DataFrame({"row": [0, 1], "watched": [1, 0]})
    pool = opened(tmp_path, split, watched=OTHER, twins="switched.npy")
    assert np.array_equal(pool.twins[0:2][0], by_hand(255 - images(), 0, OTHER))
    assert np.array_equal(pool.twins[0:2][1], 255 - images()[1])
    assert np.array_equal(pool.watched_twins[0:2][0], images()[0])
    natural = opened(tmp_path, split, artifact=PATCH, watched_twins="switched.npy")
    assert np.array_equal(natural.watched_twins[0:1][0], 255 - images()[0])
    with_it = natural.watched_twins[5:6][0]
    assert np.array_equal(with_it, by_hand(255 - images(), 0, PATCH))


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
