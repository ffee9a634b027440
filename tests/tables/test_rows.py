"""Rows as Arrow holds them: keys, words, their order, and the same tables as from frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rightreasons.core.files import write_parquet
from rightreasons.tables.columns import WORD
from rightreasons.tables.rows import by_metric, frame_of, joined, keyed, read_rows, with_words
from rightreasons.tables.schema import ROW_GROUP, TABLES, conform, write_table

FRAME = pd.DataFrame(
    {
        "image_id": ["b", "a", "b", "a", "c", "c"],
        "metric": ["rrf", "adr", "adr", "rrf", "rrf", "adr"],
        "explainer": ["lrp", "ig", "lrp", None, "ig", "ig"],
        "value": [0.5, np.nan, 1.5, 2.5, 3.5, 4.5],
        "target": np.array([0, 1, 0, 1, 1, 1], np.int8),
        "study": "s",
        "level": 0.5,
        "seed": 3,
    }
)


def stored(folder: Path, frame: pd.DataFrame = FRAME) -> pa.Table:
    write_parquet(frame, folder / "rows.parquet")
    return read_rows(folder / "rows.parquet")


def test_rows_make_the_same_table_as_a_frame_does(tmp_path: Path) -> None:
    table = TABLES["image_metrics"]
    ours = conform(keyed(stored(tmp_path), {"run": "r"}), table)
    assert ours.schema.equals(table.schema, check_metadata=True)
    assert ours.to_pylist() == conform(FRAME.assign(run="r"), table).to_pylist()
    assert ours["value"].null_count == 1
    assert ours["method"].null_count == len(FRAME)


def test_nan_is_missing_in_the_table() -> None:
    rows = pa.table({"value": [np.nan, 1.0], "metric": ["rrf", None]})
    made = conform(rows, TABLES["image_metrics"])
    assert made["value"].to_pylist() == [None, 1.0]
    assert made["metric"].to_pylist() == ["rrf", None]


def test_words_are_read_as_dictionaries_and_become_strings(tmp_path: Path) -> None:
    rows = stored(tmp_path)
    assert {name for name in rows.column_names if rows[name].type == WORD} == {
        "metric",
        "explainer",
        "study",
    }
    frame = frame_of(rows)
    assert frame["metric"].tolist() == FRAME["metric"].tolist()
    assert not isinstance(frame["metric"].dtype, pd.CategoricalDtype)


def test_rows_of_some_words(tmp_path: Path) -> None:
    rows = stored(tmp_path)
    assert with_words(rows, "metric", ["rrf", "unknown"])["value"].to_pylist() == [0.5, 2.5, 3.5]
    assert with_words(rows, "explainer", ["ig"])["value"].to_pylist() == [None, 3.5, 4.5]
    assert with_words(rows, "image_id", ["c"])["value"].to_pylist() == [3.5, 4.5]
    assert with_words(rows.slice(0, 0), "metric", ["rrf"]).num_rows == 0


def test_rows_are_ordered_by_the_names_of_metric_and_explainer_alone(tmp_path: Path) -> None:
    made = by_metric(stored(tmp_path))
    keys = list(zip(made["metric"].to_pylist(), made["explainer"].to_pylist(), strict=True))
    assert keys == [
        *[("adr", "ig")] * 2,
        ("adr", "lrp"),
        ("rrf", "ig"),
        ("rrf", "lrp"),
        ("rrf", None),
    ]
    assert made["image_id"].to_pylist() == ["a", "c", "b", "c", "b", "a"]  # as they were
    assert by_metric(made).equals(made)
    assert by_metric(made.slice(0, 0)).num_rows == 0


def test_dictionaries_of_several_files_become_one(tmp_path: Path) -> None:
    other = stored(tmp_path, FRAME.assign(metric="new"))
    both = joined([stored(tmp_path), other])
    assert both["metric"].to_pylist() == [*FRAME["metric"], *["new"] * len(FRAME)]
    assert with_words(both, "metric", ["new"]).num_rows == len(FRAME)


def test_row_groups_of_a_large_part_hold_few_metrics(tmp_path: Path) -> None:
    names = ["adr", "dif", "hrf", "mrr"]
    count = ROW_GROUP // 2
    rows = pa.table({"metric": np.tile(names, count), "explainer": np.repeat("lrp", 4 * count)})
    parts = [by_metric(rows.slice(0, 8)), by_metric(rows)]
    write_table(parts, "image_metrics", tmp_path / "t.parquet")
    metadata = pq.read_metadata(tmp_path / "t.parquet")
    place = pq.read_schema(tmp_path / "t.parquet").names.index("metric")
    groups = [metadata.row_group(i).column(place).statistics for i in range(3)]
    assert metadata.num_row_groups == 3
    assert [(s.min, s.max) for s in groups] == [("adr", "mrr"), ("adr", "dif"), ("hrf", "mrr")]
