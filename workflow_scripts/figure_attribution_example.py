"""Draw what masks and noise make of single images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Take images that have the protected attribute, change them as training does, write."""
    from rightreasons.artifacts.injected import both_versions, open_images
    from rightreasons.core.seeds import numpy_rng
    from rightreasons.data.attributes import binary
    from rightreasons.figures.attribution_example import attribution_example, changed_images
    from rightreasons.figures.style import save
    from rightreasons.regions.attribution import Attribution

    ready()
    maps = Attribution.load(Path(input.region).parent)
    index = pd.read_parquet(input.index)
    if params.artifact:
        index = both_versions(index, maps.attribute)
    rows = np.flatnonzero(binary(maps.attribute, index))[: params.images]
    images = open_images(input.images, params.artifact)[rows]
    specific = maps.specific(rows)
    changed = changed_images(
        images,
        maps.general(),
        specific,
        quantile=params.quantile,
        sigma=params.sigma,
        rng=numpy_rng(0, "figure", wildcards.task),
    )
    figure = attribution_example(
        images,
        changed,
        specific=specific,
        labels=[str(name) for name in index["image_id"].iloc[rows]],
        title=f"{wildcards.task}: training images where {maps.attribute} is hidden",
    )
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
