"""Rows of tables as Arrow holds them: a table of millions of rows is joined without pandas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rightreasons.tables.columns import WORD

#: Columns of a group's measures that repeat few words.
WORDS = ("study", "dataset", "task", "design", "method", "explainer", "metric")


def read_rows(path: Path) -> pa.Table:
    """Return all rows of a group's file, its WORDS as dictionaries."""
    words = [name for name in pq.read_schema(path).names if name in WORDS]
    with pq.ParquetFile(path, read_dictionary=words) as file:
        rows = file.read(use_threads=False)
    for name in words:
        rows = rows.set_column(rows.column_names.index(name), name, as_words(rows[name]))
    return rows


def as_words(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return strings, or dictionaries of strings, as one dictionary for all chunks."""
    if pa.types.is_dictionary(values.type) and values.type != WORD:
        values = values.cast(values.type.value_type)
    if values.type != WORD:
        values = values.cast(pa.string()).dictionary_encode()
    return values.unify_dictionaries()


def keyed(rows: pa.Table, key: Mapping[str, str | float | int]) -> pa.Table:
    """Return rows with columns, in front of the others, that are the same in every row."""
    for place, (name, value) in enumerate(key.items()):
        if isinstance(value, str):
            places = pa.array(np.zeros(rows.num_rows, np.int32))
            column = pa.DictionaryArray.from_arrays(places, pa.array([value], pa.string()))
        else:
            column = pa.array(np.full(rows.num_rows, value))
        rows = rows.add_column(place, name, column)
    return rows


def joined(parts: Iterable[pa.Table]) -> pa.Table:
    """Return tables of the same columns as one, of which all are in memory."""
    return pa.concat_tables(parts, promote_options="default").unify_dictionaries()


def with_words(rows: pa.Table, column: str, words: Collection[str]) -> pa.Table:
    """Return the rows whose word is one of some."""
    codes, known = _codes(rows[column])
    wanted = np.array([*(word in words for word in known), False])
    return rows.filter(pa.array(wanted[codes]))


def frame_of(rows: pa.Table) -> pd.DataFrame:
    """Return rows as a frame with plain strings in place of dictionaries."""
    frame = rows.to_pandas()
    words = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(words, object))


def by_metric(rows: pa.Table) -> pa.Table:
    """Return the rows by metric, then explainer, in the order of their names, else as they were.

    The statistics of a file's row groups so tell a query which of them have the metric.
    """
    metric, explainer = (_ranks(rows[name]) for name in ("metric", "explainer"))
    return rows.take(pa.array(np.lexsort((explainer, metric))))


def missing(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return floats with missing values in place of NaN."""
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _ranks(words: pa.ChunkedArray) -> np.ndarray:
    """Return the place (n,) of each row's word among all words, by name; missing ones last."""
    codes, known = _codes(words)
    return np.array([*np.argsort(np.argsort(known)), len(known)])[codes]


def _codes(words: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return each row's place (n,) in a dictionary, -1 where it is missing, and the dictionary."""
    one = as_words(words).combine_chunks()
    if isinstance(one, pa.ChunkedArray):  # without rows there may be no chunk
        return np.empty(0, np.int32), []
    return one.indices.fill_null(-1).to_numpy(zero_copy_only=False), one.dictionary.to_pylist()
