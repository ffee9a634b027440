"""Draw the mean images and mean maps of a task at one level, over all seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read the seeds' mean maps and which models collapsed, draw, write."""
    from rightreasons.figures import load
    from rightreasons.figures.cells import collapsed_cells
    from rightreasons.figures.style import save

    draw = load("mean_maps")
    ready()
    cells = pd.concat([pd.read_parquet(path) for path in input.cell_metrics])
    figure = draw(
        [np.load(path, allow_pickle=False) for path in input.mean_maps],
        methods=params.methods,
        explainer=wildcards.explainer,
        title=f"{wildcards.task}, {wildcards.design} = {params.level:g}: "
        f"mean maps by {wildcards.explainer}",
        target=params.target,
        protected=params.protected,
        collapsed=set(collapsed_cells(cells)["method"]),
    )
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
