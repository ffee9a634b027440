"""Image bytes to square RGB arrays: every mode that Pillow reads, upright, 8 bits."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

_ORIENTATION = 0x0112  # EXIF's tag
_SHORT = ("I;16", "I;16L", "I;16B", "I;16N")


def decode(data: bytes, size: int, pad: bool) -> np.ndarray:
    """Return an encoded image as uint8 (size, size, 3), turned upright by its EXIF orientation.

    Grey, palette, CMYK and 16-bit images become 8-bit RGB; transparency is laid on black. With
    `pad` the image is padded with black to a square, otherwise its central square is cut out;
    then it is resized (bilinear, antialiased). Raises OSError or ValueError for what is no image.
    """
    with open_image(data) as image:
        upright = ImageOps.exif_transpose(image)
        rgb = _to_rgb(upright)
    return np.asarray(_square(rgb, size, pad))


def decode_mask(mask: np.ndarray, data: bytes, size: int, pad: bool) -> np.ndarray:
    """Return the mask of an encoded image, brought to the same square as the image by `decode`.

    mask: bool (H, W), as the image is stored; the result is bool (size, size), True where the
    mask covers half of a pixel or more. Raises ValueError where the sizes differ.
    """
    with open_image(data) as image:
        size_of_image, orientation = image.size, image.getexif().get(_ORIENTATION, 1)
    if mask.shape != size_of_image[::-1]:
        raise ValueError(f"the image has {size_of_image} pixels, its mask {mask.shape[::-1]}")
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    picture.getexif()[_ORIENTATION] = orientation
    return np.asarray(_square(ImageOps.exif_transpose(picture), size, pad)) >= 128


def decode_boxes(
    boxes: np.ndarray, fractions: bool, data: bytes, size: int, pad: bool
) -> np.ndarray:
    """Return where boxes lie in an encoded image, brought to the same square as by `decode`.

    boxes: float (k, 4), left, upper, right and lower edges of the upright image, in fractions of it
    or pixels; edges are rounded to whole pixels (halves up), what lies beyond the image is cut off.
    The result is bool (size, size), True where they cover half of a pixel or more. Raises
    ValueError for a box outside of the image.
    """
    with open_image(data) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) >= 5:  # lies on its side
            width, height = height, width
    mask = np.zeros((height, width), np.uint8)
    scale = np.array([width, height] * 2) if fractions else 1
    for box in np.floor(boxes * scale + 0.5).astype(np.int64):
        x0, y0, x1, y1 = np.clip(box, 0, [width, height] * 2)
        if x1 <= x0 or y1 <= y0:
            raise ValueError(
                f"the box {tuple(box.tolist())} is outside of the image's {width} x {height} pixels"
            )
        mask[y0:y1, x0:x1] = 255
    return np.asarray(_square(Image.fromarray(mask), size, pad)) >= 128


def open_image(data: bytes) -> Image.Image:
    """Open an image; unlike Pillow's own, the error is the same each time."""
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        what = "no image that Pillow knows" if data else "an empty file"
        raise UnidentifiedImageError(what) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SHORT or image.mode == "I":
        return _from_short(np.asarray(image)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range: save it with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    return image.convert("RGB")


def _from_short(pixels: np.ndarray) -> Image.Image:
    """Return 16-bit grey as 8-bit grey: the high byte."""
    return Image.fromarray((np.clip(pixels, 0, 65535).astype(np.uint16) >> 8).astype(np.uint8))


def _square(image: Image.Image, size: int, pad: bool) -> Image.Image:
    """Return the image as a size x size square. `resize` may be asked for a part of the image."""
    width, height = image.size
    if width == height:
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if not pad:
        side = min(width, height)
        x, y = (width - side) // 2, (height - side) // 2
        return image.resize((size, size), Image.Resampling.BILINEAR, (x, y, x + side, y + side))
    side = max(width, height)
    if side**2 > 2 * (Image.MAX_IMAGE_PIXELS or side**2):  # what Pillow refuses to open
        raise ValueError(f"{width} x {height} pixels are too many once padded; set pad: false")
    canvas = Image.new(image.mode, (side, side))
    canvas.paste(image, ((side - width) // 2, (side - height) // 2))
    return canvas.resize((size, size), Image.Resampling.BILINEAR)
