"""Train the patch classifier of an attribute, measure its calibration, and map all images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from job import read_json, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Label, train, calibrate, map, compare with the known region, write."""
    from rightreasons.artifacts.injected import both_versions, open_images
    from rightreasons.core.arrays import write_array
    from rightreasons.core.files import write_json, write_parquet
    from rightreasons.regions import stage
    from rightreasons.regions.params import RegionParams
    from rightreasons.regions.rois import Masks, task_roi

    images = open_images(input.images, params.artifact)
    index = pd.read_parquet(input.index)
    if params.artifact:
        index = both_versions(index, params.attribute)
    chosen = RegionParams(**params.classifier)
    key = {"dataset": wildcards.dataset, "attribute": params.attribute, "seed": params.seed}
    data = stage.labels(index, params.attribute, chosen, params.seed)
    network, record = stage.train(images, data, chosen, params.attribute, params.seed, progress)
    network.save(Path(output.classifier))
    for name, table in stage.calibrate(network, images, data, chosen, progress).items():
        write_parquet(table.assign(**key), Path(output[name]))
    confidence = stage.map_images(network, images, chosen, Path(output.confidence), progress)
    mean = confidence.mean(axis=0, dtype=np.float64).astype(np.float32)
    write_array(mean, Path(output.mean))
    known = params.known
    if isinstance(known, Mapping):
        masks = np.load(input.masks, mmap_mode="r")
        names = read_json(input.pool)["mask_names"]
        injected = images if params.artifact else None

        def masks_of(rows: np.ndarray) -> Any:
            shape = images.shape[1:3]
            return task_roi(params.known, masks, names, rows, shape, injected=injected)

        known = Masks(len(images), masks_of)
    maps = stage.index_maps(confidence, mean, known, data, chosen, images.shape[1], params.quantile)
    write_parquet(maps.assign(**key), Path(output.maps))
    write_json({**record, **key, "known": params.known}, Path(output.region))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
