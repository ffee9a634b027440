"""Any folder or zip of images with a table of attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from rightreasons.data import DATASETS, KEYS
from rightreasons.data._archive import listing
from rightreasons.data._files import FileDataset, FileParams
from rightreasons.errors import UserError
from rightreasons.registry import suggestion


class FolderParams(FileParams):
    """Parameters of `folder`."""

    images: str = Field("images", description="folder or zip with the images, below `root`")
    attributes: str = Field(
        "attributes.csv", description="CSV or Parquet file with one row per image, below `root`"
    )
    id_column: str = Field(
        "image_id", description="its column with the images' paths inside `images`"
    )
    identity_column: str | None = Field(
        None, description="its column with who is shown; images of one identity stay in one split"
    )
    partition_column: str | None = Field(None, description="its column with official partitions")


@DATASETS.register(
    "folder",
    title="A folder of images",
    paper="your own data",
    params=FolderParams,
    licence="yours to state",
    page="docs/datasets.md",
)
class Folder(FileDataset):
    """Images of your own, as a folder or a zip, with a CSV or Parquet table of attributes.

    Every further column is an attribute. Two-valued ones (0/1, -1/1, true/false) become 0/1, text
    is a category, other numbers stay. An empty field is missing, which is an error only where a
    task uses it.
    """

    kind = "folder"

    @property
    def home(self) -> Path:
        """The folder that paths are relative to: `root`, or <data folder>/<name>."""
        root = self.params.root
        return Path(root).expanduser() if root else self.data_dir / self.name

    def locate(self) -> tuple[Path, list[Path]]:
        """Return the images and the table; a UserError says where they were expected."""
        images, table = self.home / self.params.images, self.home / self.params.attributes
        if not images.exists() and images.with_name(images.name + ".zip").is_file():
            images = images.with_name(images.name + ".zip")
        for path, key in ((images, "images"), (table, "attributes")):
            if not path.exists():
                raise UserError(
                    f"dataset {self.name}: {path} does not exist. Put it there, or set `root` "
                    f"and `{key}` to where it is."
                )
        return images, [table]

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the table with the names of the key columns and cleaned attributes."""
        raw = read_table(files[0])
        chosen = {
            "image_id": self.params.id_column,
            "identity": self.params.identity_column,
            "partition": self.params.partition_column,
        }
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


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV or Parquet file; a UserError if it is neither."""
    try:
        if path.suffix in (".parquet", ".pq"):
            return pd.read_parquet(path)
        # Only empty fields are missing: "None" and "NA" are categories that people use.
        return pd.read_csv(path, encoding="utf-8-sig", keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as a table: {error}") from error


def clean(column: pd.Series) -> pd.Series:
    """Return an attribute as 0/1 (int8, or Int8 with missing values), numbers, or text."""
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
        raise UserError(
            f"{path} has no column {name!r}{suggestion(name, map(str, table.columns))} "
            f"Columns: {', '.join(map(str, table.columns))}."
        )
    return table[name].astype("string")
