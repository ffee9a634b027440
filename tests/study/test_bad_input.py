"""Bad input: each case is one readable line, and what was there before stays.

Archives of the official layouts are in test_data_files.py and test_data_pets.py, configs in
test_config.py, stored models and pickles in test_models.py.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from rightreasons.contracts.fakes import CPU
from rightreasons.core.errors import UserError, reason
from rightreasons.data import create
from rightreasons.data.pool import Pool, build_pool
from rightreasons.models import architectures
from rightreasons.models.architectures import build_classifier
from rightreasons.models.storage import load_model, save_model
from rightreasons.regions.networks import build_patch_network

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(mode: str, colour: object, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, colour)


def own(root: Path, images: dict[str, bytes], table: bytes | None = None) -> Path:
    """Write a zip of images with their table."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for name, content in images.items():
            archive.writestr(name, content)
    rows = "".join(f"{name},{i % 2}\n" for i, name in enumerate(images))
    content = f"image_id,Odd\n{rows}".encode() if table is None else table
    (root / "attributes.csv").write_bytes(content)
    return root


def pooled(root: Path, **params: object) -> Pool:
    dataset = create("folder", {"root": str(root), "size": 8, **params}, name="mine")
    dataset.fetch(root / "out")
    build_pool(dataset, root / "out", root / "pool", 1, lambda it, _: it)
    return Pool.open(root / "pool")


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        run()
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


PALETTE = flat("P", 1)
PALETTE.putpalette([0, 0, 0, 10, 200, 30])

FRAMES = encoded(PALETTE, "GIF", save_all=True, append_images=[flat("P", 0)])

