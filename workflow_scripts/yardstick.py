"""Hold what saliency metrics claim against what models rely on."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Read the study's tables, compute, write."""
    from rightreasons.tables.reliance import reliance, yardstick
    from rightreasons.tables.schema import read_table, write_table

    ready()
    names = ("cell_metrics", "image_metrics", "predictions")
    tables = {name: read_table(Path(input[name])) for name in names}
    stamp = tables["cell_metrics"]["run"].iloc[0]
    found = reliance(
        **tables,
        injected=params.injected,
        elsewhere=params.elsewhere,
        controls=params.controls,
    )
    made = {"reliance": found, "yardstick": yardstick(found)}
    for name, table in made.items():
        write_table([table.assign(run=stamp)] if len(table) else [], name, Path(output[name]))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
