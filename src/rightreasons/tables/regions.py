"""The tables of patch classifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rightreasons.tables.schema import TABLES


def region_parts(
    table: str, study: str, files: Sequence[Path], records: Sequence[Mapping[str, Any]]
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table from the measures of every patch classifier.

    Parameters
    ----------
    table
        Name of the table, which says the columns that are added.
    files, records
        For every patch classifier the measures (Parquet) and its `region.json`.
    """
    known = {column.name for column in TABLES[table].columns}
    for path, record in zip(files, records, strict=True):
        part = pd.read_parquet(path)
        facts = {
            "study": study,
            "network": record["network"],
            "size": record["size"],
            "patch": record["patch"],
            "grid": round(record["positions"] ** 0.5),
        }
        new = {name: fact for name, fact in facts.items() if name in known and name not in part}
        yield part.assign(**new)
