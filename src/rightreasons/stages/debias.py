"""Apply one debiasing method to the network of a group, and write its predictions."""

from __future__ import annotations

from rightreasons.core.job import Running
from rightreasons.debias import METHODS
from rightreasons.stages._cell import CellJob, labels_of, open_cell
from rightreasons.stages.files import Model


class DebiasJob(CellJob):
    """Apply one method to one group."""

    output: Model


def debias(job: DebiasJob, running: Running) -> None:
    """Load the original network, call the method, predict, write."""
    import pandas as pd

    from rightreasons.artifacts.injected import open_images, open_twins
    from rightreasons.core.files import read_json
    from rightreasons.debias import apply
    from rightreasons.learning.records import write_model

    method = METHODS[job.method.kind]
    original = read_json(job.input.original_metadata)
    split = pd.read_parquet(job.input.split)
    images = open_images(job.input.images, job.artifact)
    twins = open_twins(images, job.input.twins)
    predictions = pd.read_parquet(job.input.original_predictions)
    context = open_cell(job, images, twins, split, predictions, original, running.progress)
    if method.traits["changes"] == "weights":
        import torch  # noqa: F401  (the method would, as the first thing that it does)
    running.ready()
    result = apply(method, context, method.params.model_validate(job.method.params))
    if result.model is not None:
        from rightreasons.learning.predictions import predict

        predictions = predict(result.model, images, twins, split, context.device)
    chosen = {"kind": job.method.kind, **job.method.params}
    labels = labels_of(job, split)
    write_model(
        job.output.model.parent,
        job.input.original_model if result.model is None else result.model,
        result.decision,
        predictions,
        "cpu" if result.model is None else context.device,
        {
            "method": chosen,
            "model": original["model"],
            "notes": result.notes,
            "labels": labels,
        },
    )
