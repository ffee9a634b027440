"""Names: the list calls an image otherwise than the disk does."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from miniatures import celeba, encoded, fairface, jpeg, write_zip
from rightreasons.core.errors import UserError
from rightreasons.data import create
from rightreasons.data._names import Found, find
from rightreasons.data._shown import listing, shown, told_apart

CAFE = "café.jpg"
NFD = unicodedata.normalize("NFD", CAFE)


def put(folder: Path, names: dict[str, int]) -> None:
    """Write pictures whose shade tells them apart."""
    for name, shade in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(shade))


def listed(root: Path, ids: list[str]) -> dict[str, object]:
    """Write a list, and return the parameters of its dataset."""
    table = pd.DataFrame({"image_id": ids, "Odd": np.arange(len(ids)) % 2})
    table.to_csv(root / "attributes.csv", index=False)
    return {"root": str(root), "size": 8}


def shades(root: Path, ids: list[str], kind: str = "folder") -> list[int]:
    """Fetch a list of images, and return the shade of each, rounded to tens."""
    dataset = create(kind, listed(root, ids))
    dataset.fetch(root / "out")
    table = pd.read_parquet(root / "out" / "attributes.parquet")
    assert table["image_id"].tolist() == ids  # what the list says is kept
    batch = dataset.load(root / "out", table)
    assert not batch.corrupt
    return [round(int(image[4, 4, 0]), -1) for image in batch.images]


def refused(root: Path, ids: list[str]) -> str:
    with pytest.raises(UserError) as error:
        create("folder", listed(root, ids)).fetch(root / "out")
    return str(error.value)


@pytest.mark.parametrize(
    ("disk", "ids"),
    [
        (["a/1.jpg", "a/2.jpg"], ["a\\1.jpg", "a\\2.jpg"]),
        ([NFD, "2.jpg"], [CAFE, "2.jpg"]),
        ([CAFE, "2.jpg"], [NFD, "2.jpg"]),
        (["000001.JPG", "2.jpg"], ["000001.jpg", "2.jpg"]),
        (["000001.png", "000002.png"], ["000001.jpg", "000002.jpg"]),
        (["1.jpg", "2.jpg"], ["{images}/1.jpg", "{images}/2.jpg"]),
        (["1.jpg", "2.jpg"], ["images/1.jpg", "images/2.jpg"]),
        # the same kind, of our own: no suffix, ./, blanks, another machine's folder, deeper, mixed
        (["1.jpg", "2.png"], ["1", "2"]),
        (["1.jpg", "2.jpg"], ["./1.jpg", " 2.jpg "]),
        (["1.jpg", "2.jpg"], ["C:\\data\\images\\1.jpg", "C:\\data\\images\\2.jpg"]),
        (["all/a/1.jpg", "all/b/1.JPEG"], ["A\\1.jpeg", "B\\1.jpeg"]),
        (["a/1.jpg", "a/2.jpg"], ["a/1.jpg", "images/a/2.jpg"]),
        (["1.jpg", "1.png"], ["1.JPG", "1.PNG"]),
    ],
)
def test_spellings_that_cannot_matter(
    tmp_path: Path, disk: list[str], ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "images", {disk[0]: 50, disk[1]: 200})
    ids = [one.replace("{images}", str(tmp_path / "images")) for one in ids]
    assert shades(tmp_path, ids) == [50, 200]
    images = json.loads((tmp_path / "out" / "source.json").read_text())["images"]
    assert images["called_otherwise"] >= 1
    said = capsys.readouterr().err
    assert f"{images['called_otherwise']} of the 2 listed images are called otherwise" in said
    assert images["such_as"][0] in said


@pytest.mark.parametrize(
    ("disk", "ids", "parts"),
    [
        # one of two lists' images has another suffix: it may be its mask
        (
            ["1.jpg", "2.png"],
            ["1.jpg", "2.jpg"],
            ["1 of the 2", "says 2.jpg, and 2.png is there"],
        ),
        (["1.jpg", "1.png"], ["1", "2"], ["2 of the 2", "says 1, and 1.jpg is there"]),
        (["A.jpg", "a.jpg"], ["a.JPG", "b.jpg"], ["2 of the 2", "says a.JPG, and A.jpg is there"]),
        # both would be one file
        (["1.png", "2.png"], ["1.jpg", "1.png"], ["1 of the 2 listed", ": 1.jpg"]),
        (["0001.jpg", "2.jpg"], ["1.jpg", "2.jpg"], ["says 1.jpg, and 0001.jpg is there"]),
        ([f"x/{NFD}", "2.jpg"], [CAFE, "2.jpg"], [f"says {CAFE}, and x/cafe\\u0301.jpg"]),
        (["1.jpg", "2.jpg"], ["/etc/passwd", "2.jpg"], ["/etc/passwd points outside"]),
        (["1.jpg", "2.jpg"], ["../images.csv", "2.jpg"], ["../images.csv points outside"]),
        (["1.jpg", "2.jpg"], ["x.jpg", "2.jpg"], ["1 of the 2", ": x.jpg.", "Complete the images"]),
        # an image that another name stands for is no likeness
        (["a/1.jpg", "b/2.jpg"], ["a/1.jpg", "b/1.jpg"], ["b/1.jpg.", "Complete the images"]),
    ],
)
def test_matches_that_are_not_one_to_one(
    tmp_path: Path, disk: list[str], ids: list[str], parts: list[str]
) -> None:
    put(tmp_path / "images", dict.fromkeys(disk, 50))
    message = refused(tmp_path, ids)
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_an_absolute_path_to_another_file_is_not_the_one_of_that_name(tmp_path: Path) -> None:
    put(tmp_path / "images", {"1.jpg": 50})
    put(tmp_path / "old" / "images", {"1.jpg": 200})
    message = refused(tmp_path, [str(tmp_path / "old" / "images" / "1.jpg")])
    assert "points outside" in message


def test_celeba_from_its_png_files(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    images = {f"img_align_celeba_png/{i:06d}.png": jpeg(30 * i - 30) for i in range(1, 7)}
    write_zip(root / "img_align_celeba.zip", images)
    dataset = create("celeba", {"root": str(root), "size": 8})
    dataset.fetch(tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "attributes.parquet")
    assert table["image_id"].tolist() == [f"{i:06d}.jpg" for i in range(1, 7)]
    shade = dataset.load(tmp_path / "out", table).images[:, 4, 4, 0].astype(int)
    np.testing.assert_allclose(shade, 30 * np.arange(6), atol=4)


def test_fairface_with_the_separators_of_windows(tmp_path: Path) -> None:
    root = fairface(tmp_path / "root")
    for path in root.glob("*.csv"):
        path.write_text(path.read_text().replace("train/", "train\\").replace("val/", "val\\"))
    dataset = create("fairface", {"root": str(root), "size": 8})
    dataset.fetch(tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "attributes.parquet")
    assert not dataset.load(tmp_path / "out", table).corrupt


def test_images_of_a_tar_are_copied_under_the_names_of_the_list(tmp_path: Path) -> None:
    from miniatures import write_tar

    write_tar(tmp_path / "images.tar.gz", {"x/A.JPG": jpeg(50), "x/b.jpg": jpeg(200)})
    dataset = create("folder", {**listed(tmp_path, ["a.jpg", "b.jpg"]), "images": "images.tar.gz"})
    dataset.fetch(tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "attributes.parquet")
    batch = dataset.load(tmp_path / "out", table)
    assert [round(int(image[4, 4, 0]), -1) for image in batch.images] == [50, 200]


def test_a_second_fetch_forgets_the_spellings_of_the_first(tmp_path: Path) -> None:
    put(tmp_path / "images", {"1.JPG": 50, "2.JPG": 200})
    assert shades(tmp_path, ["1.jpg", "2.jpg"]) == [50, 200]
    assert shades(tmp_path, ["2.JPG", "1.JPG"]) == [200, 50]
    assert not (tmp_path / "out" / "places.parquet").exists()


def test_masks_follow_the_same_rule(tmp_path: Path) -> None:
    put(tmp_path / "images", {"1.jpg": 50})
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "1.PNG").write_bytes(encoded(np.ones((22, 18), np.uint8), "PNG"))
    assert shades(tmp_path, ["1.jpg"], "masked_folder") == [50]


def test_many_names_are_matched_at_once() -> None:
    ids = [f"{i:06d}.jpg" for i in range(50_000)]
    found = find(Path("x"), {f"img/{i:06d}.PNG" for i in range(50_000)}, ids)
    assert found.place("012345.jpg") == "img/012345.PNG"
    assert len(found.places) == 50_000


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("a/1.jpg", "a/1.jpg"),
        (CAFE, CAFE),
        (NFD, "cafe\\u0301.jpg"),
        ("1.jpg ", "'1.jpg '"),
        ("a\u200bb", "a\\u200bb"),
        ("a\u00a0b", "a\\xa0b"),
        ("日本.jpg", "日本.jpg"),
        ("a\nb", "a\\nb"),
        ("", "''"),
    ],
)
def test_every_character_of_a_name_can_be_told(name: str, seen: str) -> None:
    assert shown(name) == seen


def test_names_that_look_alike_are_told_apart() -> None:
    assert told_apart(CAFE, NFD) == ("'caf\\xe9.jpg'", "'cafe\\u0301.jpg'")
    assert told_apart("a.jpg", "A.JPG") == ("a.jpg", "A.JPG")
    assert listing(["1", "2", "3"], 2) == "1, 2 and 1 more"
    assert Found("x/").place("1") == "x/1"
