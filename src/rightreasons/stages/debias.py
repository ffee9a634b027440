"""Apply one debiasing method to the network of a group, and write its predictions."""

from __future__ import annotations

from pathlib import Path

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Group, Job, Running
from rightreasons.debias import METHODS
from rightreasons.stages.files import Model
from rightreasons.stages.train import TrainInput


class DebiasInput(TrainInput):
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


class DebiasJob(Job):
    """Apply one method to one group.

    Attributes
    ----------
    artifact
        The artifact that is the task's protected attribute, or None.
    """

    input: DebiasInput
    output: Model
    group: Group
    method: Chosen
    artifact: Chosen | None

    def modules(self) -> tuple[str, ...]:
        """Return the method's and the artifact's modules."""
        return (METHODS[self.method.kind].module, *modules_of(self.artifact))


def debias(job: DebiasJob, running: Running) -> None:
    """Load the original network, call the method, predict, write."""
    import pandas as pd

    from rightreasons.artifacts.injected import open_images, open_twins
    from rightreasons.core.files import read_json
    from rightreasons.debias import apply, open_context
    from rightreasons.learning.records import write_model

    method = METHODS[job.method.kind]
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
        key=(*job.group.stream, job.method.name),
        progress=running.progress,
        regions=job.input.confidence.parent if job.input.confidence else None,
    )
    if method.traits["changes"] == "weights":
        import torch  # noqa: F401  (the method would, as the first thing that it does)
    running.ready()
    result = apply(method, context, method.params.model_validate(job.method.params))
    if result.model is not None:
        from rightreasons.learning.predictions import predict

        twins = open_twins(images, job.input.twins)
        predictions = predict(result.model, images, twins, split, context.device)
    chosen = {"kind": job.method.kind, **job.method.params}
    write_model(
        job.output.model.parent,
        job.input.original_model if result.model is None else result.model,
        result.decision,
        predictions,
        "cpu" if result.model is None else context.device,
        {"method": chosen, "model": original["model"], "notes": result.notes},
    )
