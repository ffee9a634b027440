"""Table 1 of the data-attribution paper and the full grid behind it."""

from pathlib import Path
from typing import Any

import pandas as pd

from job import ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Read the study's tables, compute, write."""
    from rightreasons.study.sections import StudyConfig
    from rightreasons.tables.schema import read_table, write_table
    from rightreasons.tables.table_one import grid, save_text, table_one
    from rightreasons.tables.tabulate import held_out

    ready()
    cells = read_table(Path(input.cell_metrics))
    stamp = cells["run"].iloc[0]
    study = StudyConfig(**params.study)
    full = grid(cells, study.methods, pd.concat(held_out(study, input.predictions)))
    best = table_one(full)
    write_table([full.assign(run=stamp)], "data_attribution", Path(output.data_attribution))
    write_table([best.assign(run=stamp)] if len(best) else [], "table_one", Path(output.table_one))
    save_text(best, Path(output.text), classes=("class 0", "class 1"))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
