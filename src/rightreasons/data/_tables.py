"""Text files and tables of attributes, read with an error that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from rightreasons.core.errors import UserError, reason


def read_text(path: Path) -> str:
    """Return a text file in UTF-8, with or without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(_no_table(path, error)) from error


def read_table(path: Path, text: Collection[str] = ()) -> pd.DataFrame:
    """Return a CSV or Parquet file; only an empty field of a CSV is missing.

    text: columns of a CSV that stay text, so that 007 and 7 differ.
    Raises UserError for a file that is no table, rows with more fields than the header, and
    columns of the same name.
    """
    is_parquet = path.suffix in (".parquet", ".pq")
    try:
        return _read_parquet(path) if is_parquet else _read_csv(path, text)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise UserError(_no_table(path, error)) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path)
    _check_names(table.columns.to_series())
    for name, column in table.items():
        if column.dtype == object and column.map(pd.api.types.is_list_like).any():
            raise ValueError(f"its column {name} holds lists, where one value per image is needed")
    return table


def _read_csv(path: Path, text: Collection[str]) -> pd.DataFrame:
    # Only empty fields are missing: "None" and "NA" are categories that people use.
    options: Any = {"encoding": "utf-8-sig", "keep_default_na": False, "na_values": [""]}
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
