"""Masks in files and boxes in columns of one's own images, and their use as regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from miniatures import encoded, write_tar, write_zip
from rightreasons.core.errors import UserError
from rightreasons.data import Batch, create, mask_names
from rightreasons.data.pool import Pool, build_pool
from rightreasons.regions.rois import task_roi
from rightreasons.study.load import load_config

SIZE = 16
IDS = ("a/1.png", "a/2.png", "b/1.png")


def mask(number: int, value: int = 255) -> bytes:
    values = np.zeros((SIZE, SIZE), np.uint8)
    values[number + 2 : 9, 3:7] = value
    return encoded(values, "PNG")


def images(root: Path, orientation: int = 1, shape: tuple[int, int] = (SIZE, SIZE)) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number, name in enumerate(IDS):
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((*shape, 3), 50 * number + 60, np.uint8)
        (root / "images" / name).write_bytes(encoded(picture, "PNG", exif=exif))


def table(root: Path, **columns: list[Any]) -> None:
    rows = pd.DataFrame({"image_id": IDS, "Odd": [0, 1, 0], **columns})
    rows.to_csv(root / "attributes.csv", index=False)


def loaded(root: Path, **params: Any) -> Batch:
    dataset = create("folder", {"root": str(root), "size": SIZE, **params})
    dataset.fetch(root / "out")
    return dataset.load(root / "out", pd.read_parquet(root / "out" / "attributes.parquet"))


def put(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


@pytest.mark.parametrize("packed", ["folder", "zip", "tar"])
def test_two_masks_of_each_image(tmp_path: Path, packed: str) -> None:
    images(tmp_path)
    table(tmp_path)
    hats = {name: mask(k) for k, name in enumerate(IDS)}
    parts = {f"{name[:-4]}_eyes.png": mask(k, 7) for k, name in enumerate(IDS)}
    if packed == "folder":
        put(tmp_path / "hats", hats)
        put(tmp_path / "parts", parts)
    else:
        write = write_zip if packed == "zip" else write_tar
        write(tmp_path / "hats", {f"x/{name}": content for name, content in hats.items()})
        write(tmp_path / "parts", parts)
    eyes = {"files": "parts", "ending": "_eyes.png", "values": [7, 7]}
    batch = loaded(tmp_path, masks={"hat": "hats", "eyes": eyes})
    assert not batch.corrupt
    assert batch.masks is not None
    for number in range(3):
        inside = np.zeros((SIZE, SIZE), bool)
        inside[number + 2 : 9, 3:7] = True
        np.testing.assert_array_equal(batch.masks[number], np.where(inside, 3, 0))


def test_images_without_a_file_are_without_the_thing_if_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path)
    table(tmp_path)
    put(tmp_path / "hats", {"a/2.png": mask(1)})
    with pytest.raises(UserError, match=r"2 of the 3 listed masks are not in .*hats: a/1\.png"):
        loaded(tmp_path, masks={"hat": "hats"})
    batch = loaded(tmp_path, masks={"hat": {"files": "hats", "missing": "empty"}})
    assert batch.masks is not None
    assert [bool(one.any()) for one in batch.masks] == [False, True, False]
    assert "2 of 3 images have no file of the mask 'hat'" in capsys.readouterr().err


def test_a_folder_of_masks_that_is_another_one(tmp_path: Path) -> None:
    images(tmp_path)
    table(tmp_path)
    put(tmp_path / "hats", {"z/9.png": mask(1)})
    with pytest.raises(UserError, match="3 of the 3 listed masks are not in"):
        loaded(tmp_path, masks={"hat": {"files": "hats", "missing": "empty"}})


def covered(x0: int, y0: int, x1: int, y1: int, size: int = SIZE) -> np.ndarray:
    """Return a box drawn pixel by pixel."""
    return np.array([[x0 <= x < x1 and y0 <= y < y1 for x in range(size)] for y in range(size)])


@pytest.mark.parametrize(
    ("form", "unit", "numbers"),
    [
        ("corners", "pixels", (2, 3, 6, 11)),
        ("size", "pixels", (2, 3, 4, 8)),
        ("centre", "pixels", (4, 7, 4, 8)),
        ("corners", "fractions", (2 / 16, 3 / 16, 6 / 16, 11 / 16)),
        ("corners", "pixels", (2.4, 2.5, 5.5, 11.4)),  # rounded, halves up
    ],
)
def test_boxes_of_every_form(
    tmp_path: Path, form: str, unit: str, numbers: tuple[float, ...]
) -> None:
    images(tmp_path)
    table(tmp_path, **{f"c{k}": [n, None, n] for k, n in enumerate(numbers)})
    columns = [f"c{k}" for k in range(4)]
    batch = loaded(tmp_path, boxes={"tie": {"columns": columns, "form": form, "unit": unit}})
    assert batch.masks is not None
    expected = covered(2, 3, 6, 11)
    for number, there in enumerate((True, False, True)):
        np.testing.assert_array_equal(batch.masks[number] == 1, expected & there)


def test_boxes_are_padded_cropped_and_scaled_as_their_image(tmp_path: Path) -> None:
    images(tmp_path, shape=(8, 16))
    table(tmp_path, x0=[0] * 3, y0=[0] * 3, x1=[16] * 3, y1=[4] * 3)
    boxes = {"sky": ["x0", "y0", "x1", "y1"]}
    padded = loaded(tmp_path, boxes=boxes).masks
    assert padded is not None
    np.testing.assert_array_equal(padded[0] == 1, covered(0, 4, 16, 8))
    cut = loaded(tmp_path, boxes=boxes, pad=False).masks
    assert cut is not None
    np.testing.assert_array_equal(cut[0] == 1, covered(0, 0, 16, 8))


def test_boxes_are_those_of_the_upright_image(tmp_path: Path) -> None:
    images(tmp_path, orientation=6, shape=(8, 16))  # stored on its side, shown 8 wide, 16 high
    table(tmp_path, x0=[0] * 3, y0=[0] * 3, x1=[8] * 3, y1=[2] * 3)
    masks = loaded(tmp_path, boxes={"hat": ["x0", "y0", "x1", "y1"]}).masks
    assert masks is not None
    np.testing.assert_array_equal(masks[0] == 1, covered(4, 0, 12, 2))


def test_a_box_beyond_the_image_is_cut_and_one_outside_is_named(tmp_path: Path) -> None:
    images(tmp_path)
    table(tmp_path, x0=[-5, 20, 2], y0=[2] * 3, x1=[6, 30, 90], y1=[6] * 3)
    batch = loaded(tmp_path, boxes={"hat": ["x0", "y0", "x1", "y1"]})
    assert batch.masks is not None
    np.testing.assert_array_equal(batch.masks[0] == 1, covered(0, 2, 6, 6))
    np.testing.assert_array_equal(batch.masks[2] == 1, covered(2, 2, 16, 6))
    assert "the box (20, 2, 30, 6) is outside of the image's 16 x 16 pixels" in batch.corrupt[1]


@pytest.mark.parametrize(
    ("columns", "source", "part"),
    [
        ({"x1": [6, None, 6]}, {}, "some of the four numbers are missing for a/2.png"),
        ({"x1": [6, 1, 6]}, {}, "no area for a/2.png"),
        ({"x1": ["x", 1, 6]}, {}, "must be numbers"),
        ({}, {"unit": "fractions"}, "are no fractions of an image. Set unit: pixels"),
        ({"x0": [0, 0, 0], "y0": [0, 0, 0], "x1": [1, 1, 1], "y1": [1, 1, 1]}, {}, "unit: frac"),
        ({}, {"columns": ["x0", "y0", "x1", "z"]}, "no column 'z'"),
        ({}, {"columns": "x0"}, "must hold lists of four numbers; not so for a/1.png"),
    ],
)
def test_boxes_that_cannot_be_meant(
    tmp_path: Path, columns: dict[str, list[Any]], source: dict[str, Any], part: str
) -> None:
    images(tmp_path)
    table(tmp_path, **{"x0": [2] * 3, "y0": [2] * 3, "x1": [6] * 3, "y1": [6] * 3, **columns})
    given = {"columns": ["x0", "y0", "x1", "y1"], **source}
    with pytest.raises(UserError) as error:
        loaded(tmp_path, boxes={"hat": given})
    assert part in str(error.value)


@pytest.mark.parametrize(
    "params",
    [
        {"boxes": {"hat": ["x0", "y0"]}},
        {"masks": {"hat": "a"}, "boxes": {"hat": "b"}},
        {"masks": {f"m{k}": "a" for k in range(9)}},
        {"attributes": None, "boxes": {"hat": "b"}},
        {"masks": {"hat": {"files": "a", "values": [1]}}},
    ],
)
def test_declarations_that_contradict_themselves(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        create("folder", params)


def test_masks_and_boxes_are_bits_of_the_pool_and_regions_of_tasks(tmp_path: Path) -> None:
    images(tmp_path)
    table(tmp_path, x0=[2] * 3, y0=[3] * 3, x1=[6] * 3, y1=[11] * 3)
    put(tmp_path / "hats", {name: mask(k) for k, name in enumerate(IDS)})
    params = {
        "root": str(tmp_path),
        "size": SIZE,
        "masks": {"hat": "hats"},
        "boxes": {"tie": ["x0", "y0", "x1", "y1"]},
    }
    dataset = create("folder", params)
    dataset.fetch(tmp_path / "out")
    build_pool(dataset, tmp_path / "out", tmp_path / "pool", 2, lambda items, _: items)
    pool = Pool.open(tmp_path / "pool")
    assert pool.mask_names == ("hat", "tie") == mask_names("folder", {"kind": "folder", **params})
    rows = np.array([2, 0])
    found = task_roi({"mask": "tie"}, pool.masks, pool.mask_names, rows, (SIZE, SIZE))
    np.testing.assert_array_equal(found, np.stack([covered(2, 3, 6, 11)] * 2))


def study(roi: Any, **params: Any) -> dict[str, Any]:
    mine = {"kind": "folder", "masks": {"hat": "hats"}, "boxes": {"tie": ["a", "b", "c", "d"]}}
    task = {"dataset": "mine", "target": "Odd", "protected": "who == a", "roi": roi}
    return {
        "study": "tiny",
        "seeds": [0],
        "datasets": {"mine": {**mine, **params}},
        "tasks": {"one": task},
        "designs": {"phi": {"levels": [0]}},
        "methods": {"vanilla": {}},
    }


@pytest.mark.parametrize(
    ("roi", "mask"), [({"mask": "hat"}, "hat"), ({"boxes": "tie"}, "tie"), ({"mask": "tie"}, "tie")]
)
def test_a_task_names_a_mask_or_boxes(roi: Any, mask: str) -> None:
    assert load_config(study(roi)).tasks["one"].model_dump()["roi"] == {"mask": mask}


@pytest.mark.parametrize("roi", [{"boxes": "hut"}, {"mask": "hut"}])
def test_a_region_that_is_not_declared(roi: Any) -> None:
    with pytest.raises(UserError, match=r"has no such mask.*did you mean 'hat'.*Allowed: hat, tie"):
        load_config(study(roi))


def test_foregrounds_may_be_a_folder_with_masks(tmp_path: Path) -> None:
    images(tmp_path)
    table(tmp_path)
    put(tmp_path / "hats", {name: mask(k) for k, name in enumerate(IDS)})
    foreground = {"kind": "folder", "root": str(tmp_path), "masks": {"hat": "hats"}}
    backgrounds = {"kind": "textures", "n_images": 12}
    given = {"backgrounds": backgrounds, "attribute": "texture == waves", "size": SIZE}
    dataset = create("composite", {**given, "foreground": foreground})
    dataset.fetch(tmp_path / "out")
    batch = dataset.load(tmp_path / "out", pd.read_parquet(tmp_path / "out/attributes.parquet"))
    assert not batch.corrupt
    with pytest.raises(ValidationError, match="has no mask: declare one in `masks`"):
        create("composite", {**given, "foreground": {"kind": "folder"}})
