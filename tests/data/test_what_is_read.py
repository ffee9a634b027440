"""Which files are read and which are left out is known, or refused; archives by their content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from miniatures import celeba, jpeg, write_zip
from rightreasons.core.errors import UserError
from rightreasons.data import create
from rightreasons.data._archive import is_system, members
from rightreasons.data._content import content_of

IDS = ["1.png", "2.png"]
CONTENTS = {"1.png": jpeg(50), "2.png": jpeg(200)}


def write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def own(root: Path, **params: object) -> dict[str, object]:
    root.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"image_id": IDS, "Odd": [0, 1]}).to_csv(root / "attributes.csv", index=False)
    return {"root": str(root), "size": 8, **params}


def shades(params: dict[str, object], out: Path, kind: str = "folder") -> list[int]:
    dataset = create(kind, params)
    dataset.fetch(out)
    table = pd.read_parquet(out / "attributes.parquet")
    batch = dataset.load(out, table)
    assert not batch.corrupt
    return [round(int(image[4, 4, 0]), -1) for image in batch.images]


def refused(params: dict[str, object], out: Path, kind: str = "folder") -> str:
    with pytest.raises(UserError) as error:
        create(kind, params).fetch(out)
    assert "\n" not in str(error.value)
    return str(error.value)


def classes(root: Path, out: Path) -> dict[str, int]:
    """Return how many images each class has."""
    create("folder", {"root": str(root), "attributes": None}).fetch(out)
    table = pd.read_parquet(out / "attributes.parquet")
    return table["label"].value_counts().to_dict()


# Several places


def test_two_places_that_hold_the_listed_names(tmp_path: Path) -> None:
    params = own(tmp_path)
    write(tmp_path / "images", {f"{p}/{n}": jpeg(9) for p in ("original", "masks") for n in IDS})
    message = refused(params, tmp_path / "out")
    assert f"2 places in {tmp_path}/images hold all 2 listed images: masks/, original/" in message
    assert shades({**params, "images": "images/masks"}, tmp_path / "out") == [10, 10]


def test_two_places_that_hold_names_spelled_otherwise(tmp_path: Path) -> None:
    write(tmp_path / "images", {f"{p}/{n}.PNG": jpeg(9) for p in ("a", "b") for n in "12"})
    assert "hold all 2 listed images: a, b" in refused(own(tmp_path), tmp_path / "out")


def test_what_the_list_says_itself_is_one_place(tmp_path: Path) -> None:
    write(tmp_path / "images", {**CONTENTS, "masks/1.png": jpeg(9), "masks/2.png": jpeg(9)})
    assert shades(own(tmp_path), tmp_path / "out") == [50, 200]


def test_a_place_that_holds_some_of_them_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "images", {"small/1.png": jpeg(9), "x/1.png": jpeg(50), "x/2.png": jpeg(200)})
    assert shades(own(tmp_path), tmp_path / "out") == [50, 200]
    assert "1 files in" in capsys.readouterr().err


def test_two_places_of_a_list(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    for place in ("a", "b"):
        (root / place).mkdir()
        (root / place / "identity_CelebA.txt").write_bytes(
            (root / "identity_CelebA.txt").read_bytes()
        )
    (root / "identity_CelebA.txt").unlink()
    message = refused({"root": str(root)}, tmp_path / "out", "celeba")
    assert "several places below" in message
    assert f"{root}/a/identity_CelebA.txt, {root}/b/identity_CelebA.txt" in message


# What a system made, links, and what cannot be entered


@pytest.mark.parametrize(
    "made",
    [
        "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
        "a/@eaDir/x.jpg",
        "#recycle/9.jpg",
        "$RECYCLE.BIN/9.jpg",
        ".thumbnails/9.jpg",
        "__MACOSX/a/1.jpg",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_folders_that_a_system_made_are_no_classes(
    tmp_path: Path, made: str, packed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = {name: jpeg(9) for name in ("a/1.jpg", "b/1.jpg", made)}
    write(tmp_path / "images", contents)
    if packed:
        write_zip(tmp_path / "images.zip", contents)
        (tmp_path / "images").rename(tmp_path / "other")
    assert classes(tmp_path, tmp_path / "out") == {"a": 1, "b": 1}
    said = capsys.readouterr().err
    assert f"1 files are no images and left out: {made}" in said
    assert "1 of them are images that are hidden or in folders that a system made" in said
    assert is_system(made)


def test_a_folder_that_cannot_be_entered_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "images", {f"{kind}/1.jpg": jpeg(9) for kind in "abc"})
    real = os.scandir

    def scandir(path: object) -> object:  # as for a person who is not root
        if str(path).rstrip("/").endswith("images/c"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("rightreasons.data._archive.os.scandir", scandir)
    with pytest.raises(UserError, match=r"images/c/? cannot be entered: Permission denied"):
        classes(tmp_path, tmp_path / "out")


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"cats/1.jpg": jpeg(50), "dogs/1.jpg": jpeg(200)})
    (tmp_path / "images").mkdir()
    for kind in ("cats", "dogs"):
        (tmp_path / "images" / kind).symlink_to(tmp_path / "elsewhere" / kind)
    assert classes(tmp_path, tmp_path / "out") == {"cats": 1, "dogs": 1}


def test_celeba_in_a_linked_folder(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    with zipfile.ZipFile(root / "img_align_celeba.zip") as archive:
        archive.extractall(tmp_path / "elsewhere")
    (root / "img_align_celeba.zip").unlink()
    (root / "img_align_celeba").mkdir()
    (root / "img_align_celeba" / "sub").symlink_to(tmp_path / "elsewhere" / "img_align_celeba")
    assert len(shades({"root": str(root), "size": 8}, tmp_path / "out", "celeba")) == 6


def test_links_in_a_circle_are_cut_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "images", {"a/1.jpg": jpeg(9), "b/1.jpg": jpeg(9)})
    (tmp_path / "images" / "a" / "up").symlink_to(tmp_path / "images")
    assert members(tmp_path / "images") == {"a/1.jpg", "b/1.jpg"}
    assert "1 links to a folder that they lie in left out: a/up" in capsys.readouterr().err


@pytest.mark.parametrize("attributes", ["attributes.csv", None])
def test_an_archive_within_an_archive_is_named(tmp_path: Path, attributes: str | None) -> None:
    params = own(tmp_path, attributes=attributes)
    write_zip(tmp_path / "inner.zip", CONTENTS)
    inner = (tmp_path / "inner.zip").read_bytes()
    write_zip(tmp_path / "images.zip", {"inner.zip": inner, "more/b.tar.gz": b"x"})
    message = refused(params, tmp_path / "out")
    assert "It holds archives, which are not opened: inner.zip, more/b.tar.gz" in message


# Archives by their content


def tarred(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "images.tar": lambda content: content,
    "images.tar.bz2": bz2.compress,
    "images.tar.xz": lzma.compress,
    "images.TAR.GZ": gzip.compress,
    "images.zip": gzip.compress,
    "images.tgz": lzma.compress,
    "images.bin": bz2.compress,
    "images": lambda content: content,
}


@pytest.mark.parametrize("name", PACKED)
def test_a_tar_is_a_tar_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    params = own(tmp_path, images=name)
    (tmp_path / name).write_bytes(PACKED[name](tarred({f"x/{i}": CONTENTS[i] for i in IDS})))
    assert content_of(tmp_path / name) == "tar"
    assert shades(params, tmp_path / "out") == [50, 200]


@pytest.mark.parametrize("name", [n for n in PACKED if n != "images.tar" and n != "images"])
def test_a_packed_tar_that_breaks_off_or_leads_outside(tmp_path: Path, name: str) -> None:
    params = own(tmp_path, images=name)
    contents = {f"x/{i}": CONTENTS[i] + os.urandom(3000) for i in IDS}
    whole = PACKED[name](tarred(contents))
    (tmp_path / name).write_bytes(whole[:-1000])
    message = refused(params, tmp_path / "out")
    assert f"{name} cannot be read as a tar" in message
    (tmp_path / name).write_bytes(PACKED[name](tarred({**contents, "../evil.png": b"x"})))
    assert "point outside of it: ../evil.png" in refused(params, tmp_path / "out")
    assert not (tmp_path / "evil.png").exists()
    assert not (tmp_path.parent / "evil.png").exists()


def test_a_zip_by_another_name(tmp_path: Path) -> None:
    params = own(tmp_path, images="images.tar.gz")
    write_zip(tmp_path / "images.tar.gz", CONTENTS)
    assert shades(params, tmp_path / "out") == [50, 200]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"7z\xbc\xaf\x27\x1c" + b"x" * 99, "is a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00", "is a RAR archive"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 99, "packed by Zstandard"),
        (gzip.compress(jpeg(9)), "is one file packed by gzip"),
        (jpeg(9), "is a single image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"image_id,Odd\n1.png,0\n", "is a text file"),
        (b"\x01\x02\x00\x03" * 99, "is a file of unknown content"),
    ],
)
def test_a_whole_file_of_another_kind_is_never_to_be_deleted(
    tmp_path: Path, content: bytes, what: str
) -> None:
    params = own(tmp_path, images="images.zip")
    (tmp_path / "images.zip").write_bytes(content)
    message = refused(params, tmp_path / "out")
    assert what in message
    assert f"{tmp_path}/images.zip" in message
    assert "elete" not in message


@pytest.mark.parametrize("place", ["images.zip", "attributes.csv"])
def test_a_file_that_must_not_be_read_is_one_line(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = own(tmp_path, images="images.zip")
    write_zip(tmp_path / "images.zip", CONTENTS)
    real = Path.open

    def opened(path: Path, *args: object, **options: object) -> object:
        if path.name == place:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(Path, "open", opened)
    message = refused(params, tmp_path / "out")
    assert f"{tmp_path}/{place} cannot be read: Permission denied" in message


def test_a_zip_that_python_cannot_unpack(tmp_path: Path) -> None:
    params = own(tmp_path)
    write_zip(tmp_path / "images.zip", CONTENTS)
    content = bytearray((tmp_path / "images.zip").read_bytes())
    for sign, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        for place in range(len(content)):
            if content[place : place + 4] == sign:
                content[place + at] = 9  # Deflate64
    (tmp_path / "images.zip").write_bytes(content)
    message = refused(params, tmp_path / "out")
    assert "Deflate64" in message
    assert "Unpack it" in message


def test_files_that_no_list_names_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "images", {**CONTENTS, "3.png": jpeg(9), "notes.txt": b"x"})
    assert shades(own(tmp_path), tmp_path / "out") == [50, 200]
    assert f"2 files in {tmp_path}/images are not listed and not used" in capsys.readouterr().err


def test_names_beyond_ascii_in_a_tar(tmp_path: Path) -> None:
    params = own(tmp_path, images="images.tar", attributes="a.csv")
    pd.DataFrame({"image_id": ["日本/1.png"], "x": [1]}).to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "images.tar").write_bytes(tarred({"日本/1.png": jpeg(50)}))
    assert np.isclose(shades(params, tmp_path / "out"), 50).all()
