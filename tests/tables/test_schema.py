"""The tables' schemas, the data dictionary, and what is written and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightreasons.tables.columns import KEY, WORD, Table
from rightreasons.tables.schema import TABLES, conform, data_dictionary, read_table, write_table

ROOT = Path(__file__).parents[2]
ALL = pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)


def test_the_data_dictionary_is_up_to_date() -> None:
    stored = (ROOT / "results/README.md").read_text()
    assert stored == data_dictionary(), "python -m rightreasons.tables.schema > results/README.md"


@ALL
def test_every_column_says_what_it_means(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert all(column.meaning for column in table.columns)
    assert table.row
    assert "run" in names
    if table.name != "provenance":
        assert table.columns[: len(KEY)] == KEY


@ALL
def test_units_and_meanings_are_in_the_file(table: Table, tmp_path: Path) -> None:
    write_table([pd.DataFrame({"study": ["s"]})], table.name, tmp_path / "t.parquet")
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.names == [column.name for column in table.columns]
    for column in table.columns:
        metadata = schema.field(column.name).metadata
        assert metadata[b"unit"].decode() == column.unit
        assert metadata[b"meaning"].decode() == column.meaning
    assert schema.metadata[b"row"].decode() == table.row


def test_times_and_sizes_have_units() -> None:
    units = {(t.name, c.name): c.unit for t in TABLES.values() for c in t.columns}
    assert units["runtimes", "seconds"] == "s"
    assert units["runtimes", "max_rss"] == units["runtimes", "peak_gpu"] == "MiB"
    assert units["tests", "p_value"] == "probability"


@ALL
def test_a_table_without_rows_has_its_columns(table: Table, tmp_path: Path) -> None:
    write_table([pd.DataFrame()], table.name, tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet")
    assert len(frame) == 0
    assert list(frame.columns) == [column.name for column in table.columns]


def test_frames_take_the_tables_order_and_types() -> None:
    frame = pd.DataFrame(
        {"value": [1, np.nan], "metric": ["rrf", "adr"], "level": [0, 1], "n": [3.0, np.nan]}
    )
    made = conform(frame, TABLES["cell_metrics"])
    assert made.schema.equals(TABLES["cell_metrics"].schema)
    assert made["value"].to_pylist() == [1.0, None]
    assert made["metric"].type == WORD
    assert made["metric"].to_pylist() == ["rrf", "adr"]
    assert made["n"].to_pylist() == [3, None]
    assert made["seed"].null_count == 2


def test_missing_words_and_flags_stay_missing() -> None:
    frame = pd.DataFrame(
        {"explainer": [None, "lrp", np.nan], "significant": [True, None, np.nan]}, dtype=object
    )
    made = conform(frame, TABLES["tests"])
    assert made["explainer"].to_pylist() == [None, "lrp", None]
    assert made["significant"].to_pylist() == [True, None, None]


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        ({"vaule": [1.0]}, ValueError, r"table cell_metrics has no columns \['vaule'\]"),
        ({"n": [0.5]}, pa.ArrowInvalid, "truncated"),
        ({"value": ["high"]}, pa.ArrowInvalid, "high"),
    ],
)
def test_wrong_columns_are_refused(frame: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        conform(pd.DataFrame(frame), TABLES["cell_metrics"])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parts = [
        pd.DataFrame({"metric": ["rrf"], "value": [0.5], "seed": [1]}),
        pd.DataFrame(),
        pd.DataFrame({"metric": ["adr", "rrf"], "value": [np.nan, 2.0], "method": ["a", "b"]}),
    ]
    write_table(iter(parts), "cell_metrics", path)
    frame = read_table(path)
    assert frame["metric"].tolist() == ["rrf", "adr", "rrf"]
    assert frame["value"].fillna(-1).tolist() == [0.5, -1, 2.0]
    assert frame["method"].isna().tolist() == [True, False, False]
    assert frame["metric"].dtype == object
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_a_failed_write_keeps_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table([pd.DataFrame({"value": [1.0]})], "cell_metrics", path)
    with pytest.raises(ValueError, match="no columns"):
        write_table(
            [pd.DataFrame({"value": [2.0]}), pd.DataFrame({"x": [1]})], "cell_metrics", path
        )
    assert read_table(path)["value"].tolist() == [1.0]
