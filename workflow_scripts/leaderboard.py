"""Write the leaderboard as HTML for the report and as text for the terminal."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read the table, write both."""
    from rightreasons.figures.leaderboard import save, shown
    from rightreasons.tables.schema import read_table

    ready()
    board = shown(read_table(Path(input.leaderboard)), params.explainers)
    save(board, Path(output.html), Path(output.text))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
