"""Apply one debiasing method to the network of a group, and write its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Group, Job, Running
from rightreasons.debias import METHODS
from rightreasons.stages.files import Model
from rightreasons.stages.train import TrainInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from rightreasons.debias import Context


class MethodInput(TrainInput):
    """What `train` has, what it made, and the maps of the protected attribute if they are needed.

    Attributes
    ----------
    region, confidence, mean
        The attribution maps, or None for methods that do not need them.
    """

    original_model: Path
    original_metadata: Path
    original_predictions: Path
    region: Path | None = None
    confidence: Path | None = None
    mean: Path | None = None


class MethodJob(Job):
    """A job that applies one method to one group.

    Attributes
    ----------
    method
        The method with its parameters.
    stream
        The name that its random streams go by: its own, or that of the method it is a control of.
    artifact
        The artifact that is the task's protected attribute, or None.
    """

    input: MethodInput
    group: Group
    method: Chosen
    stream: str
    artifact: Chosen | None

    def modules(self) -> tuple[str, ...]:
        """Return the method's and the artifact's modules."""
        return (METHODS[self.method.kind].module, *modules_of(self.artifact))


class DebiasInput(MethodInput):
    """What a method is given, and the parameters that tuning chose, if they were tuned."""

    chosen: Path | None = None


class DebiasJob(MethodJob):
    """Apply one method to one group.

    Attributes
    ----------
    preset
        What its parameters come from: "default", a preset's name, or "tuned".
    override
        Parameters that a matched control has in place of the chosen ones.
    """

    input: DebiasInput
    output: Model
    preset: str = "default"
    override: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """What a method is applied to.

    Attributes
    ----------
    original
        The metadata of the network that it starts from.
    predictions
        That network's predictions, without decisions of a method.
    """

    context: Context
    images: np.ndarray
    split: pd.DataFrame
    predictions: pd.DataFrame
    original: dict[str, Any]


def opened(job: MethodJob, running: Running) -> Opened:
    """Open the images, the original network and what else the method may use."""
    import pandas as pd

    from rightreasons.artifacts.injected import open_images
    from rightreasons.core.files import read_json
    from rightreasons.debias import open_context

    original = read_json(job.input.original_metadata)
    split = pd.read_parquet(job.input.split)
    images = open_images(job.input.images, job.artifact)
    predictions = pd.read_parquet(job.input.original_predictions)
    context = open_context(
        vanilla_file=job.input.original_model,
        vanilla=original,
        predictions=predictions,
        images=images,
        split=split,
        seed=job.group.seed,
        key=(*job.group.stream, job.stream),
        progress=running.progress,
        regions=job.input.confidence.parent if job.input.confidence else None,
    )
    return Opened(context, images, split, predictions, original)


def debias(job: DebiasJob, running: Running) -> None:
    """Load the original network, call the method, predict, write."""
    from rightreasons.artifacts.injected import open_twins
    from rightreasons.core.files import read_json
    from rightreasons.debias import apply
    from rightreasons.learning.passes import counted
    from rightreasons.learning.records import write_model

    method = METHODS[job.method.kind]
    chosen = read_json(job.input.chosen) if job.input.chosen else {"params": {}}
    params = {**job.method.params, **chosen["params"], **job.override}
    it = opened(job, running)
    if method.traits["changes"] == "weights":
        import torch  # noqa: F401  (the method would, as the first thing that it does)
    running.ready()
    with counted() as taken:
        result = apply(method, it.context, method.params.model_validate(params))
    predictions = it.predictions
    if result.model is not None:
        from rightreasons.learning.predictions import predict

        twins = open_twins(it.images, job.input.twins)
        predictions = predict(result.model, it.images, twins, it.split, it.context.device)
    write_model(
        job.output.model.parent,
        job.input.original_model if result.model is None else result.model,
        result.decision,
        predictions,
        "cpu" if result.model is None else it.context.device,
        {
            "method": {"kind": job.method.kind, **params},
            "preset": job.preset,
            "trial": chosen.get("trial"),
            "image_passes": taken.images,
            "model": it.original["model"],
            "notes": result.notes,
        },
    )
