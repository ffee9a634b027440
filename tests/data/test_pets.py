"""Oxford-IIIT Pet: small archives in the official layout, read as torchvision reads them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torchvision.datasets import OxfordIIITPet

from miniatures import (
    SIZES,
    TEST,
    TRAINVAL,
    encoded,
    pet_annotations,
    pet_images,
    pets,
    trimap,
    write_tar,
)
from rightreasons.core.errors import UserError
from rightreasons.data import _files, create
from rightreasons.data.pets import DOWNLOADS, TRIMAPS
from rightreasons.data.pool import Pool, build_pool


def fetched(root: Path, out: Path, **params: object) -> pd.DataFrame:
    create("pets", {"root": str(root), **params}).fetch(out)
    return pd.read_parquet(out / "attributes.parquet")


def refused(root: Path, out: Path, **params: object) -> str:
    with pytest.raises(UserError) as error:
        create("pets", {"root": str(root), **params}).fetch(out)
    assert not (out / "attributes.parquet").exists()
    assert not list(out.glob(".*"))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_official_archives(tmp_path: Path) -> None:
    table = fetched(pets(tmp_path / "root"), tmp_path / "out")
    assert table.drop(columns="identity").to_dict("list") == {
        "image_id": [f"{line.split()[0]}.jpg" for line in (*TRAINVAL, *TEST)],
        "partition": ["trainval"] * 3 + ["test"] * 3,
        "species": ["cat", "dog", "cat", "dog", "cat", "cat"],
        "breed": [
            *("Abyssinian", "American Bulldog", "Egyptian Mau"),
            *("American Bulldog", "Abyssinian", "Egyptian Mau"),
        ],
    }
    assert table["identity"].isna().all()
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    archive = tmp_path / "root" / "images.tar.gz"
    assert source["copied_from"] == {"path": str(archive), "bytes": archive.stat().st_size}
    assert source["images"]["path"] == str(tmp_path / "out" / "images.zip")
    assert source["licence"] == "CC BY-SA 4.0"


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_torchvision_reads_the_same(tmp_path: Path, split: str) -> None:
    """Its parser and its decoded pixels, from the same files, unpacked as it wants them."""
    root = pets(tmp_path / "root")
    for name in ("images", "annotations"):
        with tarfile.open(root / f"{name}.tar.gz") as tar:
            tar.extractall(tmp_path / "oxford-iiit-pet", filter="data")
    kinds = ["category", "binary-category", "segmentation"]
    theirs = OxfordIIITPet(str(tmp_path), split, kinds)
    table = fetched(root, tmp_path / "out")
    ours = table[table["partition"] == split].reset_index(drop=True)
    assert [path.name for path in theirs._images] == ours["image_id"].tolist()
    square = create("pets", {"root": str(root), "size": 16})
    batch = square.load(tmp_path / "out", ours)
    assert not batch.corrupt
    for row, (image, (category, species, segmentation)) in enumerate(theirs):
        assert theirs.classes[category] == ours["breed"][row]
        assert theirs.bin_classes[species].lower() == ours["species"][row]
        if image.size == (16, 16):
            np.testing.assert_array_equal(batch.images[row], np.asarray(image))
            assert batch.masks is not None
            np.testing.assert_array_equal(batch.masks[row] == 1, np.asarray(segmentation) == 1)


def test_checksums_and_addresses_are_torchvisions() -> None:
    ours = {(download.place, download.md5) for download in DOWNLOADS.values()}
    assert ours == set(OxfordIIITPet._RESOURCES)
    assert all(download.place.endswith(f"/{name}") for name, download in DOWNLOADS.items())


@pytest.mark.parametrize("pad", [True, False])
def test_a_mask_lies_where_the_animal_does(tmp_path: Path, pad: bool) -> None:
    """The foreground is the upper half of the dark half of each picture."""
    root = pets(tmp_path / "root")
    table = fetched(root, tmp_path / "out")
    dataset = create("pets", {"root": str(root), "size": 24, "pad": pad})
    batch = dataset.load(tmp_path / "out", table)
    assert batch.masks is not None
    for position, image_id in enumerate(table["image_id"]):
        width, height = SIZES.get(Path(image_id).stem, (16, 16))
        side = max(width, height) if pad else min(width, height)
        grid = (np.arange(24) + 0.5) * side / 24
        shift = [(side - n) // 2 if pad else -((n - side) // 2) for n in (width, height)]
        column, row = grid[None, :] - shift[0], grid[:, None] - shift[1]
        inside = (column >= 0) & (column < width // 2) & (row >= 0) & (row < height // 2)
        assert (batch.masks[position] == inside).mean() > 0.93
        assert inside.any()


def test_a_turned_image_turns_its_mask(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise: the upper left goes to the upper right
    turned = encoded(np.full((12, 20, 3), 90, np.uint8), "JPEG", exif=exif)
    root = pets(tmp_path / "root", {"images/Abyssinian_100.jpg": turned})
    table = fetched(root, tmp_path / "out")
    batch = create("pets", {"root": str(root), "size": 20}).load(tmp_path / "out", table)
    assert batch.masks is not None
    upright = np.rot90(trimap("Abyssinian_100") == 1, -1)  # 20 x 12
    np.testing.assert_array_equal(batch.masks[0, :, 4:16] == 1, upright)
    assert not batch.masks[0, :, :4].any()


def test_the_pool_has_the_mask(tmp_path: Path) -> None:
    root = pets(tmp_path / "root")
    dataset = create("pets", {"root": str(root), "size": 16, "max_images": 4})
    dataset.fetch(tmp_path / "out")
    build_pool(dataset, tmp_path / "out", tmp_path / "pool", 2, lambda it, _: it)
    pool = Pool.open(tmp_path / "pool")
    assert pool.mask_names == ("animal",)
    assert len(pool) == 4
    assert pool.mask("animal").any(axis=(1, 2)).all()
    batch = dataset.load(tmp_path / "out", pool.index)
    np.testing.assert_array_equal(pool.images, batch.images)
    np.testing.assert_array_equal(pool.masks, batch.masks)


def test_unpacked_images_give_the_same(tmp_path: Path) -> None:
    packed, unpacked = pets(tmp_path / "packed"), pets(tmp_path / "unpacked")
    with tarfile.open(unpacked / "images.tar.gz") as tar:
        tar.extractall(unpacked, filter="data")
    (unpacked / "images.tar.gz").unlink()
    one, other = (fetched(root, tmp_path / root.name / "out") for root in (packed, unpacked))
    pd.testing.assert_frame_equal(one, other)
    batches = [
        create("pets", {"root": str(root)}).load(tmp_path / root.name / "out", one)
        for root in (packed, unpacked)
    ]
    np.testing.assert_array_equal(batches[0].images, batches[1].images)
    assert not (tmp_path / "unpacked" / "out" / "images.zip").exists()


def test_only_what_is_used_is_copied_and_the_same_each_time(tmp_path: Path) -> None:
    root = pets(tmp_path / "root")
    for _ in range(2):
        fetched(root, tmp_path / "out", max_images=2)
        first = {name: (tmp_path / "out" / name).read_bytes() for name in ("images.zip", TRIMAPS)}
    fetched(root, tmp_path / "again", max_images=2)
    assert first == {name: (tmp_path / "again" / name).read_bytes() for name in first}
    assert sorted(path.name for path in root.iterdir()) == ["annotations.tar.gz", "images.tar.gz"]


def test_missing_archives_are_named(tmp_path: Path) -> None:
    root = pets(tmp_path / "root")
    (root / "images.tar.gz").unlink()
    message = refused(root, tmp_path / "out")
    assert f"not found in {root}: images.tar.gz (or unpacked: images/)." in message
    assert "https://www.robots.ox.ac.uk/~vgg/data/pets/ and put it into" in message
    assert "annotations.tar.gz" not in message


def test_downloads_are_checked_and_leave_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives here has not the official checksum; torchvision's own code says so."""
    from torchvision.datasets import utils

    good, asked = pets(tmp_path / "good"), []

    def retrieve(url: str, to: str, chunk_size: int = 0) -> None:
        asked.append(url)
        Path(to).write_bytes((good / url.rpartition("/")[2]).read_bytes())

    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, max_hops=3: url)
    monkeypatch.setattr(utils, "_urlretrieve", retrieve)
    dataset = create("pets", data_dir=str(tmp_path / "data"))
    home = tmp_path / "data" / "pets"
    with pytest.raises(UserError, match=r"The download of annotations\.tar\.gz failed") as error:
        dataset.fetch(tmp_path / "out")
    assert f"put it into {home}/ (or a folder in it) under these names" in str(error.value)
    assert list(home.iterdir()) == []
    known = {
        name: _files.Download(d.place, _files.digest(good / name, "md5"))
        for name, d in DOWNLOADS.items()
    }
    monkeypatch.setattr(type(dataset), "downloads", lambda self: known)
    dataset.fetch(tmp_path / "out")
    assert sorted(path.name for path in home.iterdir()) == ["annotations.tar.gz", "images.tar.gz"]
    assert asked[1:] == [DOWNLOADS["annotations.tar.gz"].place, DOWNLOADS["images.tar.gz"].place]


