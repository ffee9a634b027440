"""Files on disk: written whole or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightreasons.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a hidden file beside `path` to write to; it takes its place when all went well.

    After an error nothing is left behind and what was at `path` stays as it was. What a killed
    process left behind is removed before the next one begins.

    Parameters
    ----------
    path
        The file that is to be there in the end. Its folder must exist.

    Yields
    ------
    Path
        The hidden file, which does not exist yet.

    Raises
    ------
    UserError
        If the disk is full or must not be written to.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _clear(path)
        yield scratch
        scratch.replace(path)
    except Exception as error:
        if said := cannot_write(error, path.parent):
            raise UserError(f"{path} cannot be written: {said}") from error
        raise
    finally:
        with suppress(OSError):
            _clear(path)


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all, without its index.

    Raises
    ------
    UserError
        As `whole`.
    """
    with whole(path) as scratch:
        table.to_parquet(scratch, index=False)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write `content` as indented JSON with sorted keys, whole or not at all.

    Raises
    ------
    UserError
        As `whole`.
    """
    with whole(path) as scratch:
        scratch.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that holds a mapping."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _clear(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*"):
        left.unlink(missing_ok=True)


def cannot_write(error: BaseException, folder: Path | None = None) -> str:
    """Return what is wrong with the disk and what to do.

    Parameters
    ----------
    error
        What was raised: an OSError, or a library's error that quotes one.
    folder
        Where was written to. An error about a file elsewhere, such as an input that must not be
        read, is then of another kind.

    Returns
    -------
    str
        A sentence with its cure; "" for an error of another kind.
    """
    place = getattr(error, "filename", None)
    if (
        folder is not None
        and isinstance(place, str | Path)
        and Path(place).resolve().parent != folder.resolve()
    ):
        return ""
    text = str(error)
    for number, (said, cure) in _DISK.items():
        if getattr(error, "errno", None) == number or f"(os error {number})" in text:
            return f"{said}. {cure}, and start again: what is finished is kept."
    return ""


_ROOM = "Make room (or set `results` in the config to a larger disk)"
_WRITABLE = "Make it writable (or set `results` in the config to another folder)"
_DISK = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("your quota of disk space is used up", _ROOM),
    errno.EROFS: ("the disk is read-only", _WRITABLE),
    errno.EACCES: ("you have no permission", _WRITABLE),
}
