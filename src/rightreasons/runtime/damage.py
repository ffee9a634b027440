"""Which of a job's files are no whole ones, as a full disk, a copy or a crash has left them."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from rightreasons.core.job import Files

#: Most of a safetensors file's header, in bytes: longer ones are no headers.
HEADER = 1 << 27


def damaged(files: Files) -> list[str]:
    """Return those files that are not what their suffix says, or not all of it.

    They are looked into, not read: what is between a file's ends is not checked. A file that is
    gone is no damaged one.
    """
    paths = [
        Path(path)
        for named in files.named().values()
        for path in ([named] if isinstance(named, str) else named)
    ]
    return [str(path) for path in paths if path.is_file() and not _is_whole(path)]


def _is_whole(path: Path) -> bool:
    check = CHECKS.get(path.suffix)
    try:
        return check is None or check(path)
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return False


def _parquet(path: Path) -> bool:
    """Return whether the file has its mark at both ends."""
    with path.open("rb") as file:
        first = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        return first == file.read(4) == b"PAR1" and path.stat().st_size > 8


def _npy(path: Path) -> bool:
    """Return whether the file is as long as its header says."""
    import numpy as np

    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return file.tell() + size == path.stat().st_size


def _npz(path: Path) -> bool:
    """Return whether all members have the checksums that the archive says."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


def _json(path: Path) -> bool:
    json.loads(path.read_text("utf-8"))
    return True


def _safetensors(path: Path) -> bool:
    """Return whether the file ends where its last tensor does."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 1 < length < HEADER:
            return False
        header = json.loads(file.read(length))
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0) == os.fstat(file.fileno()).st_size


CHECKS: dict[str, Callable[[Path], bool]] = {
    ".parquet": _parquet,
    ".npy": _npy,
    ".npz": _npz,
    ".json": _json,
    ".safetensors": _safetensors,
}
