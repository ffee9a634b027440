"""Draw a dot per image: what its map says, by level and quadrant, all seeds."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read the metric and the predictions of every group, draw, write."""
    from rightreasons.figures.dots import read_groups
    from rightreasons.figures.quadrants import quadrants
    from rightreasons.figures.style import save

    ready()
    tables = read_groups(
        input.image_metrics, input.predictions, params.groups, metric=params.metric
    )
    figure = quadrants(
        *tables,
        task=wildcards.task,
        design=wildcards.design,
        explainer=wildcards.explainer,
        metric=params.metric,
        controls=params.controls,
        target=params.target,
        protected=params.protected,
    )
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
