"""Make the twins of a pool's images: one attribute switched and nothing else changed."""

from pathlib import Path
from typing import Any

from job import run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Build the twins with as many workers as Snakemake gave threads."""
    from rightreasons.data import create
    from rightreasons.data.pool import build_twins

    dataset = create(params.kind, params.dataset, name=wildcards.dataset, data_dir=params.data)
    fetched, folder = Path(input.attributes).parent, Path(output.twins).parent
    build_twins(dataset, fetched, folder, wildcards.attribute, workers=threads, progress=progress)


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
