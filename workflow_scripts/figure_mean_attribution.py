"""Draw the mean attribution map of every attribute of a dataset."""

from pathlib import Path
from typing import Any

import numpy as np

from job import read_json, ready, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read maps, known regions and the mean image, draw, write."""
    from rightreasons.artifacts.injected import open_images
    from rightreasons.figures.attribution_maps import mean_attribution_maps
    from rightreasons.figures.style import save
    from rightreasons.regions.attribution import Attribution
    from rightreasons.regions.rois import task_roi
    from rightreasons.regions.stage import how_often
    from rightreasons.tables.schema import read_table

    ready()
    stored = [Attribution.load(Path(path).parent) for path in input.region]
    images = np.load(input.images, mmap_mode="r")
    masks = np.load(input.masks, mmap_mode="r")
    names, shape = read_json(input.pool)["mask_names"], images.shape[1:3]
    known = {}
    for attribute, roi in params.known.items():
        if roi is not None:
            artifact = params.artifacts[attribute]
            injected = open_images(input.images, artifact) if artifact else None
            rows = np.arange(len(images))
            region = task_roi(roi, masks, names, rows, shape, injected=injected)
            known[attribute] = how_often(region, shape[0])
    table = read_table(Path(input.region_maps))
    step = max(1, len(images) // 2000)
    figure = mean_attribution_maps(
        {maps.attribute: maps.general() for maps in stored},
        quantile=params.quantile,
        image=images[::step].mean(axis=0) / 255,
        masks=known,
        region_maps=table[table["dataset"] == wildcards.dataset],
        title=f"{wildcards.dataset}: where attributes are found",
    )
    save(figure, Path(output.png), Path(output.svg))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
