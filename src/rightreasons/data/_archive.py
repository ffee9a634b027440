"""The images of a zip, a tar or a folder, found and checked without unpacking."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from rightreasons.core.errors import UserError, reason
from rightreasons.core.telling import tell
from rightreasons.data import _tar
from rightreasons.data._content import check_not_page, content_of, described
from rightreasons.data._shown import listing

#: Suffixes of archives, which are not opened where they lie within others.
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
#: Folders that systems make beside people's files; so are all that begin with a dot.
SYSTEM = {
    "__MACOSX",
    "@eaDir",
    "@Recycle",
    "@Recently-Snapshot",
    "#recycle",
    "#snapshot",
    "$RECYCLE.BIN",
    "RECYCLER",
    "System Volume Information",
    "lost+found",
}
#: How a zip's members may be packed: as they are, deflate, bzip2, LZMA.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class Images(Protocol):
    """What encoded images are read from."""

    def read(self, image_id: str, /) -> bytes:
        """Return the encoded image. Raises KeyError, ValueError or OSError where it is missing."""


class ImageArchive:
    """Reads images by id from a zip or a folder.

    Parameters
    ----------
    path
        The zip or folder.
    prefix
        `prefix` + id is an image's place in it.
    places
        Id -> place of the images that lie elsewhere.
    """

    def __init__(
        self, path: Path, prefix: str = "", places: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.prefix = prefix
        self.places = places or {}
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)

    def read(self, image_id: str) -> bytes:
        """Return the encoded image. Raises KeyError or OSError where it is missing."""
        member = self.places.get(image_id, self.prefix + image_id)
        if self._zip is not None:
            return self._zip.read(member)
        return (self.path / member).read_bytes()


def members(path: Path) -> set[str]:
    """Return the names of all files in a zip, tar or folder, with / between folders.

    Links to folders are followed, except those to a folder that they lie in.

    Raises
    ------
    UserError
        For a file that is no such archive, or broken, a folder that cannot be entered, and for
        members outside of an archive (absolute names, `..`, links, devices): it is not what it
        claims to be.
    """
    if path.is_dir():
        return _files_below(path)
    check_not_page(path)
    kind = content_of(path)
    if kind not in ("zip", "tar"):
        what, way = described(kind)
        raise UserError(
            f"{path} is {what}, where a folder, a zip or a tar of images is needed. {way}."
        )
    found = _tar.members(path) if kind == "tar" else _zip_members(path)
    if unsafe := [name for name, kind in found if kind == "other" or _outside(name)]:
        raise UserError(
            f"{path} holds links, devices or members that point outside of it: {listing(unsafe)}. "
            "Get a fresh copy of an official archive; pack one of your own again without them."
        )
    return {name for name, kind in found if kind == "file"}


def is_system(name: str) -> bool:
    """Return whether a file's place is hidden, or in a folder that a system has made."""
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) or not SYSTEM.isdisjoint(parts)


def archives_in(names: set[str]) -> list[str]:
    """Return those of the files that are archives by their names, sorted."""
    return sorted(n for n in names if n.lower().endswith(ARCHIVES) and not is_system(n))


def check_zip(path: Path) -> None:
    """Raise UserError if a zip breaks off."""
    if not zipfile.is_zipfile(path):
        raise UserError(
            f"{path} is no whole zip file: it breaks off, the download was not finished. Delete it "
            "and download it again."
        )


def _files_below(folder: Path) -> set[str]:
    """Return all files below a folder."""
    cut: list[str] = []
    names = set(_walk(folder, "", (_identity(folder),), cut))
    if cut:
        tell(f"{folder}: {len(cut)} links to a folder that they lie in left out: {listing(cut)}.")
    return names


def _walk(
    folder: Path, inside: str, above: tuple[tuple[int, int], ...], cut: list[str]
) -> Iterator[str]:
    """Yield the files below `inside`; `above` are the folders on the way, `cut` gets loops."""
    try:
        with os.scandir(folder / inside) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = f"{inside}{entry.name}"
                if not entry.is_dir():
                    yield name
                elif (here := _identity(folder / name)) in above:
                    cut.append(name)
                else:
                    yield from _walk(folder, f"{name}/", (*above, here), cut)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder / inside} cannot be entered: "
            f"{error.strerror or reason(error)}. Allow it, or move the folder elsewhere: nothing "
            "is left out silently."
        ) from error


def _identity(folder: Path) -> tuple[int, int]:
    known = folder.stat()
    return known.st_dev, known.st_ino


def _zip_members(path: Path) -> list[tuple[str, str]]:
    """Return name and kind (file, folder, other) of everything in a zip."""
    check_zip(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(
            f"{path} is a damaged zip file ({reason(error)}). Delete it and download it again."
        ) from error
    files = [info for info in infos if not info.is_dir()]
    if files and all(info.flag_bits & 1 for info in files):
        raise UserError(f"{path} is locked with a password. Unpack it, and name the folder.")
    if files and not any(info.compress_type in _METHODS for info in files):
        raise UserError(
            f"{path} is packed in a way that Python cannot read, as some programs do with large "
            "files (Deflate64, Zstandard). Unpack it, and name the folder."
        )
    return [(info.filename, _kind(info)) for info in infos]


def _kind(info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "other"
    return "folder" if info.is_dir() else "file"


def _outside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "" or ".." in parts or ":" in parts[0]
