"""Join the sanity checks of all cells into the study's table."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Add the cell key, write."""
    from rightreasons.study.sections import StudyConfig
    from rightreasons.tables import tabulate
    from rightreasons.tables.schema import read_table, write_table

    ready()
    stamp = read_table(Path(input.provenance))["run"].iloc[0]
    parts = tabulate.sanity(StudyConfig(**params.study), input.sanity)
    write_table((part.assign(run=stamp) for part in parts), "sanity", Path(output.sanity))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
