"""Parquet files with images in them, as Hugging Face's datasets are stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rightreasons.core.errors import UserError, reason
from rightreasons.core.registry import suggestion
from rightreasons.data._shown import listing

#: Names of splits, where a file is called nothing else.
SPLITS = ("train", "validation", "val", "valid", "test", "dev")
_NUMBERED = re.compile(r"(.+?)[-_]\d+-of-\d+(-[0-9a-f]+)?")


@dataclass(frozen=True)
class Shard:
    """One of the Parquet files.

    Attributes
    ----------
    path
        Where it is.
    inside
        Its place below the folder of all, with / between folders.
    """

    path: Path
    inside: str

    @cached_property
    def schema(self) -> pa.Schema:
        """Its columns; a UserError where it cannot be read."""
        try:
            return pq.read_schema(self.path)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.path} cannot be read as Parquet: {reason(error)}. It breaks off or is "
                "damaged: get it again."
            ) from error

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """What Hugging Face's library says of the columns; empty where another one wrote them."""
        text = (self.schema.metadata or {}).get(b"huggingface", b"{}")
        try:
            found = json.loads(text)["info"]["features"]
        except (ValueError, KeyError, TypeError):
            return {}
        return {name: one for name, one in found.items() if isinstance(one, dict)}

    @property
    def split(self) -> str | None:
        """The split that its name or its folder says, None for none."""
        *folders, name = self.inside.split("/")
        stem = name.rsplit(".", 1)[0]
        if numbered := _NUMBERED.fullmatch(stem):
            return numbered[1]
        if stem in SPLITS:
            return stem
        return folders[-1] if folders and folders[-1] in SPLITS else None

    @property
    def configuration(self) -> str:
        """The folder that it lies in, but for one that is called as its split."""
        folders = self.inside.split("/")[:-1]
        return "/".join(folders[:-1] if folders and folders[-1] == self.split else folders)


def check_alike(shards: Sequence[Shard], name: str) -> None:
    """Raise UserError where files are of different data sets, or one of them is there twice."""
    places: dict[str | None, set[str]] = {}
    for shard in shards:
        places.setdefault(shard.split, set()).add(shard.configuration)
    several = sorted({one for where in places.values() if len(where) > 1 for one in where})
    if several:
        raise UserError(
            f"dataset {name}: the same split lies in several folders, which are versions of one "
            f"data set as a rule: {listing(one or 'the top' for one in several)}. Set `files` to "
            "the one that is meant."
        )
    first = shards[0]
    for shard in shards[1:]:
        if set(shard.schema.names) != set(first.schema.names):
            odd = sorted(set(shard.schema.names) ^ set(first.schema.names))
            what = f"the columns {listing(odd)} are in one of them only"
        elif shard.features != first.features:
            odd = [n for n in first.features if shard.features.get(n) != first.features[n]]
            what = f"the classes or types of {listing(odd)} differ"
        else:
            continue
        raise UserError(
            f"dataset {name}: {shard.path} and {first.path} are not parts of one table: {what}. "
            "Set `files` to those that belong together."
        )


def image_columns(shard: Shard) -> list[str]:
    """Return the columns that hold images: a struct with bytes, or bytes alone."""
    said = [name for name, one in shard.features.items() if one.get("_type") == "Image"]
    return [n for n in said if n in shard.schema.names] or [
        field.name for field in shard.schema if _holds_bytes(field.type)
    ]


def the_image_column(shard: Shard, asked: str | None, name: str) -> str:
    """Return the column with the images; a UserError where it is not clear."""
    known = image_columns(shard)
    if asked in known:
        return str(asked)
    if asked is not None:
        raise UserError(
            f"dataset {name}: {shard.path} has no images in a column {asked!r}"
            f"{suggestion(asked, known)} Columns with images: {listing(known) or 'none'}."
        )
    if len(known) != 1:
        what = f"several columns with images: {listing(known)}" if known else "no column of images"
        cure = "Set `image_column` to one of them" if known else "Name other `files`"
        raise UserError(
            f"dataset {name}: {shard.path} has {what}. Its columns are "
            f"{listing(shard.schema.names, 30)}. {cure}."
        )
    return known[0]


