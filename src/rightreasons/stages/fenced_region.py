"""Train the patch classifier that a task's methods look through: no test image is ever seen.

The stage `region` shows where an attribute is in a whole pool. What a method is given must not
depend on the images that it is judged by, nor on those that parameters are chosen by.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Files, Job, Running
from rightreasons.regions.params import RegionParams
from rightreasons.stages.files import FencedRegion


class FencedRegionInput(Files):
    """A pool, and the splits that say what is held out.

    Attributes
    ----------
    splits
        Of all levels of a design.
    """

    images: Path
    index: Path
    splits: tuple[Path, ...]


class FencedRegionJob(Job):
    """Train the patch classifier of one attribute for one task and design.

    Attributes
    ----------
    seeds
        The seed of the cells that it is for, or "all".
    attribute
        The attribute, as an expression.
    artifact
        The artifact of that name, or None.
    """

    input: FencedRegionInput
    output: FencedRegion
    dataset: str
    task: str
    design: str
    seeds: str
    attribute: str
    artifact: Chosen | None
    classifier: RegionParams
    seed: int

    def modules(self) -> tuple[str, ...]:
        """Return the artifact's module."""
        return modules_of(self.artifact)


def fenced_region(job: FencedRegionJob, running: Running) -> None:
    """Label, train, calibrate and map the images that are held out at no level; write."""
    import numpy as np
    import pandas as pd

    from rightreasons.artifacts.injected import both_versions, open_images
    from rightreasons.core.arrays import write_array
    from rightreasons.core.files import write_json
    from rightreasons.learning.fence import Fenced
    from rightreasons.regions import stage
    from rightreasons.regions.fence import open_rows

    index = pd.read_parquet(job.input.index)
    rows = open_rows(index, [pd.read_parquet(path) for path in job.input.splits])
    pool = open_images(job.input.images, job.artifact)
    if job.artifact:
        index = both_versions(index, job.attribute)
        rows = np.concatenate([rows, rows + len(pool) // 2])
    images: Any = Fenced(pool, rows)
    chosen, seed, out = job.classifier, job.seed, job.output
    labels = stage.labels(index.iloc[rows].reset_index(drop=True), job.attribute, chosen, seed)
    data = stage.lifted(labels, rows, len(images))
    network, record = stage.train(images, data, chosen, job.attribute, seed, running.progress)
    network.save(out.classifier)
    tables = stage.calibrate(network, images, data, chosen, running.progress)
    confidence = stage.map_images(network, images, chosen, out.confidence, running.progress, rows)
    write_array(stage.mean_map(confidence, rows), out.mean)
    key: dict[str, Any] = {
        "dataset": job.dataset,
        "task": job.task,
        "design": job.design,
        "seeds": job.seeds,
        "attribute": job.attribute,
        "seed": seed,
        "n_open": len(rows),
        "calibration": tables["calibration"].iloc[0].to_dict(),
    }
    write_json({**record, **key}, out.region)
