"""Join the measures of all patch classifiers into the study's tables."""

from pathlib import Path
from typing import Any

import pandas as pd

from job import read_json, ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Add what each classifier is, write one table after the other."""
    from rightreasons.tables.schema import TABLES, read_table, write_table

    ready()
    stamp = read_table(Path(input.provenance))["run"].iloc[0]
    records = [read_json(path) for path in input.region]
    for name, files in params.tables.items():
        known = {column.name for column in TABLES[name].columns}

        def parts(files: str = files, known: set[str] = known) -> Any:
            for path, record in zip(input[files], records, strict=True):
                table = pd.read_parquet(path)
                facts = {
                    "study": params.study,
                    "run": stamp,
                    "network": record["network"],
                    "size": record["size"],
                    "patch": record["patch"],
                    "grid": round(record["positions"] ** 0.5),
                }
                facts = {k: v for k, v in facts.items() if k in known and k not in table}
                yield table.assign(**facts)

        write_table(parts(), name, Path(output[name]))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
