"""Write the page of dots of a task and design: one seed, all levels, several explainers."""

from pathlib import Path
from typing import Any

from job import ready, roi_of, run


def main(input: Any, output: Any, params: Any, wildcards: Any, **_: Any) -> None:
    """Read dots, choose images, read their maps and regions, write the page."""
    from rightreasons.artifacts.injected import open_images
    from rightreasons.core.files import whole
    from rightreasons.figures.dots import chance_of, image_dots, read_groups
    from rightreasons.figures.page import page
    from rightreasons.figures.page_data import choose_images, maps_of_images
    from rightreasons.metrics.measures import MapSet
    from rightreasons.regions.rois import as_masks

    ready()
    tables = read_groups(
        input.image_metrics, input.predictions, params.groups, metric=params.metric
    )
    dots = image_dots(*tables, task=wildcards.task, design=wildcards.design, metric=params.metric)
    sets: dict[float, list[MapSet]] = {}
    for level, maps, index in zip(params.levels, input.maps, input.map_index, strict=True):
        sets.setdefault(level, []).append(MapSet.open(maps, index))
    chosen = choose_images(sets, params.images)
    shape = sets[params.levels[0]][0].maps.shape[2:]
    html = page(
        dots,
        chosen,
        maps_of_images(sets, chosen["image_id"], params.explainers),
        images=open_images(input.images, params.artifact) if params.show else None,
        roi=as_masks(roi_of(input, params, chosen["row"].to_numpy(), shape), shape),
        title=f"{wildcards.task}, {wildcards.design}: vanilla, seed {params.groups[0]['seed']}",
        metric=params.metric,
        chance=chance_of(dots, params.controls),
        target=params.target,
        protected=params.protected,
    )
    with whole(Path(output.html)) as scratch:
        scratch.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
