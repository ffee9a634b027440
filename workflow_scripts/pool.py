"""Decode every image of a dataset once."""

from pathlib import Path
from typing import Any

from job import run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Build the pool with as many workers as Snakemake gave threads."""
    from rightreasons.data import create
    from rightreasons.data.pool import build_pool

    dataset = create(params.kind, params.dataset, name=wildcards.dataset, data_dir=params.data)
    fetched, folder = Path(input.attributes).parent, Path(output.pool).parent
    build_pool(dataset, fetched, folder, workers=threads, progress=progress)


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
