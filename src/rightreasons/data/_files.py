"""Datasets that lie in files: finding, downloading, checking and decoding them."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.files import write_json, write_parquet
from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams, _tar
from rightreasons.data._archive import ImageArchive, check_not_html, listing, prefix_of
from rightreasons.data._decode import decode


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
        self._opened: dict[tuple[Path, int], ImageArchive] = {}

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
        images, files = self.locate()
        for path in files:
            check_not_html(path)
        table = self.annotations(files)
        check_ids(table, files[0] if files else images)
        prefix = prefix_of(images, table["image_id"].tolist())
        table = evenly(table, self.params.max_images)
        folder.mkdir(parents=True, exist_ok=True)
        self.keep(folder, files, table)
        source = {}
        if _tar.is_tar(images):
            source["copied_from"] = {"path": str(images), "bytes": _bytes(images)}
            images, prefix = _copy(images, prefix, table, folder / "images.zip"), ""
        write_fetched(folder, table, {**source, **self._source(images, prefix, files)})

    def keep(self, folder: Path, files: list[Path], table: pd.DataFrame) -> None:
        """Write into `folder` what `load` needs of the annotation files; most need nothing."""

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

    def _source(self, images: Path, prefix: str, files: list[Path]) -> dict[str, Any]:
        return {
            "images": {"path": str(images), "prefix": prefix, "bytes": _bytes(images)},
            "files": [
                {"path": str(path), "bytes": path.stat().st_size, "sha256": digest(path, "sha256")}
                for path in files
            ],
            **provenance(self.kind),
        }

    def _archive(self, folder: Path) -> ImageArchive:
        """Return the opened archive: one per process, since a fork shares the file position."""
        key = (Path(folder), os.getpid())
        if key not in self._opened:
            images = json.loads((key[0] / "source.json").read_text())["images"]
            path = Path(images["path"])
            if not path.exists() or _bytes(path) != images["bytes"]:
                raise UserError(f"{path} was moved or changed since it was fetched: fetch again.")
            self._opened[key] = ImageArchive(path, images["prefix"])
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
        return Path(root).expanduser() if root else self.data_dir / self.kind

    def locate(self) -> tuple[Path, list[Path]]:
        """Find the files in `home`; download the missing ones unless `root` was named."""
        archive, names = self.image_places()[0], self.annotation_names()
        missing = [name for name in names if not (self.home / name).is_file()]
        images = self._images()
        if images is None:
            missing.append(archive)
        if missing:
            self._download(missing)
            images = images or self.home / archive
        if self.params.verify:
            present = [*names, archive] if images == self.home / archive else names
            self._verify(present)
        assert images is not None
        return images, [self.home / name for name in names]

    def _images(self) -> Path | None:
        archive, *unpacked = self.image_places()
        if (self.home / archive).is_file():
            return self.home / archive
        return next((self.home / f for f in unpacked if (self.home / f).is_dir()), None)

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
        return (
            f"dataset {self.name}: not found in {self.home}: {', '.join(shown)}.{reason} "
            f"Download what is missing from {page} and put it into {self.home}/ under these names"
            + ("." if self.params.root else ", or point at a copy with `root`.")
        )

    def _verify(self, names: list[str] | tuple[str, ...]) -> None:
        downloads = self.downloads()
        wrong = [
            name
            for name in names
            if downloads[name].md5 not in (None, digest(self.home / name, "md5"))
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
        check_not_html(part / name)
        os.replace(part / name, home / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy(tar: Path, prefix: str, table: pd.DataFrame, to: Path) -> Path:
    """Copy the listed images of a tar.gz into a zip, where each can be read by itself."""
    _tar.to_zip(tar, {prefix + image_id: image_id for image_id in table["image_id"]}, to)
    return to


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
