"""Do two runs of a study have the same tables?

    python -m rightreasons.tables.compare FOLDER FOLDER

FOLDER is results/<study> of each run. Left out are `runtimes`, whose seconds differ, and
`provenance` with the columns `run` that point to it: they say where and with what a run was made.
The command ends with 0 where all are identical, to the last bit, and with 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rightreasons.core.errors import UserError
from rightreasons.tables.rows import frame_of

#: Rows that are compared at a time.
PART = 1 << 18
LEFT_OUT = {"runtimes", "provenance"}


def compare(ours: Path, theirs: Path) -> pd.DataFrame:
    """Return which tables of two runs differ, and by how much.

    Parameters
    ----------
    ours, theirs
        Folders of studies, each with a folder `tables`.

    Returns
    -------
    pandas.DataFrame
        A row per table with the columns table, rows, other_rows, differs (names of columns, ""
        where the tables are identical; "rows" where their numbers of rows differ), largest
        (absolute difference, missing where no number differs).

    Raises
    ------
    UserError
        Where a folder has no tables.
    """
    folders = [folder / "tables" for folder in (ours, theirs)]
    names = [{p.stem for p in folder.glob("*.parquet")} - LEFT_OUT for folder in folders]
    for folder, found in zip(folders, names, strict=True):
        if not found:
            raise UserError(f"{folder} holds no tables. Give the folder results/<study> of a run.")
    rows = [_table(name, *folders) for name in sorted(names[0] | names[1])]
    columns = ["table", "rows", "other_rows", "differs", "largest"]
    return pd.DataFrame(rows, columns=columns).astype({"largest": float})


def _table(name: str, *folders: Path) -> dict[str, object]:
    paths = [folder / f"{name}.parquet" for folder in folders]
    if not all(path.exists() for path in paths):
        absent = next(path for path in paths if not path.exists())
        return {"table": name, "differs": f"{absent} is missing"}
    count, other = (pq.read_metadata(path).num_rows for path in paths)
    row: dict[str, object] = {"table": name, "rows": count, "other_rows": other}
    if count != other:
        return {**row, "differs": "rows"}
    differences: dict[str, list[float]] = {}
    for a, b in zip(*map(_parts, paths), strict=True):
        for column, number in _columns(a, b):
            differences.setdefault(column, []).extend([] if number is None else [number])
    numbers = [number for found in differences.values() for number in found]
    return {**row, "differs": ", ".join(differences), "largest": max(numbers, default=None)}


def _parts(path: Path) -> Iterator[pd.DataFrame]:
    """Yield a table a part at a time, one without rows too."""
    with pq.ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield frame_of(file.read())
        for part in file.iter_batches(PART):
            yield frame_of(pa.Table.from_batches([part]))


def _columns(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[tuple[str, float | None]]:
    """Yield each column that differs, with the largest difference of its numbers."""
    for name in a.columns.union(b.columns, sort=False).drop("run", errors="ignore"):
        if name not in a or name not in b:
            yield name, None
        elif not a[name].equals(b[name]):
            number = all(pd.api.types.is_float_dtype(t[name]) for t in (a, b))
            largest = float((a[name] - b[name]).abs().max()) if number else 0.0
            yield name, largest if largest > 0 else None  # else values are missing in one only


def main() -> None:
    """Read the command line, print the table, say whether all is the same."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ours", type=Path)
    parser.add_argument("theirs", type=Path)
    arguments = parser.parse_args()
    try:
        found = compare(arguments.ours, arguments.theirs)
    except UserError as error:
        sys.exit(f"error: {error}")
    print(found.to_string(index=False, na_rep=""))
    different = found.loc[found["differs"] != "", "table"]
    print("all identical" if different.empty else f"different: {', '.join(different)}")
    sys.exit(0 if different.empty else 1)


if __name__ == "__main__":
    main()
