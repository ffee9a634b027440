"""Datasets in files: official layouts in miniature, and everything that can be wrong with them."""

from __future__ import annotations

import json
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from miniatures import CELEBA, celeba, fairface, jpeg, own, write_zip
from rightreasons.core.errors import UserError
from rightreasons.data import DATASETS, _files, create, stage_params
from rightreasons.data.attributes import binary

HTML = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"


def fetched(kind: str, root: Path, out: Path, **params: object) -> pd.DataFrame:
    create(kind, {"root": str(root), **params}).fetch(out)
    return pd.read_parquet(out / "attributes.parquet")


def refused(kind: str, root: Path, out: Path, **params: object) -> str:
    with pytest.raises(UserError) as error:
        create(kind, {"root": str(root), **params}).fetch(out)
    assert not (out / "attributes.parquet").exists()
    return str(error.value)


@pytest.mark.parametrize("prefix", ["img_align_celeba/", "", "celeba/img_align_celeba/"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_celeba_from_the_official_zip(tmp_path: Path, prefix: str, end: str) -> None:
    root = celeba(tmp_path / "root", prefix=prefix, end=end)
    table = fetched("celeba", root, tmp_path / "out")
    assert list(table) == ["image_id", "identity", "partition", *CELEBA]
    assert table["Smiling"].tolist() == [0, 1, 0, 1, 0, 1]
    assert table["Male"].tolist() == [0, 0, 1, 1, 0, 0]
    assert table["identity"].tolist() == ["100", "100", "101", "101", "102", "102"]
    assert table["partition"].tolist() == ["train", "val", "test"] * 2
    batch = create("celeba", {"root": str(root), "size": 8}).load(tmp_path / "out", table)
    assert batch.images.shape == (6, 8, 8, 3)
    assert not batch.corrupt
    shades = batch.images[:, 4, 4, 0].astype(int)
    np.testing.assert_allclose(shades, 30 * np.arange(6), atol=4)


def test_celeba_from_the_unpacked_folder_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    with zipfile.ZipFile(root / "img_align_celeba.zip") as archive:
        archive.extractall(root)
    (root / "img_align_celeba.zip").unlink()
    for path in root.glob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    table = fetched("celeba", root, tmp_path / "out")
    batch = create("celeba", {"root": str(root)}).load(tmp_path / "out", table)
    assert not batch.corrupt
    assert batch.images.any(axis=(1, 2, 3)).all()


def test_source_says_what_was_read(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    fetched("celeba", root, tmp_path / "out")
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    assert source["n_images"] == 6
    assert source["images"]["bytes"] == (root / "img_align_celeba.zip").stat().st_size
    assert [Path(file["path"]).name for file in source["files"]] == [
        "list_attr_celeba.txt",
        "identity_CelebA.txt",
        "list_eval_partition.txt",
    ]
    assert all(len(file["sha256"]) == 64 for file in source["files"])
    assert "non-commercial" in source["licence"]


def test_max_images_are_evenly_spaced(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root", n=9)
    table = fetched("celeba", root, tmp_path / "out", max_images=3)
    assert table["image_id"].tolist() == ["000001.jpg", "000004.jpg", "000007.jpg"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "parts"),
    [
        ("list_attr_celeba.txt", "6\n", "7\n", ["lists 7 images, but has 6 rows"]),
        ("list_attr_celeba.txt", "000002.jpg", "000001.jpg", ["more than once: 000001.jpg"]),
        ("list_attr_celeba.txt", "000006.jpg", "000007.jpg", ["lacks 1 images: 000007.jpg"]),
        ("list_attr_celeba.txt", " 1", " 2", ["is -1 or 1", "000002.jpg"]),
        ("list_attr_celeba.txt", "6\n", "", ["layout"]),
        ("identity_CelebA.txt", "000003.jpg 101\n", "", ["identity", "1 images: 000003.jpg"]),
        ("identity_CelebA.txt", "000003.jpg 101", "000003.jpg", ["line 3"]),
        ("list_eval_partition.txt", "000003.jpg 2", "000003.jpg 5", ["0, 1 or 2"]),
    ],
)
def test_inconsistent_celeba_lists(
    tmp_path: Path, file: str, old: str, new: str, parts: list[str]
) -> None:
    root = celeba(tmp_path / "root")
    edit(root / file, old, new)
    message = refused("celeba", root, tmp_path / "out")
    for part in [*parts, file.split("_")[0]]:
        assert part in message


def test_listed_images_that_are_not_in_the_zip(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    write_zip(root / "img_align_celeba.zip", {"img_align_celeba/000001.jpg": jpeg(1)})
    message = refused("celeba", root, tmp_path / "out")
    assert "5 of the 6 listed images are not in" in message
    assert "000002.jpg, 000003.jpg" in message


def test_missing_files_are_named_with_their_page(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    (root / "identity_CelebA.txt").unlink()
    (root / "img_align_celeba.zip").unlink()
    message = refused("celeba", root, tmp_path / "out")
    assert f"not found in {root}: identity_CelebA.txt, img_align_celeba.zip" in message
    assert "img_align_celeba/" in message
    assert "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (HTML, "is a web page"),
        (b"\n " + HTML.lower(), "is a web page"),
        (b"PK\x03\x04 and then nothing", "breaks off"),
        (b"", "is an empty file"),
    ],
)
def test_a_zip_that_is_none(tmp_path: Path, content: bytes, part: str) -> None:
    root = celeba(tmp_path / "root")
    (root / "img_align_celeba.zip").write_bytes(content)
    assert part in refused("celeba", root, tmp_path / "out")


def test_a_list_that_is_a_web_page(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    (root / "identity_CelebA.txt").write_bytes(HTML)
    message = refused("celeba", root, tmp_path / "out")
    assert "identity_CelebA.txt is a web page" in message


@pytest.mark.parametrize("member", ["../evil.jpg", "/etc/evil.jpg", "a\\..\\evil.jpg", "c:/e.jpg"])
def test_members_outside_of_the_zip(tmp_path: Path, member: str) -> None:
    root = celeba(tmp_path / "root")
    with zipfile.ZipFile(root / "img_align_celeba.zip", "a") as archive:
        archive.writestr(member, jpeg(1))
    assert "point outside of it" in refused("celeba", root, tmp_path / "out")


def test_links_in_a_zip(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    link = zipfile.ZipInfo("img_align_celeba/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(root / "img_align_celeba.zip", "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "link.jpg" in refused("celeba", root, tmp_path / "out")


def test_verify_compares_with_the_official_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = celeba(tmp_path / "root")
    names = ["img_align_celeba.zip", "list_attr_celeba.txt", "identity_CelebA.txt"]
    known = {name: _files.Download("x", _files.digest(root / name, "md5")) for name in names}
    known["list_eval_partition.txt"] = _files.Download("x", "0" * 32)
    monkeypatch.setattr(DATASETS["celeba"].run, "downloads", lambda self: known)
    message = refused("celeba", root, tmp_path / "out", verify=True)
    assert "not the official files" in message
    assert "list_eval_partition.txt" in message
    assert "identity_CelebA.txt" not in message


def test_downloads_only_what_is_missing_and_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = fairface(tmp_path / "good")
    asked: list[str] = []

    def fake(source: _files.Download, home: Path, name: str) -> None:
        asked.append(name)
        if name.endswith(".zip") and len(asked) < 3:
            raise OSError("no network")
        home.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes((good / name).read_bytes())

    monkeypatch.setattr(_files, "download", fake)
    dataset = create("fairface", name="faces", data_dir=str(tmp_path / "data"))
    (tmp_path / "data" / "fairface").mkdir(parents=True)
    first = good / "fairface_label_train.csv"
    (tmp_path / "data" / "fairface" / first.name).write_bytes(first.read_bytes())
    with pytest.raises(UserError, match="no network") as error:
        dataset.fetch(tmp_path / "out")
    for part in ("github.com/joojs/fairface", "data/fairface/", "margin025-trainval.zip", "`root`"):
        assert part in str(error.value)
    assert "label_val" not in str(error.value)  # that one is there by now
    dataset.fetch(tmp_path / "out")
    assert asked == [
        "fairface_label_val.csv",
        "fairface-img-margin025-trainval.zip",
        "fairface-img-margin025-trainval.zip",
    ]
    assert len(pd.read_parquet(tmp_path / "out" / "attributes.parquet")) == 6


@pytest.mark.parametrize("margin", [0.25, "1.25"])
def test_fairface(tmp_path: Path, margin: object) -> None:
    root = fairface(tmp_path / "root")
    table = fetched("fairface", root, tmp_path / "out", margin=margin)
    assert table["image_id"].tolist() == [
        *(f"train/{i}.jpg" for i in range(1, 5)),
        "val/1.jpg",
        "val/2.jpg",
    ]
    assert table["partition"].tolist() == ["train"] * 4 + ["val"] * 2
    assert table["gender"].tolist() == ["Male", "Female"] * 3
    assert table["service_test"].tolist() == [1, 0, 0, 0, 1, 0]
    assert table["identity"].isna().all()
    dataset = create("fairface", {"root": str(root), "margin": margin})
    shade = dataset.load(tmp_path / "out", table).images[0, 32, 32, 0]
    assert abs(int(shade) - (25 if margin == 0.25 else 125)) < 6


def test_fairface_label_files(tmp_path: Path) -> None:
    root = fairface(tmp_path / "root")
    edit(root / "fairface_label_val.csv", "file", "files")
    message = refused("fairface", root, tmp_path / "out")
    assert "lacks the columns file; it has files, age, gender, race, service_test" in message
    root = fairface(tmp_path / "root")
    edit(root / "fairface_label_train.csv", "train/2.jpg,more than 70", "train/2.jpg,")
    table = fetched("fairface", root, tmp_path / "out")
    with pytest.raises(UserError, match=r"'age' is missing for 1 images: train/2\.jpg"):
        binary('age == "more than 70"', table)
    assert binary("gender == Male", table).sum() == 3


def test_folder_from_csv(tmp_path: Path) -> None:
    root = own(tmp_path / "root")
    table = fetched("folder", root, tmp_path / "out", id_column="file", identity_column="Owner")
    assert list(table) == [
        "image_id",
        "identity",
        "partition",
        "Fluffy",
        "Awake",
        "Indoor",
        "Breed",
    ]
    for name in ("Fluffy", "Awake", "Indoor"):
        assert table[name].tolist() == [0, 1, 0, 1]
        assert table[name].dtype == np.int8
    assert table["Breed"].tolist() == ["c0", "c1", "c2", "c3"]
    assert table["identity"].nunique() == 2


def test_folder_from_a_zip_and_parquet(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write_zip(root / "images.zip", {f"pets/{i}.jpg": jpeg(i) for i in range(3)})
    pd.DataFrame(
        {
            "image_id": [f"{i}.jpg" for i in range(3)],
            "Fluffy": [True, None, False],
            "Breed": pd.Categorical(["None", "NA", "x"]),
            "Weight": [1.5, 2.5, np.nan],
        }
    ).to_parquet(root / "a.parquet")
    table = fetched("folder", root, tmp_path / "out", attributes="a.parquet")
    assert table["Fluffy"].isna().tolist() == [False, True, False]
    assert table["Breed"].tolist() == ["None", "NA", "x"]
    assert table["Weight"].tolist()[:2] == [1.5, 2.5]
    batch = create("folder", {"root": str(root)}).load(tmp_path / "out", table)
    assert not batch.corrupt


@pytest.mark.parametrize(
    ("table", "params", "parts"),
    [
        (None, {}, ["no column 'image_id'", "Columns: file, Fluffy"]),
        (None, {"id_column": "fil"}, ["did you mean 'file'"]),
        (None, {"id_column": "file", "images": "pics"}, ["pics does not exist", "`images`"]),
        (None, {"id_column": "file", "attributes": "b.csv"}, ["b.csv does not exist"]),
        ("image_id,a\ncats/0.jpg,1\ncats/0.jpg,0", {}, ["more than once: cats/0.jpg"]),
        ("image_id,a\ncats/0.jpg,1\n,0", {}, ["no image id in the rows 2"]),
        ("image_id,a\ncats/0.jpg,1\ncats/9.jpg,0", {}, ["1 of the 2", "cats/9.jpg"]),
        ("image_id,a\n../attributes.csv,1", {}, ["points outside"]),
        ("image_id,row\ncats/0.jpg,1", {}, ["row are reserved"]),
        ("image_id,a\n", {}, ["lists no images"]),
    ],
)
def test_folder_mistakes(
    tmp_path: Path, table: str | None, params: dict[str, str], parts: list[str]
) -> None:
    root = own(tmp_path / "root", table)
    message = refused("folder", root, tmp_path / "out", **params)
    for part in parts:
        assert part in message


PHOTOS = ("a/cats/1.jpg", "a/cats/2.JPEG", "b/x/dogs/1.jpg", "b/x/dogs/tiny/3.png", "cats/9.jpg")
OTHERS = ("a/README.txt", "cats/.hidden.jpg", "__MACOSX/cats/._9.jpg", "cats/Thumbs.db", "top.csv")


def put(root: Path, names: tuple[str, ...], how: str) -> Path:
    """Write pictures below root/images, as a folder or as an archive."""
    contents = {name: jpeg(20 * i) for i, name in enumerate(names)}
    root.mkdir(parents=True, exist_ok=True)
    if how == "zip":
        write_zip(root / "images.zip", contents)
        return root
    for name, content in contents.items():
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).write_bytes(content)
    if how == "tar":
        with tarfile.open(root / "images.tar.gz", "w:gz") as tar:
            tar.add(root / "images", "images")
        shutil.rmtree(root / "images")
    return root


@pytest.mark.parametrize("how", ["folder", "zip", "tar"])
def test_class_folders_of_any_depth(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = put(tmp_path / "root", PHOTOS + OTHERS, how)
    params = {"root": str(root), "attributes": None, "label": "species", "size": 8}
    params |= {"images": "images.tar.gz"} if how == "tar" else {}
    top = "images/" if how == "tar" else ""
    with caplog.at_level("INFO"):
        create("folder", params).fetch(tmp_path / "out")
    assert "5 files are no images" in caplog.text
    table = pd.read_parquet(tmp_path / "out" / "attributes.parquet")
    assert list(table) == ["image_id", "identity", "partition", "species"]
    assert table["image_id"].tolist() == [top + name for name in PHOTOS]
    assert table["species"].tolist() == ["cats", "cats", "dogs", "tiny", "cats"]
    assert binary("species == cats", table).tolist() == [1, 1, 0, 0, 1]
    batch = create("folder", params).load(tmp_path / "out", table)
    assert not batch.corrupt
    np.testing.assert_allclose(batch.images[:, 4, 4, 0], 20 * np.arange(5), atol=4)


def test_class_folders_are_sorted_and_max_images_takes_of_each(tmp_path: Path) -> None:
    names = tuple(f"{kind}/{i}.jpg" for i in range(4) for kind in ("dogs", "cats"))
    root = put(tmp_path / "root", names, "zip")
    table = fetched("folder", root, tmp_path / "out", attributes=None, max_images=4)
    assert table["image_id"].tolist() == ["cats/0.jpg", "cats/2.jpg", "dogs/0.jpg", "dogs/2.jpg"]
    assert table["label"].tolist() == ["cats", "cats", "dogs", "dogs"]


@pytest.mark.parametrize("how", ["folder", "zip"])
@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("1.jpg", "2.jpg"), ["2 of its 2 images lie in none: 1.jpg, 2.jpg", "Sort them"]),
        (("cats/1.jpg", "dogs/1.jpg", "9.jpg"), ["1 of its 3 images lie in none: 9.jpg"]),
        (("cats/1.jpg", "cats/2.jpg"), ["at least two; all its 2 images lie in cats/", "Add the"]),
        (("a/cats/1.jpg", "b/cats/2.jpg"), ["all its 2 images lie in cats/"]),
        (("cats/1.txt", "dogs/1.heic"), ["it holds no image."]),
    ],
)
def test_folders_that_are_no_classes(
    tmp_path: Path, how: str, names: tuple[str, ...], parts: list[str]
) -> None:
    root = put(tmp_path / "root", names, how)
    message = refused("folder", root, tmp_path / "out", attributes=None)
    for part in [*parts, "needs a folder per class (cats/1.jpg, dogs/1.jpg)", f"{root}/images"]:
        assert part in message


def test_a_missing_table_is_named_even_beside_class_folders(tmp_path: Path) -> None:
    root = put(tmp_path / "root", PHOTOS, "folder")
    message = refused("folder", root, tmp_path / "out")
    assert "attributes.csv does not exist" in message
    assert "For images in folders by class: attributes: null." in message


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"identity_column": "who"}, "leaves no table with a column 'who'"),
        ({"partition_column": "part"}, "leaves no table with a column 'part'"),
        ({"label": "image_id"}, "are reserved"),
        ({"label": ""}, "at least 1 character"),
    ],
)
def test_parameters_that_contradict_class_folders(params: dict[str, str], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        create("folder", {"attributes": None, **params})


def test_an_archive_that_changed_since_is_refused(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    table = fetched("celeba", root, tmp_path / "out")
    write_zip(root / "img_align_celeba.zip", {"img_align_celeba/000001.jpg": jpeg(1)})
    with pytest.raises(UserError, match="fetch again"):
        create("celeba", {"root": str(root)}).load(tmp_path / "out", table)


def test_stage_params_separate_what_is_fetched_from_what_is_pooled() -> None:
    params = DATASETS["celeba"].params(root="x", size=96).model_dump()
    fetch, pool = stage_params("celeba", {"kind": "celeba", **params})
    assert pool == {"size": 96, "pad": True, "tolerate_corrupt": 0}
    assert fetch == {"root": "x", "max_images": None, "verify": False}
