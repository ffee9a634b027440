"""Datasets that lie in files: finding, downloading, checking and decoding them."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from pydantic import Field

from rightreasons.core.errors import UserError, reason
from rightreasons.core.files import write_json, write_parquet
from rightreasons.core.telling import tell
from rightreasons.core.user_paths import expanded
from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams, _tar
from rightreasons.data._archive import ImageArchive, Images, is_system, members
from rightreasons.data._content import check_not_page
from rightreasons.data._decode import decode
from rightreasons.data._labels import cleaned, told_alike
from rightreasons.data._names import Found, find, pairs
from rightreasons.data._shown import listing
from rightreasons.data._tables import parts_of

#: The images of a table that are called otherwise where they lie: image_id, place.
PLACES = "places.parquet"


class FileParams(DatasetParams):
    """Parameters of every dataset that lies in files."""

    pad: bool = Field(
        True, description="pad images to a square with black; false cuts out the central square"
    )
    tolerate_corrupt: int = Field(
        0, ge=0, description="how many unreadable images are left out rather than an error"
    )
    root: str | None = Field(
        None, description="folder with your own copy of the files; none: the data folder"
    )
    max_images: int | None = Field(
        None, ge=1, description="use this many images, evenly spaced over the list; none: all"
    )


class OfficialParams(FileParams):
    """Parameters of datasets with official files."""

    verify: bool = Field(
        False,
        description="check your own copy by the official checksums; downloads always are",
    )


@dataclass(frozen=True)
class Download:
    """Where an official file is.

    Parameters
    ----------
    place
        Its address, or its id in Google Drive.
    md5
        Its checksum, None if it is not known.
    """

    place: str
    md5: str | None = None


class FileDataset(Dataset):
    """A dataset whose images lie in a zip or a folder, with a table of attributes beside them."""

    def __init__(self, params: Any, name: str, data_dir: str | Path = "data") -> None:
        super().__init__(params, name, data_dir)
        self._opened: dict[tuple[Path, int], Images] = {}
        self._members: dict[Path, set[str]] = {}

    @abstractmethod
    def locate(self) -> tuple[Path, list[Path]]:
        """Return the zip or folder with the images, and the annotation files."""

    @abstractmethod
    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return what the annotation files say of all images.

        Returns
        -------
        DataFrame
            image_id, identity, partition and the attributes, in the order of the files.
        """

    def fetch(self, folder: Path) -> None:
        """Find the files, check that every listed image is there, and describe them in `folder`.

        Raises
        ------
        UserError
            That says which file is missing, broken or inconsistent.
        """
        try:
            self._fetch(folder)
        except OSError as error:  # no permission, a disk that is gone
            raise UserError(
                f"dataset {self.name}: {error.filename or self.data_dir} cannot be used: "
                f"{error.strerror or reason(error)}."
            ) from error

    def _fetch(self, folder: Path) -> None:
        images, files = self.locate()
        for path in files:
            if path.is_file():
                check_not_page(path)
        listed = files[0] if files else images
        table = cleaned(self.annotations(files))
        check_ids(table, listed)
        names = self.members(images)
        found = find(images, names, table["image_id"].tolist())
        self._tell(images, names, table, found)
        table = evenly(table, self.params.max_images)
        folder.mkdir(parents=True, exist_ok=True)
        table = self.keep(folder, files, table)
        source = {}
        if _tar.is_tar(images):
            source["copied_from"] = {"path": str(images), "bytes": _bytes(images)}
            images, found = copy_tar(images, found, table["image_id"], folder / "images.zip")
        _write_places(found, folder / PLACES)
        write_fetched(folder, table, {**source, **self._source(images, found, files)})

    def members(self, path: Path) -> set[str]:
        """Return the names of all files in an archive or folder, read once."""
        if path not in self._members:
            self._members[path] = members(path)
        return self._members[path]

    def _tell(self, images: Path, names: set[str], table: pd.DataFrame, found: Found) -> None:
        """Say what is not as the list has it, and what is left out."""
        if found.places:
            tell(
                f"dataset {self.name}: {len(found.places)} of the {len(table)} listed images are "
                f"called otherwise in {images}, each like one file: {'; '.join(pairs(found))}."
            )
        used = {found.place(image_id) for image_id in table["image_id"]}
        if beside := len(names - used):
            tell(f"dataset {self.name}: {beside} files in {images} are not listed and not used.")
        told_alike(self.name, table)

    def keep(self, folder: Path, files: list[Path], table: pd.DataFrame) -> pd.DataFrame:
        """Write into `folder` what `load` needs beside the images; return the table of the rest."""
        return table

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Decode some images; those that cannot be read are black and named in `corrupt`."""
        archive, size = self._archive(folder), self.params.size
        batch = Batch(np.zeros((len(rows), size, size, 3), np.uint8))
        for position, image_id in enumerate(rows["image_id"]):
            try:
                batch.images[position] = decode(archive.read(image_id), size, self.params.pad)
            except Exception as error:  # Pillow's and zipfile's readers raise a dozen types
                batch.corrupt[position] = f"{type(error).__name__}: {error}"
        return batch

    def _source(self, images: Path, found: Found, files: list[Path]) -> dict[str, Any]:
        place: dict[str, Any] = {"path": str(images), "prefix": found.prefix}
        if found.places:
            place |= {"called_otherwise": len(found.places), "such_as": pairs(found)}
        return {
            "images": {**place, "bytes": _bytes(images)},
            "files": [
                {"path": str(path), "bytes": path.stat().st_size, "sha256": digest(path, "sha256")}
                for named in files
                for path in ([named] if named.is_file() else parts_of(named))
            ],
            **provenance(self.kind),
        }

    def _archive(self, folder: Path) -> Images:
        """Return the opened archive: one per process, since a fork shares the file position."""
        key = (Path(folder), os.getpid())
        if key not in self._opened:
            images = json.loads((key[0] / "source.json").read_text())["images"]
            path = Path(images["path"])
            if not path.exists() or _bytes(path) != images["bytes"]:
                raise UserError(f"{path} was moved or changed since it was fetched: fetch again.")
            places = read_places(key[0] / PLACES)
            self._opened[key] = ImageArchive(path, images["prefix"], places)
        return self._opened[key]


class OfficialDataset(FileDataset):
    """A dataset with official files, which are downloaded where they are missing."""

    def image_places(self) -> tuple[str, ...]:
        """Return the name of the official zip, then of folders that it may be unpacked to."""
        raise NotImplementedError

    def annotation_names(self) -> tuple[str, ...]:
        """Return the names of the official annotation files."""
        raise NotImplementedError

    def downloads(self) -> dict[str, Download]:
        """Return where each official file is."""
        raise NotImplementedError

    @property
    def home(self) -> Path:
        """The folder with the official files: `root`, or <data folder>/<kind>."""
        root = self.params.root
        return Path(expanded(root, "root")) if root else self.data_dir / self.kind

    def other_names(self, name: str) -> tuple[str, ...]:
        """Return what an annotation file is called in copies by others."""
        return ()

    def is_needed(self, name: str, found: dict[str, Path]) -> bool:
        """Return whether an annotation file must be there, by the files that are."""
        return True

    def locate(self) -> tuple[Path, list[Path]]:
        """Find the files in `home` or below; download the missing ones unless `root` was named."""
        archive, names = self.image_places()[0], self.annotation_names()
        found = {name: path for name in names if (path := self._place(name))}
        images = self._images()
        missing = [n for n in names if n not in found and self.is_needed(n, found)]
        if missing_images := images is None:
            missing.append(archive)
        if missing:
            self._download(missing)
            found |= {name: self.home / name for name in missing if name != archive}
        if missing_images:
            images = self.home / archive
        assert images is not None
        if self.params.verify:
            zipped = {archive: images} if images.name == archive else {}
            self._verify({**found, **zipped})
        return images, [found[name] for name in names if name in found]

    def _place(self, name: str) -> Path | None:
        """Return where an annotation file is, in `home` or below it, under one of its names."""
        for one in (name, *self.other_names(name)):
            if (self.home / one).is_file():
                return self.home / one
        for one in (name, *self.other_names(name)):
            if path := self._only(one, self._below[0]):
                return path
        return None

    def _images(self) -> Path | None:
        """Return where the images are, in `home` or below it."""
        archive, *unpacked = self.image_places()
        if (self.home / archive).is_file():
            return self.home / archive
        for folder in unpacked:
            if (self.home / folder).is_dir():
                return self.home / folder
        files, folders = self._below
        found = self._only(archive, files)
        for folder in unpacked:
            found = found or self._only(folder, folders)
        return found

    def _only(self, name: str, known: dict[str, list[Path]]) -> Path | None:
        """Return the one place below `home` with this name; a UserError names several."""
        places = sorted(known.get(name, []))
        if len(places) > 1:
            raise UserError(
                f"dataset {self.name}: several places below {self.home} are called {name}: "
                f"{listing(map(str, places))}. Set `root` to the folder of the one that is meant."
            )
        return places[0] if places else None

    @cached_property
    def _below(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        """Return the files and the folders of official names up to three folders below `home`."""
        names = self.annotation_names()
        wanted = {*self.image_places(), *names, *(o for n in names for o in self.other_names(n))}
        files: dict[str, list[Path]] = {}
        folders: dict[str, list[Path]] = {}
        for where, inside, here in os.walk(self.home, followlinks=True):
            for known, found in ((files, here), (folders, inside)):
                for name in sorted(wanted.intersection(found)):
                    known.setdefault(name, []).append(Path(where) / name)
            depth = len(Path(where).relative_to(self.home).parts)
            inside[:] = [n for n in inside if n not in wanted and not is_system(n) and depth < 3]
        return files, folders

    def _download(self, missing: list[str]) -> None:
        if self.params.root:
            raise UserError(self._by_hand(missing))
        downloads = self.downloads()
        for done, name in enumerate(missing):
            try:
                download(downloads[name], self.home, name)
            except Exception as error:  # no network, no permission, quota, checksum, ...
                reason = f" The download of {name} failed ({type(error).__name__}: {error})."
                raise UserError(self._by_hand(missing[done:], reason)) from error

    def _by_hand(self, missing: list[str], reason: str = "") -> str:
        archive, *unpacked = self.image_places()
        folders = " or ".join(f"{folder}/" for folder in unpacked)
        shown = [f"{n} (or unpacked: {folders})" if n == archive else n for n in missing]
        page = DATASETS[self.kind].traits["page"]
        end = "." if self.params.root else ", or point at a copy with `root`."
        return (
            f"dataset {self.name}: not found in {self.home}: {', '.join(shown)}.{reason} "
            f"Download what is missing from {page} and put it into {self.home}/ (or a folder in "
            f"it) under these names{end}"
        )

    def _verify(self, files: dict[str, Path]) -> None:
        downloads = self.downloads()
        wrong = [
            str(path.relative_to(self.home))
            for name, path in files.items()
            if downloads[name].md5 not in (None, digest(path, "md5"))
        ]
        if wrong:
            raise UserError(
                f"dataset {self.name}: not the official files, by their checksums: "
                f"{', '.join(wrong)} in {self.home}. Download them again, or set verify: false "
                "for a subset of your own."
            )


def download(source: Download, home: Path, name: str) -> None:
    """Put an official file into `home`, whole and with the right checksum or not at all."""
    from torchvision.datasets.utils import download_file_from_google_drive, download_url

    fetch = download_url if "://" in source.place else download_file_from_google_drive
    for left in home.glob(f".{glob.escape(name)}.*.part"):  # a killed process's
        if not psutil.pid_exists(int(left.suffixes[-2][1:])):
            shutil.rmtree(left, ignore_errors=True)
    part = home / f".{name}.{os.getpid()}.part"  # another dataset may fetch the same file
    part.mkdir(parents=True, exist_ok=True)
    try:
        fetch(source.place, part, name, source.md5)
        check_not_page(part / name)
        os.replace(part / name, home / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def copy_tar(tar: Path, found: Found, image_ids: pd.Series, to: Path) -> tuple[Path, Found]:
    """Copy the listed images of a tar into a zip, where each can be read by itself."""
    _tar.to_zip(tar, {found.place(image_id): image_id for image_id in image_ids}, to)
    return to, Found()


def _write_places(found: Found, path: Path) -> None:
    """Keep the images that are called otherwise where they lie; no file where there are none."""
    path.unlink(missing_ok=True)
    if found.places:
        write_parquet(pd.DataFrame(found.places.items(), columns=["image_id", "place"]), path)


def read_places(path: Path) -> dict[str, str]:
    """Return what `_write_places` kept."""
    if not path.exists():
        return {}
    kept = pd.read_parquet(path, use_threads=False)  # this runs in forked workers
    return dict(zip(kept["image_id"], kept["place"], strict=True))


def check_ids(table: pd.DataFrame, path: Path) -> None:
    """Raise UserError for an empty table, or for ids that occur twice."""
    if table.empty:
        raise UserError(f"{path} lists no images.")
    ids = table["image_id"]
    if twice := ids[ids.duplicated()].unique().tolist():
        raise UserError(f"{path} lists images more than once: {listing(twice)}. Keep one row each.")


def evenly(table: pd.DataFrame, count: int | None) -> pd.DataFrame:
    """Return at most `count` rows of a table, all for None.

    They are evenly spaced, so that lists sorted by class stay mixed.
    """
    if count is None or count >= len(table):
        return table
    return table.iloc[np.arange(count) * len(table) // count].reset_index(drop=True)


def write_fetched(folder: Path, table: pd.DataFrame, source: dict[str, Any]) -> None:
    """Write attributes.parquet and source.json into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("identity", "partition"):
        table[name] = table[name].astype("string")
    first = ["image_id", "identity", "partition"]
    table = table[first + [name for name in table if name not in first]]
    write_parquet(table, folder / "attributes.parquet")
    write_json({"n_images": len(table), **source}, folder / "source.json")


def provenance(kind: str) -> dict[str, str]:
    """Return what source.json says of every dataset of a kind."""
    component = DATASETS[kind]
    known = {key: component.traits[key] for key in ("licence", "page")}
    return {"kind": kind, "title": component.title, "paper": component.paper, **known}


def digest(path: Path, algorithm: str) -> str:
    """Return a file's checksum as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _bytes(path: Path) -> int | None:
    """Return a file's size; None for a folder, whose content is not measured."""
    return None if path.is_dir() else path.stat().st_size