def test_verify_names_an_archive_that_is_not_the_official_one(tmp_path: Path) -> None:
    message = refused(pets(tmp_path / "root"), tmp_path / "out", verify=True)
    assert (
        "not the official files, by their checksums: annotations.tar.gz, images.tar.gz" in message
    )


@pytest.mark.parametrize("archive", ["images.tar.gz", "annotations.tar.gz"])
def test_an_archive_that_breaks_off_anywhere(tmp_path: Path, archive: str) -> None:
    root = pets(tmp_path / "root")
    whole = (root / archive).read_bytes()
    for length in [0, 1, 9, 10, 11, *range(60, len(whole), len(whole) // 25), len(whole) - 1]:
        (root / archive).write_bytes(whole[:length])
        message = refused(root, tmp_path / "out")
        if length == 0:
            assert f"{archive} is an empty file" in message
        elif length > 1:
            assert f"{archive} cannot be read as a tar" in message
            assert "Delete it and download it again." in message


def test_a_damaged_archive(tmp_path: Path) -> None:
    """Any byte may be wrong. gzip's checksum notices, or it is one that says nothing."""
    root = pets(tmp_path / "root")
    whole = bytearray((root / "images.tar.gz").read_bytes())
    expected = fetched(root, tmp_path / "out")
    rng = np.random.default_rng(0)
    messages = []
    for at in rng.integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.integers(8)
        (root / "images.tar.gz").write_bytes(changed)
        try:
            table = fetched(root, tmp_path / "out")
        except UserError as error:
            messages.append(str(error))
        else:
            pd.testing.assert_frame_equal(table, expected)
    assert len(messages) > 40
    assert all("images.tar.gz cannot be read as a tar" in message for message in messages)


@pytest.mark.parametrize("archive", ["images.tar.gz", "annotations.tar.gz"])
@pytest.mark.parametrize("content", [b"<!DOCTYPE html><title>404</title>", b"\x1f\x8bnot a tar"])
def test_files_that_are_no_archives(tmp_path: Path, archive: str, content: bytes) -> None:
    root = pets(tmp_path / "root")
    (root / archive).write_bytes(content)
    message = refused(root, tmp_path / "out")
    page = content.startswith(b"<")
    assert (f"{archive} is a web page" if page else f"{archive} cannot be read") in message


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "../../../etc/passwd"
    return info


@pytest.mark.parametrize("archive", ["images", "annotations"])
@pytest.mark.parametrize(
    "member",
    [
        special("../evil.jpg", tarfile.REGTYPE),
        special("images/../../evil.jpg", tarfile.REGTYPE),
        special("/tmp/evil.jpg", tarfile.REGTYPE),
        special("images/evil.jpg", tarfile.SYMTYPE),
        special("images/evil.jpg", tarfile.LNKTYPE),
        special("images/evil.jpg", tarfile.CHRTYPE),
        special("images/evil.jpg", tarfile.FIFOTYPE),
    ],
    ids=["up", "inside up", "absolute", "symlink", "hard link", "device", "pipe"],
)
def test_members_outside_of_a_tar(tmp_path: Path, archive: str, member: tarfile.TarInfo) -> None:
    root = pets(tmp_path / "root")
    files = pet_images() if archive == "images" else pet_annotations()
    write_tar(root / f"{archive}.tar.gz", files, member)
    message = refused(root, tmp_path / "out")
    assert f"{archive}.tar.gz holds links, devices or members that point outside" in message
    assert member.name in message
    assert {path.name for path in tmp_path.iterdir()} <= {"root", "out"}


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"annotations/test.txt": None}, ["annotations.tar.gz lacks test.txt"]),
        ({"annotations/test.txt": b""}, ["annotations.tar.gz, test.txt lists no images"]),
        (
            {"annotations/test.txt": b"Abyssinian_2 1 1\n"},
            ["annotations.tar.gz, test.txt, lines 1: expected an image"],
        ),
        (
            {"annotations/trainval.txt": b"a_1 1 1 1\na_2 1 3 1\n"},
            ["trainval.txt, lines 2: expected", "1 (cat) or 2 (dog)"],
        ),
        (
            {"annotations/test.txt": b"Abyssinian_100 1 1 1\n"},
            ["lists images more than once: Abyssinian_100.jpg"],
        ),
        (
            {"images/Abyssinian_2.jpg": None},
            ["1 of the 6 listed images are not in", "images.tar.gz: Abyssinian_2.jpg"],
        ),
        (
            {"annotations/trimaps/Abyssinian_2.png": None},
            ["1 of the 6", "annotations.tar.gz: trimaps/Abyssinian_2.png"],
        ),
    ],
)
def test_inconsistent_archives(
    tmp_path: Path, changed: dict[str, bytes | None], parts: list[str]
) -> None:
    message = refused(pets(tmp_path / "root", changed), tmp_path / "out")
    for part in parts:
        assert part in message


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + pet_annotations()["annotations/test.txt"].replace(b"\n", b"\r\n")
    changed = fetched(
        pets(tmp_path / "a", {"annotations/test.txt": content}), tmp_path / "a" / "out"
    )
    plain = fetched(pets(tmp_path / "b"), tmp_path / "b" / "out")
    pd.testing.assert_frame_equal(changed, plain)


@pytest.mark.parametrize(
    ("png", "reason"),
    [
        (b"", "its trimap: UnidentifiedImageError"),
        (encoded(np.ones((9, 9), np.uint8), "PNG"), "the image has (30, 30) pixels, its mask (9"),
        (encoded(np.ones((30, 30, 3), np.uint8), "PNG"), "a trimap has one channel, not RGB"),
    ],
)
def test_an_image_without_a_readable_trimap_is_corrupt(
    tmp_path: Path, png: bytes, reason: str
) -> None:
    root = pets(tmp_path / "root", {"annotations/trimaps/Abyssinian_2.png": png})
    dataset = create("pets", {"root": str(root), "size": 8})
    dataset.fetch(tmp_path / "out")
    with pytest.raises(UserError, match=r"pets: 1 of 6 images cannot be read") as error:
        build_pool(dataset, tmp_path / "out", tmp_path / "pool", 1, lambda it, _: it)
    assert "Abyssinian_2.jpg (its trimap: " in str(error.value)
    assert reason in str(error.value)
