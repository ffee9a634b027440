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
    """Write an array as .npy, whole or not at all, without pickling.

    Parameters
    ----------
    array
        Any array but one of objects.
    path
        Where to.

    Raises
    ------
    UserError
        As `rightreasons.core.files.whole`.
    """
    with whole(path) as scratch, open(scratch, "wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def mapped(path: Path, dtype: Any, shape: tuple[int, ...]) -> Iterator[np.memmap]:
    """Give an array of zeros, memory-mapped, that is at `path` if the block ends well.

    Parameters
    ----------
    path
        Where the .npy file is to be.
    dtype, shape
        Of the array.

    Yields
    ------
    memmap
        The array, to be filled inside the block. All of its room on the disk is taken.

    Raises
    ------
    UserError
        As `rightreasons.core.files.whole`.
    """
    with whole(path) as scratch:
        array = reserved(scratch, dtype, shape)
        yield array
        array.flush()


def reserved(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """Return a new array of zeros, memory-mapped, with all of its room on the disk taken.

    Parameters
    ----------
    path
        The .npy file to write.
    dtype, shape
        Of the array.

    Returns
    -------
    memmap
        The array, open for writing.

    Raises
    ------
    OSError
        Where the disk is full. Without reserved room, writing to a page would end the process by
        SIGBUS. File systems that cannot reserve room are passed over.
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
    """Write named arrays as one compressed .npz, whole or not at all, without pickling.

    Parameters
    ----------
    path
        Where to.
    **arrays
        The arrays, by the names that they get in the file.

    Raises
    ------
    UserError
        As `rightreasons.core.files.whole`.
    """
    with whole(path) as scratch, open(scratch, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
