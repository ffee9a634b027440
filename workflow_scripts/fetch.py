"""Find or download the official files of a dataset, check them, list their attributes."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Create the dataset and let it fetch."""
    from rightreasons.data import create

    ready()
    dataset = create(params.kind, params.dataset, name=wildcards.dataset, data_dir=params.data)
    dataset.fetch(Path(output.attributes).parent)


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
