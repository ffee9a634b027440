"""Arrays on disk, written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rightreasons.core.files import whole


def write_array(array: np.ndarray, path: Path) -> None:
    """Write `array` as .npy without pickling."""
    with whole(path) as scratch, open(scratch, "wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def mapped(path: Path, dtype: Any, shape: tuple[int, ...]) -> Iterator[np.memmap]:
    """Give an array of zeros, memory-mapped, that is at `path` if the block ends well.

    Raises UserError as `whole` does.
    """
    with whole(path) as scratch:
        array = reserved(scratch, dtype, shape)
        yield array
        array.flush()


def reserved(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """Return a new array of zeros, memory-mapped, all of its room on the disk taken.

    A full disk is so an OSError here, where writing to a page would end the process by SIGBUS.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:  # not every file system can
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
    return array


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays as one compressed .npz without pickling."""
    with whole(path) as scratch, open(scratch, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
