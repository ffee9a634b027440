"""What jobs that make tables share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightreasons.tables.schema import Rows


def write_stamped(parts: Iterable[Rows], name: str, path: Path, stamp: str) -> None:
    """Write the parts of a table, each with the provenance's key `run`."""
    import pandas as pd

    from rightreasons.tables.rows import keyed
    from rightreasons.tables.schema import write_table

    def stamped(part: Rows) -> Rows:
        if isinstance(part, pd.DataFrame):
            return part.assign(run=stamp)
        return keyed(part, {"run": stamp})

    write_table(map(stamped, parts), name, path)


def stamp_of(provenance: Path) -> str:
    """Return the provenance's key."""
    from rightreasons.tables.schema import read_table

    return str(read_table(provenance)["run"].iloc[0])
