"""Images of one's own with masks: found by name, read as greys, and named where they are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from miniatures import encoded, write_tar, write_zip
from rightreasons.core.errors import UserError
from rightreasons.data import Batch, create
from rightreasons.data._masks import common_folder

IDS = ("a/1", "a/2", "b/1", "b/2")


def picture(number: int) -> np.ndarray:
    return np.full((16, 16, 3), 40 * number + 40, np.uint8)


def mask(number: int) -> np.ndarray:
    """Return a mask whose upper rows are 1, then 128, then 255, the others 0."""
    values = np.zeros((16, 16), np.uint8)
    values[2:4], values[4 : 8 + number], values[12:] = 1, 128, 255
    return values


def files(images: str = "", masks: str = "") -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the images and masks of IDS by their names, each below a folder."""
    pictures = {f"{images}{one}.jpg": encoded(picture(k), "JPEG") for k, one in enumerate(IDS)}
    known = {f"{masks}{one}.png": encoded(mask(k), "PNG") for k, one in enumerate(IDS)}
    return pictures, known


def write(folder: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def loaded(root: Path, out: Path, **params: object) -> Batch:
    chosen = {"root": str(root), "attributes": None, "size": 16, **params}
    dataset = create("masked_folder", chosen)
    dataset.fetch(out)
    return dataset.load(out, pd.read_parquet(out / "attributes.parquet"))


@pytest.mark.parametrize("kind", ["folder", "zip", "tgz"])
def test_masks_are_found_wherever_images_and_masks_lie(tmp_path: Path, kind: str) -> None:
    """As in CUB, whose images lie in CUB_200_2011/images and whose masks in segmentations."""
    pictures, masks = files("CUB/images/", "segmentations/")
    if kind == "folder":
        write(tmp_path / "images", pictures)
        write(tmp_path / "masks", masks)
    else:
        put = write_zip if kind == "zip" else write_tar
        put(tmp_path / f"images.{kind}", pictures)
        put(tmp_path / f"masks.{kind}", masks)
    end = "" if kind == "folder" else f".{kind}"
    batch = loaded(tmp_path, tmp_path / "out", images=f"images{end}", masks=f"masks{end}")
    assert not batch.corrupt
    assert batch.masks is not None
    for number in range(len(IDS)):
        np.testing.assert_array_equal(batch.masks[number] == 1, mask(number) > 0)


@pytest.mark.parametrize(("values", "most"), [([128, 255], 255), ([1, 1], 1), ([100, 200], 128)])
def test_values_say_what_the_object_is(tmp_path: Path, values: list[int], most: int) -> None:
    pictures, masks = files()
    write(tmp_path / "images", pictures)
    write(tmp_path / "masks", masks)
    batch = loaded(tmp_path, tmp_path / "out", object_values=values)
    assert batch.masks is not None
    inside = (mask(0) >= values[0]) & (mask(0) <= most)
    np.testing.assert_array_equal(batch.masks[0] == 1, inside)


def test_a_grey_mask_may_be_saved_as_a_colour_image(tmp_path: Path) -> None:
    pictures, masks = files()
    masks["a/1.png"] = encoded(np.repeat(mask(0)[..., None], 3, axis=2), "PNG")
    masks["a/2.png"] = encoded(np.stack([mask(1), np.full((16, 16), 255, np.uint8)], 2), "PNG")
    coloured = np.zeros((16, 16, 3), np.uint8)
    coloured[..., 1] = 200
    masks["b/1.png"] = encoded(coloured, "PNG")
    write(tmp_path / "images", pictures)
    write(tmp_path / "masks", masks)
    batch = loaded(tmp_path, tmp_path / "out")
    assert batch.masks is not None
    for number in (0, 1):
        np.testing.assert_array_equal(batch.masks[number] == 1, mask(number) > 0)
    assert list(batch.corrupt) == [2]
    assert "this one has colours" in batch.corrupt[2]


def test_a_mask_of_another_size_is_no_mask_of_the_image(tmp_path: Path) -> None:
    pictures, masks = files()
    masks["b/2.png"] = encoded(mask(0)[:, :10], "PNG")
    write(tmp_path / "images", pictures)
    write(tmp_path / "masks", masks)
    batch = loaded(tmp_path, tmp_path / "out")
    assert list(batch.corrupt) == [3]
    assert "the image has (16, 16) pixels, its mask (10, 16)" in batch.corrupt[3]
    assert not batch.images[3].any()


def test_missing_masks_are_named(tmp_path: Path) -> None:
    pictures, masks = files()
    write(tmp_path / "images", pictures)
    with pytest.raises(UserError, match=r"masks does not exist.*`masks`"):
        loaded(tmp_path, tmp_path / "out")
    write(tmp_path / "masks", {name: masks[name] for name in list(masks)[:3]})
    with pytest.raises(UserError, match=r"1 of the 4 listed masks are not in .*masks: b/2.png"):
        loaded(tmp_path, tmp_path / "out")


def test_two_images_cannot_have_one_mask(tmp_path: Path) -> None:
    pictures, masks = files()
    pictures["a/1.png"] = encoded(picture(0), "PNG")
    write(tmp_path / "images", pictures)
    write(tmp_path / "masks", masks)
    with pytest.raises(UserError, match=r"several images have the mask a/1.png"):
        loaded(tmp_path, tmp_path / "out")


def test_masks_that_were_moved_are_missed(tmp_path: Path) -> None:
    pictures, masks = files()
    write(tmp_path / "images", pictures)
    write(tmp_path / "masks", masks)
    loaded(tmp_path, tmp_path / "out")
    (tmp_path / "masks").rename(tmp_path / "elsewhere")
    dataset = create("masked_folder", {"root": str(tmp_path), "attributes": None})
    with pytest.raises(UserError, match="was moved since it was fetched"):
        dataset.load(tmp_path / "out", pd.read_parquet(tmp_path / "out" / "attributes.parquet"))


@pytest.mark.parametrize(
    ("ids", "folder"),
    [(["x/a/1", "x/b/1"], "x/"), (["a/1", "b/1"], ""), (["1", "a/1"], ""), (["ab/1", "a/1"], "")],
)
def test_the_folder_of_all_images(ids: list[str], folder: str) -> None:
    assert common_folder(pd.Series(ids)) == folder
