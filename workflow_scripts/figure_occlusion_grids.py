"""Draw occlusion maps from coarse to fine grids: of single images, or means where none is shown."""

from pathlib import Path
from typing import Any

import numpy as np

from job import ready, roi_of, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read an image of each quadrant, or the quadrants' means, and its maps; draw, write."""
    from rightreasons.figures.dots import cell_name
    from rightreasons.figures.occlusion_grids import occlusion_grids
    from rightreasons.figures.style import save

    ready()
    images, maps, roi, cells = single(input, params) if params.show else means(input, params)
    what = "An image of each quadrant." if params.show else "Means of each quadrant's images."
    figure = occlusion_grids(
        images,
        maps,
        roi=roi,
        labels=[cell_name(*cell) for cell in cells],
        title=f"{wildcards.task}, {wildcards.design} = {params.level:g}: finer and finer grids",
        remark=f"{what} PA: {params.protected}. T: {params.target}.",
    )
    save(figure, Path(output.png), Path(output.svg))


def single(input: Any, params: Any) -> tuple[Any, dict[str, Any], Any, list[Any]]:
    """Return the first image of each quadrant, its maps, its region and its quadrant."""
    from rightreasons.artifacts.injected import open_images
    from rightreasons.figures.page_data import choose_images, maps_of_images
    from rightreasons.metrics.measures import MapSet
    from rightreasons.regions.rois import as_masks

    files = zip(input.maps, input.map_index, strict=True)
    sets = {params.level: [MapSet.open(maps, index) for maps, index in files]}
    chosen = choose_images(sets, 4)
    rows, shape = chosen["row"].to_numpy(), sets[params.level][0].maps.shape[2:]
    found = maps_of_images(sets, chosen["image_id"], params.explainers)
    maps = {explainer: of_images for (_, explainer), of_images in found.items()}
    images = open_images(input.images, params.artifact)[rows]
    cells = list(zip(chosen["protected"], chosen["target"], strict=True))
    return images, maps, as_masks(roi_of(input, params, rows, shape), shape), cells


def means(input: Any, params: Any) -> tuple[Any, dict[str, Any], Any, list[Any]]:
    """Return the mean image, mean maps and region of each quadrant, and the quadrants."""
    from rightreasons.metrics.measures import CELLS

    part = np.load(input.mean_maps, allow_pickle=False)
    maps = {explainer: part[f"map/{explainer}/vanilla"] for explainer in params.explainers}
    return part["image"], maps, part["roi"], list(CELLS)


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
