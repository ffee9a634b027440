"""Whether a pool's files belong together: one that was cut or exchanged is named, not averaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rightreasons.core.errors import UserError, reason


def check_pool(folder: Path) -> None:
    """Hold the files of a pool against its pool.json; heads and sizes are read, no images.

    Parameters
    ----------
    folder
        The pool's.

    Raises
    ------
    UserError
        That names the file which is cut, unreadable or of another shape.
    """
    meta = read_meta(folder)
    count, size = meta["n_images"], meta["size"]
    masked = count if meta["mask_names"] else 0
    _check_array(folder / "images.npy", (count, size, size, 3))
    _check_array(folder / "masks.npy", (masked, size, size))
    for twins in sorted(folder.glob("twins_*.npy")):
        _check_array(twins, (count, size, size, 3))
    rows = _rows(folder / "index.parquet")
    if rows != count:
        raise _wrong(folder / "index.parquet", f"it has {rows} rows, and pool.json says {count}")


def read_meta(folder: Path) -> dict[str, Any]:
    """Return the content of pool.json; a UserError where it is cut."""
    path = folder / "pool.json"
    try:
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"n_images", "size", "mask_names"} <= set(meta):
            raise ValueError("it lacks n_images, size or mask_names")
    except (OSError, ValueError) as error:
        raise _wrong(path, f"it cannot be read: {reason(error)}") from error
    return meta


def check_fetched(folder: Path, rows: int) -> None:
    """Raise UserError where a table of attributes has more or fewer rows than were written."""
    path = folder / "source.json"
    if not path.exists():  # a dataset of one's own need not say where it comes from
        return
    try:
        said = json.loads(path.read_text(encoding="utf-8")).get("n_images", rows)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read: {reason(error)}. Delete {folder} and start again."
        ) from error
    if said != rows:
        raise UserError(
            f"{folder / 'attributes.parquet'} has {rows} rows, and source.json says {said}: one of "
            f"them was exchanged. Delete {folder} and start again."
        )


def _check_array(path: Path, shape: tuple[int, ...]) -> None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _wrong(path, f"it breaks off or is no array: {reason(error)}") from error
    if array.shape != shape or array.dtype != np.uint8:
        raise _wrong(path, f"it is {array.dtype} {array.shape}, and pool.json says uint8 {shape}")


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError) as error:
        raise _wrong(path, f"it cannot be read as Parquet: {reason(error)}") from error


def _wrong(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} is no whole part of its pool: {what}. It was cut or exchanged after it was made. "
        f"Delete the folder {path.parent} and start again."
    )
