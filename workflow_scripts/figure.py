"""Draw one figure from the study's tables."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read the tables, draw the figure of the wildcards' task, design and explainer, write."""
    from rightreasons.figures import load
    from rightreasons.figures.style import save
    from rightreasons.tables.schema import read_table

    draw = load(params.figure)
    ready()
    tables = {name: read_table(Path(path)) for name, path in input.items()}
    figure = draw(**tables, **dict(wildcards.items()))
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
