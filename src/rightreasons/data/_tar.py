"""Tar files, read from front to back: nothing of them is ever unpacked into the file system."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from rightreasons.core.errors import UserError, reason
from rightreasons.core.files import whole
from rightreasons.data._content import DAMAGED, content_of, opened


def is_tar(path: Path) -> bool:
    """Return whether a file is a tar, by its content: plain, or packed by gzip, bzip2 or xz."""
    return path.is_file() and content_of(path) == "tar"


def members(path: Path) -> list[tuple[str, str]]:
    """Return name and kind (file, folder, other: links and devices) of everything in a tar.

    Raises UserError for a file that is no tar, is damaged or breaks off.
    """
    return [(info.name, _kind(info)) for info, _ in _pass(path)]


def read(path: Path, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the wanted files of a tar, in its order. Errors: `members`."""
    for info, content in _pass(path, wanted):
        if content is not None:
            yield info.name, content


def to_zip(path: Path, names: Mapping[str, str], target: Path) -> None:
    """Copy files of a tar, which must be read in order, into a zip, which need not be.

    names: the members to copy and their names in the zip, which is written whole or not at all,
    uncompressed. Errors: `members`.
    """
    with whole(target) as scratch, zipfile.ZipFile(scratch, "w") as archive:
        for name, content in read(path, names):
            archive.writestr(zipfile.ZipInfo(names[name]), content)


def _pass(
    path: Path, wanted: Container[str] = ()
) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    """Yield every member, with its content if it is a wanted file."""
    try:
        with opened(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for info in tar:
                file = tar.extractfile(info) if info.isfile() and info.name in wanted else None
                yield info, file.read() if file else None
            while stream.read(2**20):  # tarfile takes a broken header for the end; the checksum
                pass  # behind the last byte of a packed file does not
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"{path} cannot be read: {error.strerror}.") from error
        raise UserError(
            f"{path} cannot be read as a tar: it is damaged, or its download was not finished "
            f"({type(error).__name__}: {reason(error)}). Delete it and download it again."
        ) from error


def _kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "folder"
    return "file" if info.isfile() else "other"
