"""Make the maps of one model with all explainers of a set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Files, Group, Job, Running
from rightreasons.saliency import EXPLAINERS
from rightreasons.stages.files import Maps

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from rightreasons.learning.images import Rows
    from rightreasons.models.classifier import Classifier


class ExplainInput(Files):
    """Images, a split and a network."""

    images: Path
    split: Path
    model: Path
    metadata: Path


class MapsJob(Job):
    """A job that makes maps.

    Attributes
    ----------
    artifact
        The artifact that is the task's protected attribute, or None.
    watched
        The artifact that the task watches, or None.
    explainers
        The explainers of the set, in its order.
    images
        Number of test images, a quarter from each cell, or all.
    explained_class
        Whether the logit of the true or of the predicted class is explained.
    batch_size
        Images per batch.
    both
        Whether the pool itself holds every image twice, without and with the attribute.
    """

    group: Group
    artifact: Chosen | None
    watched: Chosen | None
    explainers: tuple[Chosen, ...]
    images: int | Literal["all"]
    explained_class: Literal["true", "predicted"]
    batch_size: int
    both: bool

    def modules(self) -> tuple[str, ...]:
        """Return the explainers' and the artifacts' modules."""
        explainers = (EXPLAINERS[chosen.kind].module for chosen in self.explainers)
        return (*explainers, *modules_of(self.artifact, self.watched))

    def facing(self, split: pd.DataFrame) -> pd.DataFrame:
        """Return a split as the network sees it: its column target is what it predicts."""
        return split


class ExplainJob(MapsJob):
    """Make the maps of one method's network.

    Attributes
    ----------
    method
        The method's name.
    explainer_set
        The name of the set of explainers.
    """

    input: ExplainInput
    output: Maps
    method: str
    explainer_set: str


@dataclass(frozen=True)
class Explained:
    """What is explained: a network, and the images that are drawn for it.

    Attributes
    ----------
    chosen
        A row per image (`saliency.maps.sample_images`).
    """

    model: Classifier
    architecture: str
    images: Rows
    chosen: pd.DataFrame
    device: torch.device

    @classmethod
    def of(cls, job: MapsJob, files: ExplainInput) -> Explained:
        """Open a job's network and images."""
        import pandas as pd

        from rightreasons.artifacts.injected import open_images, single
        from rightreasons.core.files import read_json
        from rightreasons.learning.images import Rows
        from rightreasons.learning.predictions import role_of
        from rightreasons.models.storage import load_model
        from rightreasons.runtime.devices import pick_device
        from rightreasons.saliency.maps import sample_images

        device = pick_device()
        architecture = read_json(files.metadata)["model"]["architecture"]
        model = load_model(files.model, architecture, device)
        split = job.facing(pd.read_parquet(files.split))
        test = role_of(split, "test")
        pool = open_images(files.images, job.artifact, job.watched, split)
        once = single(pool, both=job.both)
        chosen = sample_images(test, job.images, job.group.seed, job.group.task, once)
        return cls(model, architecture, Rows(pool, chosen["row"].to_numpy()), chosen, device)


def explain(job: ExplainJob, running: Running) -> None:
    """Choose the images and classes, explain, write maps and their index."""
    import numpy as np
    import torch

    from rightreasons.core.arrays import mapped
    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import derive
    from rightreasons.learning.training import predict_logits
    from rightreasons.saliency.maps import explain as make_maps
    from rightreasons.saliency.maps import map_index

    it, group = Explained.of(job, job.input), job.group
    logits = predict_logits(it.model, it.images, it.device)
    true = job.explained_class == "true"
    classes = it.chosen["target"].to_numpy() if true else logits.argmax(1)
    key = (*group.stream, str(group.seed), job.method, job.explainer_set)
    shape = (len(job.explainers), *it.images.shape[:3])
    with mapped(job.output.maps, np.float32, shape) as maps:
        _, errors = make_maps(
            it.model,
            it.images,
            torch.from_numpy(classes.astype(np.int64)),
            job.explainers,
            device=it.device,
            batch_size=job.batch_size,
            seed_of=lambda name: derive(group.seed, "explain", *key, name),
            progress=running.progress,
            out=maps,
        )
    write_parquet(map_index(it.chosen, classes, logits, job.explainers, errors), job.output.index)
