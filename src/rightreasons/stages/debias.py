"""Apply one debiasing method to the network of a group, and write its predictions."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue

from rightreasons.core.job import Running
from rightreasons.debias import METHODS
from rightreasons.stages._cell import CellInput, CellJob, OpenCell, labels_of
from rightreasons.stages.files import Model


class DebiasInput(CellInput):
    """What a method is given, and the parameters that tuning chose, if they were tuned."""

    chosen: Path | None = None


class DebiasJob(CellJob):
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


def debias(job: DebiasJob, running: Running) -> None:
    """Load the original network, call the method, predict, write."""
    from rightreasons.core.files import read_json
    from rightreasons.debias import apply
    from rightreasons.learning.passes import counted
    from rightreasons.learning.records import write_model

    method = METHODS[job.method.kind]
    chosen = read_json(job.input.chosen) if job.input.chosen else {"params": {}}
    params = {**job.method.params, **chosen["params"], **job.override}
    cell = OpenCell.of(job, running.progress)
    if method.traits["changes"] == "weights":
        import torch  # noqa: F401  (the method would, as the first thing that it does)
    running.ready()
    with counted() as passes:
        made = apply(method, cell.context, method.params.model_validate(params))
    predictions = cell.predictions
    if made.model is not None:
        from rightreasons.learning.predictions import predict

        predictions = predict(made.model, cell.pool, cell.split, cell.context.device)
    write_model(
        job.output.model.parent,
        job.input.original_model if made.model is None else made.model,
        made.decision,
        predictions,
        "cpu" if made.model is None else cell.context.device,
        {
            "method": {"kind": job.method.kind, **params},
            "preset": job.preset,
            "trial": chosen.get("trial"),
            "labels": labels_of(job, params, cell.split),
            "image_passes": passes.images,
            "model": cell.original["model"],
            "notes": made.notes,
        },
    )
