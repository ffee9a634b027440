"""From a clean picture to a photograph: exposure, blur, noise, JPEG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from rightreasons.data.synthfaces.canvas import clip


def photograph(picture: np.ndarray, latents: Any) -> np.ndarray:
    """Return a photograph of a clean picture.

    The noise depends only on `noise_seed` and the size, so that twins have the same.

    Parameters
    ----------
    picture : float32 (3, size, size), in [0, 1]
        The clean picture.
    latents
        A row of `sample_latents`, as a named tuple.

    Returns
    -------
    ndarray
        uint8 (size, size, 3).
    """
    size = picture.shape[1]
    warmth = 0.05 * latents.light_warmth
    balance = 255 * latents.exposure * np.array((1 + warmth, 1, 1 - warmth))
    exposed = picture * balance.astype(np.float32)[:, None, None] + 0.5
    # Planes first, pixels last: the copy is cheaper once the values are single bytes.
    pixels = np.ascontiguousarray(clip(exposed, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    blurred = Image.fromarray(pixels).filter(ImageFilter.BoxBlur(latents.blur * size))
    rng = np.random.default_rng(int(latents.noise_seed))
    grain = rng.standard_normal((size, size, 1), dtype=np.float32)
    grain *= 255 * latents.noise
    noisy = clip(np.asarray(blurred) + (grain + 0.5), 0, 255).astype(np.uint8)
    return _compressed(noisy, round(latents.jpeg_quality))


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream, formats=("JPEG",)))
