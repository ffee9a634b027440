"""Train the network of a group that all methods start from, and write its predictions.

A network that was trained elsewhere is read instead, and the same files are written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Files, Group, Job, Running
from rightreasons.learning.config import TrainingConfig
from rightreasons.models.config import ModelConfig
from rightreasons.stages.files import Trained

if TYPE_CHECKING:
    import pandas as pd

    from rightreasons.models.classifier import Classifier


class TrainInput(Files):
    """Images, which of them train, and their twins where there are any.

    Attributes
    ----------
    twins, watched_twins
        The images with the protected and with the watched attribute switched, where the dataset
        makes them.
    weights
        The file of the network's weights, if it has one.
    """

    images: Path
    split: Path
    twins: Path | None = None
    watched_twins: Path | None = None
    weights: Path | None = None


class TrainJob(Job):
    """Train the network of one group.

    Attributes
    ----------
    artifact
        The artifact that is the task's protected attribute, or None.
    watched
        The artifact that the task watches, or None.
    """

    input: TrainInput
    output: Trained
    group: Group
    artifact: Chosen | None
    watched: Chosen | None
    model: ModelConfig
    training: TrainingConfig

    def modules(self) -> tuple[str, ...]:
        """Return the artifacts' modules."""
        return modules_of(self.artifact, self.watched)

    @property
    def stream(self) -> tuple[str, ...]:
        """With the seed, the key of the job's random streams."""
        return self.group.stream

    def facing(self, split: pd.DataFrame) -> pd.DataFrame:
        """Return a split as the network is to see it: its column target is what it predicts."""
        return split


def count_classes(model: Classifier) -> int:
    """Return how many logits a network gives: its head's, or the two that a readout makes."""
    from rightreasons.models.classifier import Grouped

    return 2 if isinstance(model.readout, Grouped) else model.head.out_features


def train(job: TrainJob, running: Running) -> None:
    """Build and train, or read; predict, write."""
    import numpy as np
    import pandas as pd

    from rightreasons.artifacts.injected import open_task
    from rightreasons.core.arrays import write_array
    from rightreasons.core.seeds import derive, torch_generator
    from rightreasons.learning.decisions import Decision
    from rightreasons.learning.passes import counted
    from rightreasons.learning.predictions import labelled, predict
    from rightreasons.learning.records import labels_used, write_model
    from rightreasons.learning.training import extract_features
    from rightreasons.learning.training import train as fit_network
    from rightreasons.models.architectures import build_classifier
    from rightreasons.models.config import check_classes
    from rightreasons.models.layers import freeze_part
    from rightreasons.models.trained import open_trained, shows_features
    from rightreasons.runtime.devices import fit_batch, pick_device

    device = pick_device()
    seed, key = job.group.seed, job.stream
    split = job.facing(pd.read_parquet(job.input.split))
    pool = open_task(
        job.input.images,
        split,
        artifact=job.artifact,
        watched=job.watched,
        twins=job.input.twins,
        watched_twins=job.input.watched_twins,
    )
    data = labelled(pool.images, split, "train")

    def fit(batch_size: int) -> tuple[Classifier, list[dict[str, float]]]:
        first = derive(seed, "init", *key)
        model = build_classifier(**job.model.starting(), seed=first).to(device)
        freeze_part(model, job.training.freeze)
        history = fit_network(
            model,
            data,
            job.training.model_copy(update={"batch_size": batch_size}),
            generator=torch_generator(seed, "train", *key),
            device=device,
            progress=running.progress,
        )
        return model, history

    with counted() as passes:
        if job.model.train:
            model, history = fit_batch(fit, job.training.batch_size, "train", least=2)
        else:
            model, history = open_trained(job.model).to(device), []
            check_classes(max(int(split["target"].max()) + 1, 2), count_classes(model))
    select = labelled(pool.images, split, "select").images
    none = np.empty((0, model.n_features), np.float32)
    seen = len(select) and shows_features(model)
    features = extract_features(model, select, device).numpy() if seen else none
    write_array(features, job.output.features)
    write_model(
        job.output.model.parent,
        model,
        Decision(),
        predict(model, pool, split, device),
        device,
        {
            "model": job.model.model_dump(),
            "training": job.training.model_dump(),
            "history": history,
            "labels": labels_used(split, ("train",) if job.model.train else (), ()),
            "image_passes": passes.images,
        },
    )
