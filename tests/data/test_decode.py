"""Decoding: every kind of image becomes upright 8-bit RGB squares."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rightreasons.data._decode import decode, decode_mask

RED, BLUE = (220, 30, 40), (30, 40, 210)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(width: int = 40, height: int = 40) -> Image.Image:
    """Red on top, blue below."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (0, height // 2, width, height))
    return image


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG"])
def test_formats(kind: str) -> None:
    pixels = decode(encoded(halves(), kind), 20, True)
    assert pixels.shape == (20, 20, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[2, 10], RED, atol=12)
    np.testing.assert_allclose(pixels[17, 10], BLUE, atol=12)


def test_palette_and_cmyk() -> None:
    np.testing.assert_allclose(
        decode(encoded(halves().convert("P", palette=Image.Palette.ADAPTIVE)), 20, True)[2, 10], RED
    )
    cmyk = decode(encoded(halves().convert("CMYK"), "JPEG"), 20, True)
    np.testing.assert_allclose(cmyk[2, 10], RED, atol=12)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_becomes_equal_channels(mode: str) -> None:
    pixels = decode(encoded(Image.new("L", (9, 9), 255).convert(mode)), 8, True)
    assert (pixels == 255).all()


def test_sixteen_bits_keep_their_high_byte() -> None:
    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024
    pixels = decode(encoded(Image.fromarray(ramp)), 8, True)
    np.testing.assert_array_equal(pixels[..., 0], ramp >> 8)
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])


def test_transparency_lies_on_black() -> None:
    image = Image.new("RGBA", (8, 8), (*RED, 0))
    image.paste((*BLUE, 255), (0, 4, 8, 8))
    pixels = decode(encoded(image), 8, True)
    assert pixels[1, 4].tolist() == [0, 0, 0]
    assert pixels[6, 4].tolist() == list(BLUE)


@pytest.mark.parametrize(("orientation", "red"), [(1, (2, 10)), (3, (17, 10)), (6, (10, 17))])
def test_exif_orientation(orientation: int, red: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(halves(), "JPEG", exif=exif), 20, True)
    np.testing.assert_allclose(pixels[red], RED, atol=12)


def test_padding_keeps_everything_and_cropping_keeps_the_middle() -> None:
    tall = halves(20, 40)
    padded = decode(encoded(tall), 40, True)
    assert (padded[:, :10] == 0).all()
    assert (padded[:, 30:] == 0).all()
    np.testing.assert_array_equal(padded[:, 10:30], np.asarray(tall))
    cropped = decode(encoded(tall), 20, False)
    np.testing.assert_array_equal(cropped, np.asarray(tall)[10:30])
    wide = tall.transpose(Image.Transpose.ROTATE_90)
    np.testing.assert_array_equal(decode(encoded(wide), 20, False), np.asarray(wide)[:, 10:30])


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("shape", [(31, 31), (20, 50), (50, 20), (5, 7)])
def test_a_mask_is_where_its_picture_would_be_bright(shape: tuple[int, int], pad: bool) -> None:
    """Were the mask the image itself, it would be the pixels that are at least half white."""
    rng = np.random.default_rng(shape[0])
    mask = np.kron(rng.random((shape[0] // 5 + 1, shape[1] // 5 + 1)) < 0.5, np.ones((5, 5))) > 0
    mask = mask[: shape[0], : shape[1]]
    data = encoded(Image.fromarray(mask.astype(np.uint8) * 255))
    got = decode_mask(mask, data, 16, pad)
    assert got.dtype == bool
    np.testing.assert_array_equal(got, decode(data, 16, pad)[..., 0] >= 128)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(40, 40\) pixels, its mask \(40, 39\)"):
        decode_mask(np.ones((39, 40), bool), encoded(halves()), 8, True)


@pytest.mark.parametrize(
    "data",
    [b"", b"not an image", encoded(halves(), "JPEG")[:400], encoded(halves())[:60]],
    ids=["empty", "text", "half a JPEG", "half a PNG"],
)
def test_broken_images_raise(data: bytes) -> None:
    with pytest.raises((OSError, ValueError, SyntaxError)):
        decode(data, 8, True)
