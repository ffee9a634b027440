"""Turn the maps and predictions of all methods of a group into numbers."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Group, Job, Running
from rightreasons.metrics import METRICS, WITNESSES
from rightreasons.stages.files import Measures
from rightreasons.stages.roi import Roi, RoiInput

if TYPE_CHECKING:
    import pandas as pd

    from rightreasons.metrics.measures import MapSet


class MeasureInput(RoiInput):
    """Maps and predictions of a group, and what its regions are read from.

    Attributes
    ----------
    names
        The names of the split's groups and classes.
    predictions
        Of each method, in the order of `MeasureJob.methods`.
    maps, map_index
        Of each model and each set of explainers, sets fastest.
    normal_maps, normal_index
        Of the normal model (the original at level 0) by each set; empty where there is none.
    baseline_maps, baseline_index, predictor_maps, predictor_index
        Of the networks of the region-rank audit by each set; empty without that audit.
    """

    split: Path
    names: Path
    predictions: tuple[Path, ...]
    maps: tuple[Path, ...]
    map_index: tuple[Path, ...]
    normal_maps: tuple[Path, ...] = ()
    normal_index: tuple[Path, ...] = ()
    baseline_maps: tuple[Path, ...] = ()
    baseline_index: tuple[Path, ...] = ()
    predictor_maps: tuple[Path, ...] = ()
    predictor_index: tuple[Path, ...] = ()


class MeasureJob(Job):
    """Measure one group.

    Attributes
    ----------
    artifact
        The artifact that is the task's protected attribute, or None.
    watched
        The artifact that the task watches, or None.
    both
        Whether the pool itself holds every image twice, without and with the attribute.
    original
        The method whose network is the one that all others start from.
    methods
        For each method the one whose maps it has: itself, or the original.
    models, sets
        The methods with maps of their own, and the sets of explainers, in the order of the files.
    metrics
        Every metric with its parameters: a new metric measures anew, and nothing before it.
    """

    input: MeasureInput
    output: Measures
    study: str
    group: Group
    artifact: Chosen | None
    watched: Chosen | None
    both: bool
    original: str
    methods: dict[str, str]
    models: tuple[str, ...]
    sets: tuple[str, ...]
    roi: Roi
    scale: str
    replicates: int
    metrics: dict[str, dict[str, JsonValue]]

    def modules(self) -> tuple[str, ...]:
        """Return the metrics' and the artifacts' modules."""
        metrics = (METRICS[name].module for name in self.metrics)
        return (*metrics, *modules_of(self.artifact, self.watched, self.roi.artifact))


def measure(job: MeasureJob, running: Running) -> None:
    """Open predictions and maps by method, measure, add the cell key, write."""
    import pandas as pd

    from rightreasons.artifacts.injected import open_images, single
    from rightreasons.core.arrays import write_arrays
    from rightreasons.core.files import read_json, write_parquet
    from rightreasons.metrics.compute import resolve
    from rightreasons.metrics.mean_maps import mean_maps
    from rightreasons.metrics.measures import measure_group

    maps, others = map_sets(job), other_sets(job)
    first = maps[job.original][0]
    rows = next(first.explainers())[2]["row"].to_numpy()
    roi = job.roi.of(job.input, rows, first.maps.shape[2:])
    split = pd.read_parquet(job.input.split)
    images = open_images(job.input.images, job.artifact, job.watched, split)
    predictions = zip(job.methods, job.input.predictions, strict=True)
    tables = measure_group(
        {method: open_predictions(path) for method, path in predictions},
        maps,
        job.methods,
        roi,
        resolve(job.metrics),
        original=job.original,
        scale=job.scale,
        seed=job.group.seed,
        replicates=job.replicates,
        progress=running.progress,
        others=others,
        pool=single(images, both=job.both),
        names=read_json(job.input.names),
    )
    key = {"study": job.study, **job.group.model_dump()}
    for name, table in tables.items():
        write_parquet(table.assign(**key), getattr(job.output, name))
    means = mean_maps(maps, job.methods, images, roi, original=job.original)
    write_arrays(job.output.mean_maps, **means)


def open_predictions(path: Path) -> pd.DataFrame:
    """Return a model's predictions.

    Raises
    ------
    UserError
        Where an image has no output: it would be left out of every number, or be counted as 0.
    """
    import pandas as pd

    from rightreasons.core.errors import UserError

    table = pd.read_parquet(path)
    known = ("target", "protected", "score", "chance", "decision")
    names = map(str, table.columns)
    outputs = [n for n in names if n in known or n.startswith(("logit_", "score_"))]
    if (missing := table[outputs].isna().any(axis=1)).any():
        raise UserError(
            f"{path}: {int(missing.sum())} of {len(table)} images have no output, first "
            f"{table.loc[missing, 'image_id'].iloc[0]}. Delete the file and run again."
        )
    return table


def map_sets(job: MeasureJob) -> dict[str, list[MapSet]]:
    """Return each model's maps by set of explainers."""
    from rightreasons.metrics.measures import MapSet

    maps: dict[str, list[MapSet]] = {model: [] for model in job.models}
    keys = product(job.models, job.sets)
    for (model, _), array, index in zip(keys, job.input.maps, job.input.map_index, strict=True):
        maps[model].append(MapSet.open(array, index))
    return maps


def other_sets(job: MeasureJob) -> dict[str, list[MapSet]]:
    """Return the maps of the networks that models are compared with, by their name."""
    from rightreasons.metrics.measures import MapSet

    files = {name: (f"{name}_maps", f"{name}_index") for name in ("normal", *WITNESSES)}
    return {
        name: [
            MapSet.open(*pair)
            for pair in zip(*(getattr(job.input, file) for file in pair), strict=True)
        ]
        for name, pair in files.items()
    }
