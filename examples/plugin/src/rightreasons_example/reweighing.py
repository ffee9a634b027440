"""Reweighing: fine-tune with weights that make target and protected independent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.debias import METHODS, Context, Debiased

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.training import Batch
    from rightreasons.models.classifier import Classifier


class ReweighingParams(Params):
    """The budget; all else is as in the study's `training`."""

    epochs: int = Field(2, ge=1, description="passes over the debias split")
    batch_size: int = Field(128, ge=2, description="images per step")
    learning_rate: float = Field(1e-4, gt=0, description="learning rate")


@METHODS.register(
    "reweighing",
    title="Reweighing",
    paper="Kamiran and Calders 2012",
    params=ReweighingParams,
    uses_protected=("fit",),
)
def reweighing(context: Context, params: ReweighingParams) -> Debiased:
    """Return vanilla fine-tuned with weights n_t n_a / (N n_ta) for target t, protected a."""
    import torch
    import torch.nn.functional as F

    from rightreasons.learning.training import train

    data = context.debias()
    n = torch.bincount(2 * data.target + data.protected, minlength=4).view(2, 2)
    expected = n.sum(1, keepdim=True) * n.sum(0, keepdim=True) / n.sum()
    weights = (expected / n.clamp_min(1)).to(context.device)

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        errors = F.cross_entropy(model(batch.inputs), batch.target, reduction="none")
        return (weights[batch.target, batch.protected] * errors).mean()

    model = context.vanilla()
    history = train(
        model,
        data,
        context.training.model_copy(update=params.model_dump()),
        generator=context.generator("reweighing"),
        device=context.device,
        progress=context.progress,
        loss=loss,
        description="methods.reweighing",
    )
    return Debiased(model, notes={"epochs": history, "weights": weights.tolist()})
