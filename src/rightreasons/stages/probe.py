"""Probe the maps of one model: are they faithful, robust, sparse, and of this network?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.core.job import Chosen, Running
from rightreasons.probes import PROBES
from rightreasons.saliency import EXPLAINERS
from rightreasons.stages.explain import Explained, ExplainInput, MapsJob
from rightreasons.stages.files import Probed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class ProbeInput(ExplainInput):
    """Images, a split, a network, and its maps."""

    maps: Path
    index: Path


class ProbeJob(MapsJob):
    """Probe the maps of one method's network by a set of explainers.

    Attributes
    ----------
    method
        The method's name.
    explainer_set
        The name of the set of explainers.
    floor
        Controls whose maps are made here, as no set of the study has them.
    probes
        What is asked.
    """

    input: ProbeInput
    output: Probed
    method: str
    explainer_set: str
    floor: tuple[Chosen, ...]
    probes: tuple[Chosen, ...]

    def modules(self) -> tuple[str, ...]:
        """Return the modules of explainers, artifact, controls and probes."""
        return (
            *super().modules(),
            *(EXPLAINERS[chosen.kind].module for chosen in self.floor),
            *(PROBES[chosen.kind].module for chosen in self.probes),
        )


def probe(job: ProbeJob, running: Running) -> None:
    """Take the first maps of each cell, make those of the controls, probe, write."""
    import pandas as pd

    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import derive
    from rightreasons.models.trained import fresh_like
    from rightreasons.probes.compute import Probed as What
    from rightreasons.probes.compute import probe_values
    from rightreasons.saliency.sanity import freshened

    it, group = Explained.of(job, job.input), job.group
    index = pd.read_parquet(job.input.index)
    classes, maps = _maps_of(job, index, it.chosen)
    key = (*group.stream, job.method)
    maps |= _floor(job, it, classes, running)
    fresh = derive(group.seed, "probe", *group.stream, "fresh")
    rows = probe_values(
        What(
            model=it.model,
            fresh=lambda: freshened(it.model, fresh_like(it.model, it.architecture, fresh)).eval(),
            images=it.images,
            keys=it.chosen["row"].to_numpy(),
            classes=classes,
            explainers=(*job.explainers, *job.floor),
            maps=maps,
            device=it.device,
        ),
        job.probes,
        batch_size=job.batch_size,
        seed=derive(group.seed, "probe", *key),
        progress=running.progress,
    )
    ids = it.chosen["image_id"].to_numpy()
    write_parquet(rows.assign(image_id=ids[rows.pop("image")]), job.output.probe)


def _maps_of(
    job: ProbeJob, index: pd.DataFrame, chosen: pd.DataFrame
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the classes explained and the set's maps of the chosen images, by explainer."""
    import numpy as np

    first = index[index["explainer"] == job.explainers[0].name].reset_index(drop=True)
    place = {row: i for i, row in enumerate(first["row"])}
    which = np.array([place[row] for row in chosen["row"]])
    stored = np.load(job.input.maps, mmap_mode="r")
    maps = {e.name: np.asarray(stored[i, which]) for i, e in enumerate(job.explainers)}
    return first["explained_class"].to_numpy()[which].astype(np.int64), maps


def _floor(
    job: ProbeJob, it: Explained, classes: np.ndarray, running: Running
) -> dict[str, np.ndarray]:
    """Return the maps of the controls that no set has, by name."""
    import torch

    from rightreasons.core.seeds import derive
    from rightreasons.saliency.maps import explain

    key = (*job.group.stream, str(job.group.seed), job.method, "floor")
    maps, _ = explain(
        it.model,
        it.images,
        torch.from_numpy(classes),
        job.floor,
        device=it.device,
        batch_size=job.batch_size,
        seed_of=lambda name: derive(job.group.seed, "explain", *key, name),
        progress=running.progress,
    )
    return {chosen.name: own for chosen, own in zip(job.floor, maps, strict=True)}