def read_columns(shard: Shard, image: str, lists: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return a file's attributes, and the columns that are none.

    Parameters
    ----------
    shard
        The file.
    image
        The column with the images.
    lists
        Columns with lists that are wanted nevertheless.

    Returns
    -------
    table : DataFrame
        Plain columns, with class labels by their names, and `lists`.
    left : list of str
        Columns of lists, structs or bytes, which are left out.
    """
    images = {image, *image_columns(shard)}
    plain = [f.name for f in shard.schema if f.name in lists or not _is_nested(f.type)]
    left = [n for n in shard.schema.names if n not in plain and n not in images]
    wanted = [n for n in plain if n not in images]
    try:
        read = pq.ParquetFile(shard.path).read(columns=wanted, use_threads=False)
        table = read.to_pandas(ignore_metadata=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{shard.path} cannot be read as Parquet: {reason(error)}.") from error
    for name in wanted:
        if shard.features.get(name, {}).get("_type") == "ClassLabel":
            table[name] = _named(table[name], shard.features[name].get("names"), shard, name)
    return table[wanted], left


def image_paths(shard: Shard, image: str) -> list[str | None]:
    """Return what a file calls its images, None where it does not."""
    kind = shard.schema.field(image).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return [None] * pq.read_metadata(shard.path).num_rows
    table = pq.ParquetFile(shard.path).read(columns=[f"{image}.path"], use_threads=False)
    return [one and one["path"] for one in table.column(image).to_pylist()]


def rows_of(shard: Shard) -> pd.DataFrame:
    """Return the group and the place in it of each row of a file."""
    meta = pq.read_metadata(shard.path)
    counts = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
    group = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.arange(count) for count in counts] or [np.zeros(0, int)])
    return pd.DataFrame({"group": group, "place": place})


class ShardReader:
    """Reads images by id from Parquet files; the last group of rows stays in memory.

    Parameters
    ----------
    files
        The Parquet files.
    column
        The column with the images.
    rows
        image_id, shard (number of the file), group, place.
    home
        Where images lie that are not in the files, but named by a path.
    """

    def __init__(self, files: Sequence[Path], column: str, rows: pd.DataFrame, home: Path) -> None:
        self.files, self.column, self.home = list(files), column, home
        keys = zip(rows["shard"], rows["group"], rows["place"], strict=True)
        self.places: Mapping[str, Any] = dict(zip(rows["image_id"], keys, strict=True))
        self._held: tuple[tuple[int, int] | None, Any] = (None, None)

    def read(self, image_id: str) -> bytes:
        """Return the encoded image. Raises KeyError, ValueError or OSError where it is missing."""
        shard, group, place = self.places[image_id]
        if self._held[0] != (shard, group):
            file = pq.ParquetFile(self.files[shard])
            table = file.read_row_group(group, columns=[self.column], use_threads=False)
            self._held = ((shard, group), table.column(self.column))
        value = self._held[1][place].as_py()
        if isinstance(value, Mapping):
            if value.get("bytes") is None and value.get("path"):
                return (self.home / value["path"]).read_bytes()
            value = value.get("bytes")
        if value is None:
            raise ValueError("no image in this row")
        return bytes(value)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return at >= 0 and _holds_bytes(kind.field(at).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_nested(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or _holds_bytes(kind)


def _named(codes: pd.Series, names: Any, shard: Shard, column: str) -> pd.Series:
    """Return class labels by their names; -1 is missing, as the library has it."""
    known = list(names.values()) if isinstance(names, Mapping) else list(names or [])
    missing = codes.isna() | (codes == -1)
    if not known:
        return codes.where(~missing)
    if (odd := ~missing & ~codes.isin(range(len(known)))).any():
        raise UserError(
            f"{shard.path}: {column} has the class {codes[odd].iloc[0]}, and there are names for "
            f"{len(known)}. The file and its description are not of one version."
        )
    return codes.where(~missing).map(lambda code: str(known[int(code)]), na_action="ignore")
