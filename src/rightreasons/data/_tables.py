"""Text files and tables of attributes, read with an error that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from rightreasons.core.errors import UserError, reason
from rightreasons.core.registry import suggestion
from rightreasons.data._content import check_not_page, content_of, described
from rightreasons.data._shown import listing, shown

#: What is read as CSV: text itself, and text that is packed, by pandas' names.
_PACKED = {"gzip": "gzip", "bzip2": "bz2", "xz": "xz", "zstd": "zstd", "zip": "zip"}
#: The name of a Parquet file's index that has none.
INDEX = "__index_level_0__"


def read_text(path: Path) -> str:
    """Return a text file in UTF-8, with or without a byte order mark."""
    check_not_page(path)
    kind = content_of(path)
    if kind not in ("text", "json", "utf16", "empty"):
        what, way = described(kind)
        raise UserError(f"{path} is {what}, where a text file is needed. {way}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(_no_table(path, error)) from error


def read_table(path: Path, text: Collection[str] = (), lists: Collection[str] = ()) -> pd.DataFrame:
    """Return a CSV or Parquet file, or a folder of Parquet files, known by content.

    text: columns of a CSV that stay text, so that 007 and 7 differ. Only an empty field of a CSV is
    missing. An index of pandas becomes columns. lists: columns of a Parquet file whose values may
    be lists.
    Raises UserError for a file that is no table, rows with more fields than the header, and
    columns of the same name.
    """
    if path.is_dir():
        files = parts_of(path)
        if not files:
            there = sorted(p.name for p in path.iterdir())
            raise UserError(
                f"{path} is a folder without a Parquet file; it holds {listing(there) or 'nothing'}"
                ". Name a file, or a folder of Parquet files."
            )
        tables = [_read(file, text, lists) for file in files]
        first = set(tables[0])
        for file, table in zip(files, tables, strict=True):
            if set(table) != first:
                raise UserError(
                    f"{file} has other columns than {files[0]}: "
                    f"{listing(sorted(map(str, first ^ set(table))))} are in one of them only."
                )
        return pd.concat(tables, ignore_index=True)
    return _read(path, text, lists)


def parts_of(folder: Path) -> list[Path]:
    """Return the Parquet files below a folder, sorted; hidden ones and marks (_SUCCESS) are not."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(p.startswith((".", "_")) for p in file.relative_to(folder).parts)
        and content_of(file) == "parquet"
    )


def first_lines(path: Path, expected: str) -> str:
    """Return how a file begins, and how it should, for an error about its layout."""
    with path.open(encoding="utf-8-sig", errors="backslashreplace") as file:
        first = file.readline(120).rstrip()
    return f"It begins with {first!r}; expected is {expected}"


def key_column(table: pd.DataFrame, name: str | None, path: Path) -> pd.Series | None:
    """Return a column as text, None for none; a UserError names the columns that there are."""
    if name is None:
        return None
    if name not in table:
        known = [str(column) for column in table.columns]
        hint = " The columns of a CSV are separated by commas." if len(known) == 1 else ""
        raise UserError(
            f"{path} has no column {name!r}{suggestion(name, known)} "
            f"Columns: {', '.join(map(shown, known))}.{hint}"
        )
    return table[name].astype("string")


def _read(path: Path, text: Collection[str], lists: Collection[str]) -> pd.DataFrame:
    check_not_page(path)
    kind = content_of(path)
    if kind not in ("parquet", "feather", "text", "utf16", "empty", *_PACKED):
        what, way = described(kind)
        raise UserError(f"{path} cannot be read as a table: it is {what}. {way}.")
    try:
        if kind == "feather":
            return pd.read_feather(path)
        return _parquet(path, lists) if kind == "parquet" else _csv(path, text, _PACKED.get(kind))
    except Exception as error:  # parsers and unpackers raise a dozen types
        raise UserError(_no_table(path, error)) from error


def _parquet(path: Path, lists: Collection[str]) -> pd.DataFrame:
    table = pd.read_parquet(path)
    _check_names(table.columns.to_series())
    for name, column in table.items():
        if name in lists or column.dtype != object:
            continue
        if column.map(pd.api.types.is_list_like).any():
            raise ValueError(f"its column {name} holds lists, where one value per image is needed")
    index = table.index
    if isinstance(index, pd.RangeIndex) and index.name is None:
        return table
    names = [name or INDEX.replace("0", str(at)) for at, name in enumerate(index.names)]
    new = [name for name in names if name not in table]
    return index.set_names(names).to_frame(index=False)[new].join(table.reset_index(drop=True))


def _csv(path: Path, text: Collection[str], packed: str | None) -> pd.DataFrame:
    # Only empty fields are missing: "None" and "NA" are categories that people use.
    options: Any = {"encoding": "utf-8-sig", "keep_default_na": False, "na_values": [""]}
    options["compression"] = packed
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, **options)
    _check_names(header.iloc[0].dropna())
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # it would drop surplus fields
        return pd.read_csv(path, index_col=False, dtype=dict.fromkeys(text, str), **options)


def _check_names(names: pd.Series) -> None:
    if twice := names[names.duplicated()].unique().tolist():
        raise ValueError(f"several columns are called {', '.join(map(str, twice))}")


def _no_table(path: Path, error: Exception) -> str:
    what = reason(error).rstrip(".")
    if isinstance(error, UnicodeDecodeError):
        what = f"it is not in UTF-8 ({what}). Save it in that encoding"
    if isinstance(error, pd.errors.ParserWarning):
        what = "its rows have more fields than its header"
    return f"{path} cannot be read as a table: {what}."
