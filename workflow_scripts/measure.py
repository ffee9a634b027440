"""Turn the maps and predictions of all methods of a group into numbers."""

from pathlib import Path
from typing import Any

import pandas as pd

from job import roi_of, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Open predictions and maps by method, measure, add the cell key, write."""
    from rightreasons.artifacts.injected import open_images
    from rightreasons.core.arrays import write_arrays
    from rightreasons.core.files import write_parquet
    from rightreasons.metrics.compute import resolve
    from rightreasons.metrics.measures import MapSet, mean_maps, measure_group

    methods: dict[str, str] = params.methods
    maps: dict[str, list[MapSet]] = {model: [] for model in params.models}
    for array, index in zip(input.maps, input.map_index, strict=True):
        maps[Path(array).parts[-3]].append(MapSet.open(array, index))
    normal = []
    if "normal_maps" in dict(input.items()):
        files = zip(input.normal_maps, input.normal_index, strict=True)
        normal = [MapSet.open(array, index) for array, index in files]
    rows = next(maps["vanilla"][0].explainers())[2]["row"].to_numpy()
    roi = roi_of(input, params, rows, maps["vanilla"][0].maps.shape[2:])
    key = {
        "study": params.study,
        "dataset": params.dataset,
        "task": wildcards.task,
        "design": wildcards.design,
        "level": float(wildcards.level),
        "seed": int(wildcards.seed),
    }
    tables = measure_group(
        {m: pd.read_parquet(p) for m, p in zip(methods, input.predictions, strict=True)},
        maps,
        methods,
        roi,
        resolve(params.metrics),
        scale=params.scale,
        seed=int(wildcards.seed),
        replicates=params.replicates,
        progress=progress,
        normal=normal,
    )
    for name, table in tables.items():
        write_parquet(table.assign(**key), Path(output[name]))
    images = open_images(input.images, params.artifact)
    write_arrays(Path(output.mean_maps), **mean_maps(maps, methods, images, roi))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
