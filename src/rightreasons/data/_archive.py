"""The images of a zip, a tar.gz or a folder, found and checked without unpacking."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from rightreasons.core.errors import UserError, reason
from rightreasons.data import _tar

#: How many names an error message shows.
SHOWN = 10


class ImageArchive:
    """Reads images by id from a zip or a folder; `prefix` + id is an image's place in it."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.path = path
        self.prefix = prefix
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)

    def read(self, image_id: str) -> bytes:
        """Return the encoded image. Raises KeyError or OSError where it is missing."""
        member = self.prefix + image_id
        if self._zip is not None:
            return self._zip.read(member)
        return (self.path / member).read_bytes()


def members(path: Path) -> set[str]:
    """Return the names of all files in a zip, tar.gz or folder, with / between folders.

    Raises UserError for a file that is no such archive or broken, and for members outside of it
    (absolute names, `..`, links, devices): such an archive is not what it claims to be.
    """
    if path.is_dir():
        return set(_walk(path))
    check_not_html(path)
    found = _tar.members(path) if _tar.is_tar(path) else _zip_members(path)
    if unsafe := [name for name, kind in found if kind == "other" or _outside(name)]:
        raise UserError(
            f"{path} holds members that point outside of it: {listing(unsafe)}. "
            "This is no official archive; get a fresh copy."
        )
    return {name for name, kind in found if kind == "file"}


def prefix_of(path: Path, image_ids: Sequence[str]) -> str:
    """Return the folder inside an archive below which all listed images lie, '' for its top.

    Raises UserError as `members` and `check_listed` do.
    """
    names = members(path)
    prefix = find_prefix(names, image_ids)
    check_listed(path, names, prefix, image_ids)
    return prefix


def find_prefix(names: set[str], image_ids: Sequence[str]) -> str:
    """Return the folder inside an archive below which the listed images lie, '' for its top.

    Among several candidates the one with most of the images counts, then the shortest.
    """
    probes = image_ids[:20]  # a listed image may be missing, but hardly the first twenty
    first = next((i for i in probes if any(_ends(n, i) for n in names)), None)
    if first is None:
        return ""
    found = [name.removesuffix(first) for name in names if _ends(name, first)]
    return min(found, key=lambda p: (-sum(p + i in names for i in image_ids), len(p), p))


def check_listed(path: Path, names: set[str], prefix: str, image_ids: Sequence[str]) -> None:
    """Raise UserError if a listed image is not in the archive."""
    for image_id in image_ids:
        if ".." in PurePosixPath(image_id).parts or image_id.startswith("/"):
            raise UserError(f"the image id {image_id!r} points outside of {path}.")
    missing = [image_id for image_id in image_ids if prefix + image_id not in names]
    if missing:
        raise UserError(
            f"{len(missing)} of the {len(image_ids)} listed images are not in {path}: "
            f"{listing(missing)}. Complete the images, or, for a subset on purpose, keep only "
            "its rows in the attribute list."
        )


def check_zip(path: Path) -> None:
    """Raise UserError, with the likely cause, if a file is no zip."""
    if zipfile.is_zipfile(path):
        return
    with path.open("rb") as file:
        partial = file.read(2) == b"PK"
    cause = "it breaks off, the download was not finished" if partial else "unknown content"
    raise UserError(f"{path} is no zip file: {cause}. Delete it and download it again.")


def check_not_html(path: Path) -> None:
    """Raise UserError if a file is a web page: what a host sends when its quota is used up."""
    with path.open("rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise UserError(
            f"{path} is a web page, not the file of that name: probably the host's notice that "
            "its download quota is used up or that you must sign in. Delete it, and download "
            "the file in a browser or a day later."
        )


def listing(names: Iterable[str], shown: int = SHOWN) -> str:
    """Return names for an error message: the first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _walk(folder: Path) -> Iterable[str]:
    for where, _, files in os.walk(folder):
        inside = Path(where).relative_to(folder)
        for name in files:
            yield (inside / name).as_posix()


def _zip_members(path: Path) -> list[tuple[str, str]]:
    """Return name and kind (file, folder, other) of everything in a zip."""
    check_zip(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return [(info.filename, _kind(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(
            f"{path} is a damaged zip file ({reason(error)}). Delete it and download it again."
        ) from error


def _kind(info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "other"
    return "folder" if info.is_dir() else "file"


def _outside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "" or ".." in parts or ":" in parts[0]


def _ends(name: str, image_id: str) -> bool:
    if name.startswith("__MACOSX/"):
        return False
    return name == image_id or name.endswith("/" + image_id)
