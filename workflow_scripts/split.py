"""Draw the train, debias and test images of a cell."""

from pathlib import Path
from typing import Any

import pandas as pd

from job import ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Evaluate the task's attributes, let the design draw, write."""
    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import numpy_rng
    from rightreasons.splits import DESIGNS, label, label_injected

    ready()
    chosen = dict(params.design)
    design = DESIGNS[chosen.pop("kind")]
    level = float(wildcards.level)
    index = pd.read_parquet(input[0])
    labelled = label_injected if params.injected else label
    split = design.run(
        labelled(index, params.target, params.protected),
        level,
        design.params(levels=[level], **chosen),
        numpy_rng(int(wildcards.seed), "split", wildcards.task),
    )
    write_parquet(split, Path(output[0]))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