#: Name of a file -> its content and the colour that the pool has.
ODD_IMAGES: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "grey.png": (encoded(flat("L", 77)), (77, 77, 77)),
    "grey.jpg": (encoded(flat("L", 77), "JPEG"), (77, 77, 77)),
    "grey_alpha.png": (encoded(flat("LA", (200, 128))), (100, 100, 100)),
    "black_white.png": (encoded(flat("1", 1)), (255, 255, 255)),
    "sixteen.png": (encoded(Image.fromarray(np.full((8, 8), 40000, np.uint16))), (156,) * 3),
    "sixteen.tif": (encoded(Image.fromarray(np.full((8, 8), 255, np.uint16)), "TIFF"), (0, 0, 0)),
    "palette.png": (encoded(PALETTE), (10, 200, 30)),
    "see_through.png": (encoded(PALETTE, transparency=1), (0, 0, 0)),
    "animated.gif": (FRAMES, (10, 200, 30)),
    "palette.gif": (encoded(PALETTE, "GIF"), (10, 200, 30)),
    "cmyk.jpg": (encoded(flat("CMYK", (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "cmyk.tif": (encoded(flat("CMYK", (0, 0, 0, 255)), "TIFF"), (0, 0, 0)),
    "half.png": (encoded(flat("RGBA", (200, 100, 0, 128))), (100, 50, 0)),
    "one_pixel.jpg": (encoded(flat("RGB", (90, 90, 90), (1, 1)), "JPEG"), (90, 90, 90)),
    "one_pixel.png": (encoded(flat("RGBA", (90, 80, 70, 255), (1, 1))), (90, 80, 70)),
    "one_bit.png": (encoded(flat("1", 1, (1, 1))), (255, 255, 255)),
    "lab.tif": (encoded(flat("LAB", (255, 128, 128)), "TIFF"), (255, 255, 255)),
}


@pytest.mark.parametrize("pad", [True, False])
def test_odd_images_become_the_colour_that_they_show(tmp_path: Path, pad: bool) -> None:
    contents = {name: content for name, (content, _) in ODD_IMAGES.items()}
    pool = pooled(own(tmp_path, contents), pad=pad)
    assert pool.index["image_id"].tolist() == list(ODD_IMAGES)
    for row, (name, (_, colour)) in enumerate(ODD_IMAGES.items()):
        expected = np.broadcast_to(np.array(colour, np.uint8), (8, 8, 3))
        np.testing.assert_allclose(pool.images[row], expected, atol=2, err_msg=name)


def test_a_line_of_pixels_lies_on_black_or_is_cut(tmp_path: Path) -> None:
    line = {
        f"{i}.png": encoded(flat("RGB", (250, 0, 0), size))
        for i, size in enumerate(((1, 8), (8, 1)))
    }
    padded = pooled(own(tmp_path / "a", line)).images
    assert (padded[0, :, 3] == [250, 0, 0]).all()
    assert padded[0].sum() == padded[1].sum() == 8 * 250
    assert (pooled(own(tmp_path / "b", line), pad=False).images == [250, 0, 0]).all()


WHOLE = encoded(Image.fromarray(PIXELS), "JPEG", quality=95)
FLOATS = encoded(Image.fromarray(np.ones((8, 8), np.float32)), "TIFF")

#: What is no image: its content and the reason that the error names.
NO_IMAGES = {
    "empty.jpg": (b"", "UnidentifiedImageError: an empty file"),
    "text.jpg": (b"not an image", "UnidentifiedImageError: no image that Pillow knows"),
    "page.jpg": (b"<!DOCTYPE html>", "UnidentifiedImageError: no image that Pillow knows"),
    "half.jpg": (WHOLE[: len(WHOLE) // 2], "OSError: image file is truncated"),
    "header.jpg": (WHOLE[:30], "OSError: Truncated File Read"),
    "half.png": (encoded(Image.fromarray(PIXELS))[:900], "OSError: image file is truncated"),
    "floats.tif": (FLOATS, "ValueError: floating-point pixels have no fixed range"),
    "line.png": (encoded(flat("1", 0, (20000, 1))), "ValueError: 20000 x 1 pixels are too many"),
}


def test_what_is_no_image_is_named_with_its_reason(tmp_path: Path) -> None:
    good = {"good.jpg": WHOLE}
    broken = {name: content for name, (content, _) in NO_IMAGES.items()}
    root = own(tmp_path, {**broken, **good})
    message = refused(lambda: pooled(root, tolerate_corrupt=3))
    assert message.startswith("dataset mine: 8 of 9 images cannot be read, 3 tolerated: ")
    assert message.endswith("or raise tolerate_corrupt to leave these images out.")
    for name, (_, why) in NO_IMAGES.items():
        assert f"{name} ({why}" in message
    assert "good.jpg" not in message
    assert "0x" not in message  # an object's address, which differs from run to run
    assert not list((root / "pool").iterdir())
    pool = pooled(root, tolerate_corrupt=8)
    assert pool.index["image_id"].tolist() == ["good.jpg"]
    assert pool.meta["corrupt"].keys() == broken.keys()


def test_a_jpeg_that_breaks_off_anywhere_is_whole_or_refused(tmp_path: Path) -> None:
    """Only what follows the last pixel can be missing."""
    lengths = range(0, len(WHOLE), 7)
    root = own(tmp_path, {f"{n}.jpg": WHOLE[:n] for n in lengths} | {"whole.jpg": WHOLE})
    pool = pooled(root, tolerate_corrupt=len(lengths))
    assert pool.index["image_id"].iloc[-1] == "whole.jpg"
    assert len(pool.meta["corrupt"]) >= len(lengths) - 2
    for image in pool.images:
        np.testing.assert_array_equal(image, pool.images[-1])


def test_a_damaged_zip_is_refused_or_its_images_are_named(tmp_path: Path) -> None:
    """Bytes change or are missing anywhere, the directory at the end included."""
    contents = {f"{i}.png": encoded(flat("L", 50 * i)) for i in range(4)}
    root = own(tmp_path, contents)
    expected = np.array(pooled(root).images)
    whole = (root / "images.zip").read_bytes()
    rng = np.random.default_rng(1)
    messages = []
    for k in range(90):
        changed = bytearray(whole[: rng.integers(len(whole))] if k % 3 == 0 else whole)
        for at in rng.integers(0, len(changed) or 1, 3 if k % 3 else 0):
            changed[at] = rng.integers(256)
        (root / "images.zip").write_bytes(changed)
        try:
            np.testing.assert_array_equal(pooled(root).images, expected)
        except UserError as error:
            messages.append(str(error))
    assert len(messages) > 60
    for message in messages:
        assert "\n" not in message
        assert any(
            part in message
            for part in (
                "is no whole zip file: it breaks off, the download was not finished. Delete it",
                "is a file of unknown content",
                "is an empty file",
                "is a damaged zip file (",
                "listed images are not in",
                "holds links, devices or members that point outside of it",
                "images cannot be read, 0 tolerated",
            )
        )


def test_an_encrypted_image_is_named(tmp_path: Path) -> None:
    root = own(tmp_path, {"0.png": encoded(flat("L", 1)), "1.png": encoded(flat("L", 2))})
    whole = bytearray((root / "images.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.rindex(signature) + offset] |= 1
    (root / "images.zip").write_bytes(whole)
    message = refused(lambda: pooled(root))
    assert "1 of 2 images cannot be read" in message
    assert "1.png (RuntimeError: File '1.png' is encrypted" in message


def test_a_failed_fetch_leaves_the_last_good_one(tmp_path: Path) -> None:
    root = own(tmp_path, {"0.png": encoded(flat("L", 1))})
    pooled(root)
    before = {path.name: path.read_bytes() for path in (root / "out").iterdir()}
    (root / "attributes.csv").write_text("image_id,Odd\ngone.png,1\n")
    refused(lambda: pooled(root))
    assert {path.name: path.read_bytes() for path in (root / "out").iterdir()} == before


def test_line_ends_byte_order_marks_and_trailing_commas_mean_nothing(tmp_path: Path) -> None:
    images = {f"{i}.png": encoded(flat("L", i)) for i in range(3)}
    plain = pooled(own(tmp_path / "plain", images)).index
    table = b"image_id,Odd\r\n0.png,0,\r\n1.png,1,\r\n2.png,0,\r\n"
    for name, content in (("bom", b"\xef\xbb\xbf" + table), ("none", table)):
        other = pooled(own(tmp_path / name, images, content)).index
        pd.testing.assert_frame_equal(other, plain)


def test_numbers_as_names_keep_their_zeros(tmp_path: Path) -> None:
    images = {"001": encoded(flat("L", 1)), "1": encoded(flat("L", 2))}
    table = b"image_id,who,where,a\n001,07,010,1\n1,7,10,0\n"
    params = {"identity_column": "who", "partition_column": "where"}
    index = pooled(own(tmp_path, images, table), **params).index
    assert index["image_id"].tolist() == ["001", "1"]
    assert index["identity"].tolist() == ["07", "7"]
    assert index["partition"].tolist() == ["010", "10"]
    assert index["a"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        (b"", ["cannot be read as a table: No columns to parse"]),
        (b"\xef\xbb\xbf\r\n", ["cannot be read as a table"]),
        (b"image_id,a\n", ["lists no images"]),
        (b"image_id;a\n0.png;1\n", ["no column 'image_id'", "of a CSV are separated by commas"]),
        ("image_id,a\n0.png,é\n".encode("latin-1"), ["it is not in UTF-8", "Save it in that"]),
        ("image_id,a\n0.png,1\n".encode("utf-16"), ["it is not in UTF-8"]),
        (b"image_id,a\n0.png,1,7\n1.png,1,8\n", ["its rows have more fields than its header"]),
        (b"image_id,a\n0.png,1\n1.png,1,8\n", ["Expected 2 fields in line 3, saw 3"]),
        (b"image_id,a,b,a\n0.png,1,1,0\n", ["several columns are called a"]),
        (b'image_id,a\n"0.png,1\n', ["EOF inside string"]),
        (b"image_id,a\n0.png,1\n0.png,0\n", ["more than once: 0.png. Keep one row each"]),
        (b"image_id,a\n0.png,1\n,0\n", ["no image id in the rows 2"]),
        (b"image_id,a\n0.png,1\n7.png,0\n", ["1 of the 2 listed images are not in", "7.png"]),
        (b"image_id,identity\n0.png,1\n", ["the names identity are reserved"]),
    ],
)
def test_tables_that_are_none(tmp_path: Path, table: bytes, parts: list[str]) -> None:
    root = own(tmp_path, {"0.png": encoded(flat("L", 1)), "1.png": encoded(flat("L", 1))}, table)
    message = refused(lambda: pooled(root))
    for part in [*parts, f"{root}/attributes.csv" if "listed" not in parts[0] else "images.zip"]:
        assert part in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"PAR1 cut short", "cannot be read as a table"),
        ({"a": [[1, 2], [3]]}, "its column a holds lists"),
        ({"a": [{"b": 1}, {"b": 2}]}, "its column a holds lists"),
    ],
)
def test_parquet_tables_that_are_none(tmp_path: Path, content: object, part: str) -> None:
    root = own(tmp_path, {"0.png": encoded(flat("L", 1)), "1.png": encoded(flat("L", 1))})
    if isinstance(content, bytes):
        (root / "a.parquet").write_bytes(content)
    else:
        pd.DataFrame({"image_id": ["0.png", "1.png"], **content}).to_parquet(root / "a.parquet")
    message = refused(lambda: pooled(root, attributes="a.parquet"))
    assert part in message
    assert "a.parquet" in message


def test_a_folder_in_place_of_the_table(tmp_path: Path) -> None:
    root = own(tmp_path, {"0.png": encoded(flat("L", 1))})
    (root / "attributes.csv").unlink()
    (root / "attributes.csv").mkdir()
    assert "attributes.csv is a folder without a Parquet file" in refused(lambda: pooled(root))


class Tiny(torch.nn.Module):
    """A network whose files are small."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
        self.norm = torch.nn.BatchNorm1d(2)


@pytest.mark.parametrize("name", ["w.pth", "legacy.pth", "w.safetensors"])
def test_damaged_weights_are_refused_or_finite_and_of_the_right_shape(
    tmp_path: Path, name: str
) -> None:
    """torch's reader raises a dozen types of exceptions; none may reach the user."""
    path, network = tmp_path / name, Tiny()
    if name == "w.safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=name == "w.pth")
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    messages = []
    for k in range(150):
        changed = bytearray(whole[: rng.integers(len(whole))] if k % 3 == 0 else whole)
        for at in rng.integers(0, len(changed) or 1, 3 if k % 3 else 0):
            changed[at] = rng.integers(256)
        path.write_bytes(changed)
        try:
            state = architectures.from_file(path, network, (), "tiny")
        except UserError as error:
            messages.append(str(error))
        else:
            network.load_state_dict(state)
            assert all(tensor.isfinite().all() for tensor in state.values())
    assert len(messages) > 50
    assert all(m.startswith("model.weights: ") and "\n" not in m for m in messages)


def test_numbers_as_keys_are_no_state_dict(tmp_path: Path) -> None:
    torch.save({1: torch.ones(2), "a": torch.ones(2)}, tmp_path / "w.pth")
    path = str(tmp_path / "w.pth")
    message = refused(lambda: architectures.from_file(path, Tiny(), (), "tiny"))
    assert "do not fit" in message


def test_stored_networks_of_another_kind_are_refused_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(build_classifier("small_cnn"), path)
    message = refused(lambda: load_model(path, "resnet18", CPU))
    assert "is no model of resnet18: delete it and run again." in message
    assert len(message) < 600
    region = build_patch_network(
        "dense", n_classes=2, size=32, patch=16, positions=9, embedding=4, seed=0
    )
    message = refused(lambda: region.load(path))
    assert "holds no patch classifier of these settings: delete it and run again." in message


def test_the_reason_of_an_exception_is_one_line() -> None:
    assert reason(ValueError("a\n  b\tc\n")) == "a b c"
    assert reason(EOFError()) == "EOFError"
    assert len(reason(ValueError("word " * 500))) <= 300
