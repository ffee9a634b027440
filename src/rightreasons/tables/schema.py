"""The tables' schemas, and reading and writing them. `results/README.md` is made from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rightreasons.core.files import whole
from rightreasons.tables import (
    schema_attribution,
    schema_multiverse,
    schema_probes,
    schema_ranks,
    schema_regions,
    schema_reliance,
    schema_study,
    schema_tuning,
)
from rightreasons.tables.columns import WORD, Column, Table
from rightreasons.tables.rows import as_words, frame_of, missing

#: The most rows of a row group: few enough for a query to leave out those that it does not ask for.
ROW_GROUP = 1 << 16
#: Rows of a table, on their way into it.
Rows: TypeAlias = pd.DataFrame | pa.Table

#: Every table by name.
TABLES: dict[str, Table] = {
    table.name: table
    for module in (
        schema_study,
        schema_tuning,
        schema_regions,
        schema_attribution,
        schema_reliance,
        schema_probes,
        schema_multiverse,
        schema_ranks,
    )
    for table in module.TABLES
}


def conform(rows: Rows, table: Table) -> pa.Table:
    """Return rows in the table's schema; absent columns are missing values, and so is NaN.

    Parameters
    ----------
    rows
        A frame or Arrow's table, its columns in any order.
    table
        What the columns are to be.

    Raises
    ------
    ValueError
        For a column that the schema does not know.
    """
    names = rows.column_names if isinstance(rows, pa.Table) else rows.columns
    if unknown := set(names) - {column.name for column in table.columns}:
        raise ValueError(f"table {table.name} has no columns {sorted(unknown)}")
    made = _column if isinstance(rows, pa.Table) else _array
    arrays = [
        made(rows, column) if column.name in names else pa.nulls(len(rows), column.type)
        for column in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)


def write_table(parts: Iterable[Rows], name: str, path: Path) -> None:
    """Write the parts of a table one after the other, whole or not at all.

    Parameters
    ----------
    parts
        Of the table's columns; only one at a time is in memory. Each begins a row group.
    name
        Which of TABLES it is.
    path
        Where to.
    """
    table = TABLES[name]
    with (
        whole(path) as scratch,
        pq.ParquetWriter(scratch, table.schema, compression="zstd") as writer,
    ):
        for part in parts:
            if len(part):
                writer.write_table(conform(part, table), row_group_size=ROW_GROUP)


def read_table(path: Path) -> pd.DataFrame:
    """Return a table with plain strings in place of dictionaries."""
    return frame_of(pq.read_table(path))


def data_dictionary() -> str:
    """Return `results/README.md`: every table's rows, columns, types, units, meanings."""
    lines = [
        "# Data dictionary",
        "",
        "Results of a study lie in `results/<study>/`: one folder per stage, `logs/`,",
        "`benchmarks/` (Snakemake's), and `tables/<table>.parquet`, described here. The columns'",
        "units and meanings are in the files' column metadata too. Made from",
        "`rightreasons/tables/schema.py` by `python -m rightreasons.tables.schema`; do not edit.",
    ]
    for table in TABLES.values():
        lines += ["", f"## {table.name}", "", f"One row: {table.row}.", ""]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{c.name}` | {_type_name(c.type)} | {c.unit} | {c.meaning} |" for c in table.columns
        ]
    return "\n".join(lines) + "\n"


def _array(frame: pd.DataFrame, column: Column) -> pa.Array:
    values = frame[column.name]
    if column.type == WORD:
        return pa.array(values, pa.string(), from_pandas=True).dictionary_encode()
    return pa.array(values, column.type, from_pandas=True)


def _column(rows: pa.Table, column: Column) -> pa.ChunkedArray:
    values = rows[column.name]
    if column.type == WORD:
        return as_words(values)
    values = values.cast(column.type)
    return missing(values) if pa.types.is_floating(column.type) else values


def _type_name(type_: pa.DataType) -> str:
    return "string" if type_ == WORD else str(type_)


if __name__ == "__main__":
    print(data_dictionary(), end="")
