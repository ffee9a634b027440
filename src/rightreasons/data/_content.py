"""What a file is, by its first bytes: suffixes are habits, and files are renamed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from rightreasons.core.errors import UserError, reason

#: How a file that is packed as a whole is opened, by what it is.
OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
#: What a stream that breaks off or is damaged raises.
DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, OSError)

_STARTS = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "xz",  # LZMA's old format, which lzma reads as well
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"\xd0\xcf\x11\xe0": "xls",
    b"SQLite format 3": "sqlite",
    b"\x89HDF": "hdf5",
    b"\x93NUMPY": "npy",
    b"%PDF": "pdf",
    b"version https://git-lfs": "lfs",
    b"\xff\xd8\xff": "image",
    b"\x89PNG": "image",
    b"GIF8": "image",
    b"II*\x00": "image",
    b"MM\x00*": "image",
    b"RIFF": "image",
    b"\xff\xfe": "utf16",
    b"\xfe\xff": "utf16",
}
_PAGES = (b"<!doctype html", b"<html", b"<?xml")

#: What a person calls it, and the way on where it cannot be read.
_SAID = {
    "zstd": ("a file packed by Zstandard", "Unpack it"),
    "7z": ("a 7z archive", "Unpack it"),
    "rar": ("a RAR archive", "Unpack it"),
    "xls": ("an old Excel file (.xls)", "Save the sheet as CSV (UTF-8)"),
    "xlsx": ("an Excel file (.xlsx)", "Save the sheet as CSV (UTF-8)"),
    "ods": ("an OpenDocument file", "Save the sheet as CSV (UTF-8)"),
    "sqlite": ("an SQLite database", "Write its table to a CSV or Parquet file"),
    "hdf5": ("an HDF5 file", "Write what it holds to files: images, and a table as CSV"),
    "npy": ("a NumPy array", "Write what it holds to files: images, and a table as CSV"),
    "pickle": ("a pickled Python object", "Write it to a CSV or Parquet file"),
    "pdf": ("a PDF file", "Name the file with the data"),
    "json": ("a JSON file", "Write it to a CSV or Parquet file, one row per image"),
    "image": ("a single image", "Name the folder, the archive or the table"),
    "lfs": (
        "a Git LFS pointer, which stands for the file itself",
        "Run `git lfs pull` in its repository",
    ),
    "empty": ("an empty file", "Get a whole copy"),
    "zip": ("a zip archive", "Unpack it"),
    "tar": ("a tar archive", "Unpack it"),
    "gzip": ("one file packed by gzip", "Unpack it"),
    "bzip2": ("one file packed by bzip2", "Unpack it"),
    "xz": ("one file packed by xz", "Unpack it"),
    "parquet": ("a Parquet file", "Name it where a table is expected"),
    "feather": ("an Arrow file", "Name it where a table is expected"),
    "text": ("a text file", "Name the folder or the archive"),
    "binary": ("a file of unknown content", "Name another one, or get a fresh copy"),
}


def content_of(path: Path) -> str:
    """Return what a file is: zip, tar, gzip, parquet, xlsx, page, text, ... (a tar however packed).

    Raises
    ------
    UserError
        Where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or reason(error)}.") from error
    kind = next((kind for sign, kind in _STARTS.items() if start.startswith(sign)), None)
    if kind == "zip":
        return _office(path) or "zip"
    if kind in OPENERS:
        return "tar" if is_tarred(path, kind) else kind
    if kind is not None:
        return kind
    if zipfile.is_zipfile(path):  # a program that unpacks itself
        return "zip"
    return "tar" if _is_header(start) else _plain(start)


def is_tarred(path: Path, packed: str) -> bool:
    """Return whether a packed file is a tar: by its name, or by the beginning of its content."""
    if ".tar" in path.name.lower() or path.suffix.lower() in (".tgz", ".tbz", ".tbz2", ".txz"):
        return True
    try:
        with OPENERS[packed](path) as stream:
            return _is_header(stream.read(512))
    except DAMAGED:  # reading it will say that it is damaged
        return True


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacked where it is packed as a whole."""
    with path.open("rb") as file:
        start = file.read(6)
    kind = next((kind for sign, kind in _STARTS.items() if start.startswith(sign)), "")
    stream: IO[bytes] = OPENERS[kind](path) if kind in OPENERS else path.open("rb")
    return stream


def described(kind: str) -> tuple[str, str]:
    """Return what a person calls such a file, and what to do where it cannot be used."""
    return _SAID.get(kind, _SAID["binary"])


def check_not_page(path: Path) -> None:
    """Raise UserError if a file is a web page: what a host sends when its quota is used up."""
    if content_of(path) == "page":
        raise UserError(
            f"{path} is a web page, not the file of that name: probably the host's notice that "
            "its download quota is used up or that you must sign in. Delete it, and download "
            "the file in a browser or a day later."
        )


def _is_header(block: bytes) -> bool:
    """Return whether 512 bytes are the head of a tar's member, by their checksum."""
    if len(block) < 512:
        return False
    try:
        tarfile.TarInfo.frombuf(block[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _office(path: Path) -> str | None:
    """Return what office file a zip is, or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "xl/workbook.xml" in names or "xl/workbook.bin" in names:
        return "xlsx"
    return "ods" if {"content.xml", "mimetype"} <= names else None


def _plain(start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return "empty"
    if text[:20].lower().startswith(_PAGES):
        return "page"
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if b"\x00" in start:
        return "binary"
    return "json" if text[:1] in (b"{", b"[") else "text"
