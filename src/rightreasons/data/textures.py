"""textures: drawn stripes and blobs, backgrounds that need no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams
from rightreasons.data._files import provenance, write_fetched

#: The values of the attribute `texture`, image by image in turn.
TEXTURES = ("blobs", "waves")
#: Least distance of an image's two colours, of at most the root of 3.
CONTRAST = 0.35


class TexturesParams(DatasetParams):
    """Parameters of `textures`."""

    n_images: int = Field(6000, ge=2, description="number of images, half of either texture")
    seed: int = Field(0, ge=0, description="seed of the images, apart from the study's seeds")


@DATASETS.register(
    "textures",
    title="textures, drawn waves and blobs",
    paper="this project, docs/datasets.md",
    params=TexturesParams,
    licence="MIT, made by this project",
    page="docs/datasets.md",
    shows_images=True,
)
class Textures(Dataset):
    """Images of two colours each, deterministic by seed, with the attribute `texture`.

    Colours, contrast and scale are drawn alike for both textures: form alone tells them apart.
    """

    kind = "textures"

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any]:
        """Return the parameters of some small images."""
        return {"n_images": 6, "size": 16}

    def known_values(self, attribute: str) -> list[str] | None:
        """Return the two textures."""
        return sorted(TEXTURES) if attribute == "texture" else None

    def fetch(self, folder: Path) -> None:
        """Write which image has which texture; the images are drawn by the pool."""
        numbers = range(self.params.n_images)
        table = pd.DataFrame(
            {
                "image_id": [f"{number:06d}" for number in numbers],
                "identity": None,
                "partition": None,
                "texture": pd.array([TEXTURES[n % 2] for n in numbers], dtype="string"),
            }
        )
        write_fetched(folder, table, {"seed": self.params.seed, **provenance(self.kind)})

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Draw some images: each depends on the seed, its number and the size only."""
        size = self.params.size
        images = np.zeros((len(rows), size, size, 3), np.uint8)
        for image, image_id in zip(images, rows["image_id"], strict=True):
            number = int(image_id)
            image[:] = draw(TEXTURES[number % 2], (self.params.seed, number), size)
        return Batch(images)


def draw(texture: str, seed: tuple[int, int], size: int) -> np.ndarray:
    """Draw one image.

    Parameters
    ----------
    texture
        One of TEXTURES.
    seed
        The dataset's seed and the image's number.
    size
        The side in pixels.

    Returns
    -------
    ndarray
        uint8 (size, size, 3).
    """
    rng = np.random.default_rng(seed)
    first, second = rng.random(3), rng.random(3)
    while np.linalg.norm(first - second) < CONTRAST:
        second = rng.random(3)
    grain = 0.04 * rng.standard_normal((size, size, 1))
    level = (_waves if texture == "waves" else _blobs)(rng, size)[..., None]
    pixels = first + level * (second - first) + grain
    return np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)


def _waves(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return bent stripes of four to eight periods, 0 to 1 (size, size)."""
    angle, bend, phase = rng.uniform(0, np.pi), rng.uniform(0.02, 0.06), rng.uniform(0, 2 * np.pi)
    periods = rng.uniform(4, 8)
    centres = (np.arange(size) + 0.5) / size
    x, y = centres[None, :], centres[:, None]
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    moved = along + bend * np.sin(2 * np.pi * 2 * across + phase)
    return 0.5 + 0.5 * np.sin(2 * np.pi * periods * moved + phase)


def _blobs(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return round spots without a direction, about as many as waves, 0 to 1 (size, size)."""
    cells = round(2 * rng.uniform(4, 8))
    axis = (np.arange(size) + 0.5) / size * (cells - 1)
    weights = np.exp(-((axis[:, None] - np.arange(cells)) ** 2))
    smooth = weights @ rng.standard_normal((cells, cells)) @ weights.T
    return 1 / (1 + np.exp(-3 * (smooth - smooth.mean()) / smooth.std()))
