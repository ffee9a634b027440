"""Any folder or zip of images, with a table of attributes or sorted into folders by class."""

from __future__ import annotations

import logging
from collections.abc import Set
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.data import DATASETS, KEYS
from rightreasons.data._archive import listing, members
from rightreasons.data._files import FileDataset, FileParams
from rightreasons.data._tables import read_table
from rightreasons.data.attributes import values_of

#: What is an image in class folders; a table names its images, whatever their suffix.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".jp2")


class FolderParams(FileParams):
    """Parameters of `folder`."""

    images: str = Field("images", description="folder or zip with the images, below `root`")
    attributes: str | None = Field(
        "attributes.csv",
        description="CSV or Parquet file with one row per image, below `root`; none: the images "
        "are sorted into folders by class",
    )
    label: str = Field(
        "label",
        min_length=1,
        description="with `attributes: null`, the attribute that is the name of an image's folder",
    )
    id_column: str = Field(
        "image_id", description="its column with the images' paths inside `images`"
    )
    identity_column: str | None = Field(
        None, description="its column with who is shown; images of one identity stay in one split"
    )
    partition_column: str | None = Field(None, description="its column with official partitions")

    @model_validator(mode="after")
    def _one_source(self) -> FolderParams:
        columns = self.identity_column or self.partition_column
        if self.attributes is None and columns:
            raise ValueError(f"`attributes: null` leaves no table with a column {columns!r}")
        if self.label in KEYS:
            raise ValueError(f"label: the names {', '.join(KEYS)} are reserved")
        return self


@DATASETS.register(
    "folder",
    title="A folder of images",
    paper="your own data",
    params=FolderParams,
    licence="yours to state",
    page="docs/datasets.md",
)
class Folder(FileDataset):
    """Images of your own, as a folder or an archive, with a CSV or Parquet table of attributes.

    Every further column is an attribute. Two-valued ones (0/1, -1/1, true/false) become 0/1, text
    is a category, other numbers stay. An empty field is missing, which is an error only where a
    task uses it. Without a table (`attributes: null`) there is one attribute, the name of the
    folder that an image lies in.
    """

    kind = "folder"

    @property
    def home(self) -> Path:
        """The folder that paths are relative to: `root`, or <data folder>/<name>."""
        root = self.params.root
        return Path(root).expanduser() if root else self.data_dir / self.name

    def locate(self) -> tuple[Path, list[Path]]:
        """Return the images and the table, if any; a UserError says where they were expected."""
        images = self._files_of("images")
        if self.params.attributes is None:
            return images, []
        table = self.home / self.params.attributes
        hint = ". For images in folders by class: attributes: null."
        self._must_exist(table, "attributes", table.is_file(), hint)
        return images, [table]

    def _files_of(self, key: str) -> Path:
        """Return the folder or archive that a parameter names; a zip may go without its suffix."""
        path: Path = self.home / getattr(self.params, key)
        if not path.exists() and path.with_name(path.name + ".zip").is_file():
            path = path.with_name(path.name + ".zip")
        self._must_exist(path, key, path.exists(), ".")
        return path

    def _must_exist(self, path: Path, key: str, exists: bool, end: str) -> None:
        if not exists:
            raise UserError(
                f"dataset {self.name}: {path} does not exist. Put it there, or set `root` "
                f"and `{key}` to where it is{end}"
            )

    def known_values(self, attribute: str) -> list[str] | None:
        """Return the values in the user's table, None where that is not there or cannot be read."""
        try:
            _, files = self.locate()
            column = self.annotations(files).get(attribute)
        except UserError:
            return None  # fetch says why
        return None if column is None else values_of(column.dropna())

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the table with the names of the key columns and cleaned attributes."""
        if not files:
            images, _ = self.locate()
            return class_folders(images, members(images), self.params.label)
        chosen = {
            "image_id": self.params.id_column,
            "identity": self.params.identity_column,
            "partition": self.params.partition_column,
        }
        raw = read_table(files[0], [name for name in chosen.values() if name])
        keys = {key: _column(raw, name, files[0]) for key, name in chosen.items()}
        rest = raw.drop(columns=[name for name in chosen.values() if name])
        if taken := [name for name in rest if name in KEYS]:
            raise UserError(f"{files[0]}: the names {', '.join(taken)} are reserved; rename them.")
        attributes = {str(name): clean(rest[name]) for name in rest}
        table = pd.DataFrame({**keys, **attributes})
        if table["image_id"].isna().any():
            rows = (table.index[table["image_id"].isna()] + 1).astype(str)
            raise UserError(f"{files[0]}: no image id in the rows {listing(rows)}.")
        return table


def class_folders(path: Path, names: Set[str], label: str) -> pd.DataFrame:
    """Return a table of all images in an archive, with the name of their folder as attribute.

    Parameters
    ----------
    path
        The archive or folder, for messages.
    names
        All its files. What is hidden, or no image by its suffix, is passed over; the log says so.
    label
        The name of the attribute.

    Returns
    -------
    DataFrame
        image_id (sorted), identity and partition (missing), and `label`.

    Raises
    ------
    UserError
        For images in no folder, and for fewer than two folders.
    """
    ids = sorted(name for name in names if _is_image(PurePosixPath(name)))
    if others := sorted(set(names) - set(ids)):
        logging.info("%s: %d files are no images: %s", path, len(others), listing(others))
    classes = [PurePosixPath(name).parent.name for name in ids]
    wanted = f"With attributes: null, {path} needs a folder per class (cats/1.jpg, dogs/1.jpg)"
    if not ids:
        raise UserError(f"{wanted}; it holds no image.")
    if flat := [name for name, kind in zip(ids, classes, strict=True) if not kind]:
        raise UserError(
            f"{wanted}; {len(flat)} of its {len(ids)} images lie in none: {listing(flat)}. Sort "
            "them into folders, or name a table in `attributes`."
        )
    if len(set(classes)) < 2:
        raise UserError(
            f"{wanted}, at least two; all its {len(ids)} images lie in {classes[0]}/. Add the "
            "other classes, or name a table in `attributes`."
        )
    keys = {"image_id": ids, "identity": None, "partition": None}
    return pd.DataFrame({**keys, label: pd.array(classes, dtype="string")})


def _is_image(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def clean(column: pd.Series) -> pd.Series:
    """Return an attribute in one of four forms.

    Two values 0/1, -1/1 or true/false become int8 0/1 (Int8 where some are missing), other numbers
    stay, all else becomes text without blanks at its ends. Missing values stay missing.
    """
    known = column.dropna()
    values = set(known.unique())
    whole: Literal["Int8", "int8"] = "Int8" if len(known) < len(column) else "int8"
    if values <= {True, False}:  # 0 and 1 are equal to these
        return column.astype("boolean").astype(whole)
    if values <= {-1, 1}:
        return (column.astype("Int8") == 1).astype(whole)
    if pd.api.types.is_numeric_dtype(column):
        return column
    return column.map(lambda value: str(value).strip(), na_action="ignore").astype("string")


def _column(table: pd.DataFrame, name: str | None, path: Path) -> pd.Series | None:
    if name is None:
        return None
    if name not in table:
        known = [str(column) for column in table.columns]
        hint = " The columns of a CSV are separated by commas." if len(known) == 1 else ""
        raise UserError(
            f"{path} has no column {name!r}{suggestion(name, known)} "
            f"Columns: {', '.join(known)}.{hint}"
        )
    return table[name].astype("string")
