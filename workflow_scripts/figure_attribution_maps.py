"""Draw single images with their attribution maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from job import ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Take the first images that have each attribute, draw their maps, write."""
    from rightreasons.data.attributes import binary
    from rightreasons.figures import attribution_maps
    from rightreasons.figures.style import save
    from rightreasons.regions.attribution import Attribution

    ready()
    stored = [Attribution.load(Path(path).parent) for path in input.region]
    index = pd.read_parquet(input.index)
    rows = [
        int(found[0])
        for maps in stored
        if maps.attribute in index and len(found := np.flatnonzero(binary(maps.attribute, index)))
    ]
    rows = list(dict.fromkeys([*rows, *range(min(len(index), params.images))]))
    rows = rows[: max(params.images, len(stored))]
    images = np.load(input.images, mmap_mode="r")[rows]
    figure = attribution_maps.attribution_maps(
        images,
        {maps.attribute: maps.specific(np.array(rows)) for maps in stored},
        labels=[str(name) for name in index["image_id"].iloc[rows]],
        title=f"{wildcards.dataset}: attribution maps of single images",
    )
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
