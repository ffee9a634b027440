"""Train the patch classifier of an attribute, measure its calibration, and map all images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Job, Running
from rightreasons.regions.params import RegionParams
from rightreasons.stages import files
from rightreasons.stages.roi import Region

if TYPE_CHECKING:
    import numpy as np


class RegionJob(Job):
    """Train the patch classifier of one attribute of one dataset.

    Attributes
    ----------
    attribute
        The attribute, as an expression.
    artifact
        The artifact of that name, or None.
    known
        Where the attribute is known to be, or None.
    quantile
        Quantile of a map above which it is compared with `known`.
    """

    input: files.Pool
    output: files.Region
    dataset: str
    attribute: str
    artifact: Chosen | None
    classifier: RegionParams
    seed: int
    known: Region | None
    quantile: float

    def modules(self) -> tuple[str, ...]:
        """Return the artifact's module."""
        return modules_of(self.artifact)


def region(job: RegionJob, running: Running) -> None:
    """Label, train, calibrate, map, compare with the known region, write."""
    import pandas as pd

    from rightreasons.artifacts.injected import both_versions, open_images
    from rightreasons.core.arrays import write_array
    from rightreasons.core.files import write_json, write_parquet
    from rightreasons.regions import stage
    from rightreasons.regions.map_index import index_maps

    images = open_images(job.input.images, job.artifact)
    index = pd.read_parquet(job.input.index)
    if job.artifact:
        index = both_versions(index, job.attribute)
    chosen, seed, out = job.classifier, job.seed, job.output
    key: dict[str, Any] = {"dataset": job.dataset, "attribute": job.attribute, "seed": seed}
    data = stage.labels(index, job.attribute, chosen, seed)
    network, record = stage.train(images, data, chosen, job.attribute, seed, running.progress)
    network.save(out.classifier)
    for name, table in stage.calibrate(network, images, data, chosen, running.progress).items():
        write_parquet(table.assign(**key), getattr(out, name))
    confidence = stage.map_images(network, images, chosen, out.confidence, running.progress)
    mean = stage.mean_map(confidence)
    write_array(mean, out.mean)
    known = known_regions(job, images)
    maps = index_maps(confidence, mean, known, data, chosen, images.shape[1], job.quantile)
    write_parquet(maps.assign(**key), out.maps)
    write_json({**record, **key, "known": job.known}, out.region)


def known_regions(job: RegionJob, images: Any) -> Any:
    """Return where the attribute is: a rectangle, masks made when asked for, or None."""
    import numpy as np

    from rightreasons.core.files import read_json
    from rightreasons.regions.rois import Masks, task_roi

    if not isinstance(job.known, dict):
        return job.known
    masks = np.load(job.input.masks, mmap_mode="r")
    names = read_json(job.input.pool)["mask_names"]
    place = images if job.artifact else None
    roi = job.known

    def masks_of(rows: np.ndarray) -> Any:
        return task_roi(roi, masks, names, rows, images.shape[1:3], injected=place)

    return Masks(len(images), masks_of)
