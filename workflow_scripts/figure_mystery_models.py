"""Draw the mean maps of several models side by side."""

from pathlib import Path
from typing import Any

import numpy as np

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read the mean maps of each model's seeds, draw, write."""
    from rightreasons.figures.mystery_models import mystery_models
    from rightreasons.figures.style import save

    ready()
    parts = [np.load(path, allow_pickle=False) for path in input.mean_maps]
    seeds = len(parts) // len(params.titles)
    models = [(title, parts[i * seeds : (i + 1) * seeds]) for i, title in enumerate(params.titles)]
    figure = mystery_models(
        models,
        explainers=params.explainers,
        title=f"{wildcards.dataset}, {wildcards.design}: models side by side",
    )
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
