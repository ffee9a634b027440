"""Arrays on disk, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rightreasons.files import whole


def write_array(array: np.ndarray, path: Path) -> None:
    """Write `array` as .npy without pickling."""
    with whole(path) as scratch, open(scratch, "wb") as file:
        np.save(file, array, allow_pickle=False)


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays as one compressed .npz without pickling."""
    with whole(path) as scratch, open(scratch, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
