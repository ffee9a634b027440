"""Labels, cleaned alike in every dataset whose labels people have typed."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from numbers import Number
from typing import Literal

import pandas as pd

from rightreasons.core.telling import tell
from rightreasons.data import KEYS
from rightreasons.data._shown import listing

_TRUTH = {"true": 1, "false": 0}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def cleaned(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with all attributes cleaned, and identity and partition as clean text."""
    made = {}
    for name in map(str, table):
        column = table[name]
        if name == "image_id":
            made[name] = column
        elif name in KEYS:
            made[name] = _plain(column).astype("string")
        else:
            made[name] = clean(column)
    return pd.DataFrame(made, index=table.index)


def clean(column: pd.Series) -> pd.Series:
    """Return an attribute in one of four forms.

    Two values 0/1, -1/1 or true/false become int8 0/1 (Int8 where some are missing), other numbers
    stay, all else becomes text in Unicode's composed form, without blanks at its ends. Text that
    is nothing but blanks is missing; missing values stay missing. It makes no difference whether
    numbers and truth values are text, as long as blanks are what keeps them from being numbers.
    """
    if isinstance(column.dtype, pd.CategoricalDtype) or _is_text(column):
        column = _unquoted(column.astype(object))
    known = column.dropna()
    if column.dtype == object and known.map(lambda v: isinstance(v, Number)).all():
        column = column.astype("Float64" if len(known) < len(column) else "float64")
        if len(known) and (known % 1 == 0).all():
            column = column.astype("Int64" if len(known) < len(column) else "int64")
        known = column.dropna()
    values = set(known.unique())
    whole: Literal["Int8", "int8"] = "Int8" if len(known) < len(column) else "int8"
    if values <= {True, False}:  # 0 and 1 are equal to these
        return column.astype("boolean").astype(whole)
    if values <= {-1, 1}:
        return (column.astype("Int8") == 1).astype(whole)
    if pd.api.types.is_numeric_dtype(column):
        return column
    return _plain(column).astype("string")


def as_numbers(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers, if that is what all of it is."""
    texts = column.dropna()
    if texts.map(lambda value: _NUMBER.fullmatch(value) is not None).all():
        return pd.to_numeric(column)
    return column


def told_alike(name: str, table: pd.DataFrame, most: int = 1000) -> None:
    """Say which values of an attribute differ in case or blanks only: they are different values.

    Parameters
    ----------
    name
        The dataset's.
    table
        Cleaned attributes. Columns with more than `most` values are passed over.
    """
    for attribute in (a for a in table if a not in KEYS and not _is_number(table[a])):
        values = table[attribute].dropna().unique().tolist()
        alike: dict[str, list[str]] = defaultdict(list)
        for value in values if len(values) <= most else ():
            alike["".join(value.casefold().split())].append(value)
        if same := [sorted(several) for several in alike.values() if len(several) > 1]:
            tell(
                f"dataset {name}: values of {attribute} that differ in case or blanks only are "
                f"different values: {'; '.join(listing(several) for several in same)}. If they "
                "mean the same, write them alike."
            )


def _unquoted(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers or truth values, where it is nothing else."""
    plain = _plain(column)
    texts = plain.dropna()
    if texts.empty or not texts.map(lambda value: isinstance(value, str)).all():
        return plain
    lower = texts.str.lower()
    if lower.isin(list(_TRUTH)).all():
        return pd.to_numeric(plain.str.lower().map(_TRUTH))
    if not texts.map(lambda value: _NUMBER.fullmatch(value) is not None).all():
        return plain
    stripped = bool((texts != column[texts.index]).any())
    numbers = set(map(float, texts.unique()))
    is_number = stripped or numbers <= {0, 1} or numbers <= {-1, 1}
    return pd.to_numeric(plain) if is_number else plain


def _plain(column: pd.Series) -> pd.Series:
    """Return text composed and without blanks at its ends, and missing where it is blank."""

    def plain(value: object) -> object:
        text = str(value).strip()
        return (text if text.isascii() else unicodedata.normalize("NFC", text)) or None

    if _is_number(column):
        return column
    return column.map(plain, na_action="ignore")


def _is_text(column: pd.Series) -> bool:
    if pd.api.types.is_string_dtype(column):
        return True
    return column.dtype == object and bool(column.map(lambda v: isinstance(v, str)).any())


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)
