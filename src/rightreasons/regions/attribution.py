"""Attribution maps of a pool: where in its images a patch classifier finds the attribute."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.regions.geometry import grid_of, normalised, resized, spread

#: Images whose confidences are averaged at a time.
CHUNK = 4096


@dataclass(frozen=True)
class Attribution:
    """The confidences of a patch classifier on every image of a pool.

    Parameters
    ----------
    confidence : (N, g, g), in [0, 1]
        One grid per row of the pool; stays on disk where it is memory-mapped.
    size
        I, the side of the images in pixels.
    patch
        k, the side of a patch in pixels.
    attribute
        What the classifier was trained on.
    kind
        Which confidence was taken.
    mean : (g, g)
        The mean over all images, computed when it is missing.
    """

    confidence: np.ndarray
    size: int
    patch: int
    attribute: str = ""
    kind: str = "maximum"
    mean: np.ndarray | None = None

    @classmethod
    def load(cls, folder: str | Path) -> Attribution:
        """Open the attribution maps of a folder.

        Parameters
        ----------
        folder
            With `confidence.npy` (opened by memory map), `region.json` and, where there is one,
            `mean.npy`.

        Raises
        ------
        UserError
            For a missing file, and for confidences that do not fit the metadata.
        """
        folder = Path(folder)
        for name in ("confidence.npy", "region.json"):
            if not (folder / name).is_file():
                raise UserError(
                    f"{folder} holds no attribution maps: it has no {name}. Run the stage `region`."
                )
        meta = json.loads((folder / "region.json").read_text())
        confidence = np.load(folder / "confidence.npy", mmap_mode="r")
        _check_grid(confidence, meta["positions"], folder / "confidence.npy")
        mean = folder / "mean.npy"
        return cls(
            confidence,
            meta["size"],
            meta["patch"],
            meta["attribute"],
            meta["confidence"],
            np.load(mean) if mean.is_file() else None,
        )

    def __len__(self) -> int:
        return len(self.confidence)

    def general(self, size: int | None = None) -> np.ndarray:
        """Return the general map: that of the mean over all images.

        Parameters
        ----------
        size
            The side of the map in pixels; the images' own by default.

        Returns
        -------
        ndarray
            float32 (size, size), scaled to [0, 1]; zeros where the mean is the same everywhere.
        """
        mean = self._mean() if self.mean is None else self.mean
        return self._pixels(mean, size)

    def specific(self, rows: np.ndarray, size: int | None = None) -> np.ndarray:
        """Return the maps of some images.

        Parameters
        ----------
        rows
            Rows of the pool.
        size
            The side of the maps in pixels; the images' own by default.

        Returns
        -------
        ndarray
            float32 (n, size, size), each scaled to [0, 1].

        Raises
        ------
        UserError
            Where an image has no finite confidences.
        """
        confidence = np.asarray(self.confidence[np.asarray(rows)], np.float32)
        lost = np.flatnonzero(~np.isfinite(confidence).all(axis=(1, 2)))
        if len(lost):
            raise UserError(
                f"{len(lost)} of {len(rows)} images have no attribution map for "
                f"{self.attribute!r}, first row {rows[lost[0]]} of the pool. Run the "
                "stage `region` on the whole pool."
            )
        return self._pixels(confidence, size)

    def _pixels(self, confidence: np.ndarray, size: int | None) -> np.ndarray:
        maps = spread(confidence, self.size, self.patch)
        return normalised(maps if size in (None, self.size) else resized(maps, size))

    def _mean(self) -> np.ndarray:
        total = np.zeros(self.confidence.shape[1:])
        for start in range(0, len(self), CHUNK):
            total += self.confidence[start : start + CHUNK].sum(axis=0, dtype=np.float64)
        return total / max(len(self), 1)


def top(maps: np.ndarray, quantile: float) -> np.ndarray:
    """Return where each map is above its own quantile.

    Parameters
    ----------
    maps : (..., H, W)
        Any maps.
    quantile : in [0, 1]
        0.7 gives the highest 30 %.

    Returns
    -------
    ndarray
        bool (..., H, W). Strictly above: pixels that tie with the quantile are not in the region,
        and a constant map, like quantile 1, has none.

    Raises
    ------
    UserError
        For a quantile outside [0, 1].
    """
    if not 0 <= quantile <= 1:
        raise UserError(f"quantile = {quantile} must be between 0 and 1.")
    maps = np.asarray(maps)
    return maps > np.quantile(maps, quantile, axis=(-2, -1), keepdims=True)


def _check_grid(confidence: np.ndarray, positions: int, path: Path) -> None:
    grid = grid_of(positions)
    if confidence.ndim != 3 or confidence.shape[1:] != (grid, grid):
        raise UserError(
            f"{path} has the shape {confidence.shape}; with {positions} positions it must be "
            f"(images, {grid}, {grid}). Delete the folder and run the stage `region` again."
        )
