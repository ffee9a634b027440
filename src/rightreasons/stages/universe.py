"""Measure the maps of a group in all the ways that the multiverse asks for."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Files, Group, Job, Running
from rightreasons.core.sections import Section
from rightreasons.metrics import METRICS
from rightreasons.metrics.variants import Variant
from rightreasons.stages.roi import Roi, RoiInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class UniverseInput(RoiInput):
    """Maps and predictions of a group's models, and what its regions are read from.

    Attributes
    ----------
    predictions
        Of each model, in the order of `UniverseJob.models`.
    maps, map_index
        Of each model and each set of explainers, sets fastest.
    """

    predictions: tuple[Path, ...]
    maps: tuple[Path, ...]
    map_index: tuple[Path, ...]


class Universe(Files):
    """A group's numbers per image: what `universe` writes."""

    universe: Path = Path("universe.npz")


class Place(Section):
    """A region, and by which share of the image's side it is widened."""

    roi: Roi
    margin: float = 0


class UniverseJob(Job):
    """Measure the maps of one group in other ways.

    Attributes
    ----------
    models, sets
        The methods with maps of their own, and the sets of explainers, in the order of the files.
    explainers
        Those that are measured.
    original
        The model that metrics of pairs compare with.
    places
        The regions by name.
    variants
        The ways to measure, `places` among them.
    scale
        The study's scale of the intensity.
    metrics
        The metrics of the variants with their parameters.
    """

    input: UniverseInput
    output: Universe
    group: Group
    models: tuple[str, ...]
    sets: tuple[str, ...]
    explainers: tuple[str, ...]
    original: str
    places: dict[str, Place]
    variants: tuple[Variant, ...]
    scale: str
    metrics: dict[str, dict[str, JsonValue]]

    def modules(self) -> tuple[str, ...]:
        """Return the metrics' and the artifacts' modules."""
        metrics = (METRICS[name].module for name in self.metrics)
        return (*metrics, *modules_of(*(place.roi.artifact for place in self.places.values())))


def universe(job: UniverseJob, running: Running) -> None:
    """Open maps and regions, measure explainer by explainer, write.

    The file has `image_id` (N,), `agreed` bool (models, N): the network predicts the image's true
    class; and `values` float64 (models, explainers, variants, N).
    """
    import numpy as np

    from rightreasons.core.arrays import write_arrays
    from rightreasons.metrics.compute import resolve
    from rightreasons.metrics.variants import of_variants
    from rightreasons.regions.rois import widened

    maps, rows = _opened(job)
    shape = next(iter(maps.values())).shape[1:]
    pool_rows = rows["row"].to_numpy()
    rois = {
        name: widened(place.roi.of(job.input, pool_rows, shape), place.margin, shape)
        for name, place in job.places.items()
    }
    metrics = resolve(job.metrics)
    values = [
        of_variants(
            job.variants,
            metrics,
            {model: maps[model, explainer] for model in job.models},
            rois,
            rows["protected"].to_numpy(),
            original=job.original,
            scale=job.scale,
        )
        for explainer in running.progress(job.explainers, "universes")
    ]
    write_arrays(
        job.output.universe,
        image_id=rows["image_id"].to_numpy(str),
        agreed=np.stack([_agreed(path, rows) for path in job.input.predictions]),
        values=np.stack(values, axis=1),
    )


def _opened(job: UniverseJob) -> tuple[dict[tuple[str, str], np.ndarray], pd.DataFrame]:
    """Return the maps (N, H, W) by model and explainer, and their images, the same for all."""
    from rightreasons.metrics.measures import MapSet

    maps, keys = {}, product(job.models, job.sets)
    files = zip(job.input.maps, job.input.map_index, strict=True)
    sets = [MapSet.open(*paths) for paths in files]
    for (model, _), one in zip(keys, sets, strict=True):
        for explainer, of_one, _ in one.explainers():
            if explainer in job.explainers:
                maps[model, explainer] = of_one
    return maps, next(sets[0].explainers())[2]


def _agreed(predictions: Path, rows: pd.DataFrame) -> np.ndarray:
    """Return where a network's largest logit is that of the true class, bool (N,)."""
    import pandas as pd

    from rightreasons.learning.predictions import n_classes

    table = pd.read_parquet(predictions)
    test = table[table["role"] == "test"].set_index(["image_id", "protected"])
    found = test.loc[pd.MultiIndex.from_frame(rows[["image_id", "protected"]])]
    logits = found[[f"logit_{number}" for number in range(n_classes(found))]].to_numpy()
    return logits.argmax(axis=1) == found["target"].to_numpy()
