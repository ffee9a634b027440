"""Reweighting: training with weights that make target and protected independent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, trained_fresh

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.images import LabelledImages
    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class ReweightingParams(FreshParams):
    """The budget, and how far the weights go."""

    strength: float = Field(1.0, ge=0, description="exponent of the weights; 0: all are 1")


@METHODS.register(
    "reweighting",
    title="Reweighting",
    paper="Kamiran and Calders 2012",
    params=ReweightingParams,
    uses_protected=("train",),
    presets={"published": {}},
    search={**BUDGET, "strength": Real(0.25, 2.0, zero=0.125)},
    knob="strength",
    style=("#0072B2", "s", LINE),
)
def reweighting(context: Context, params: ReweightingParams) -> Debiased:
    """Return vanilla trained anew with weights (n_t n_a / (n n_ta))^strength of the images."""
    loss = weighted_loss(context, params.strength) if params.strength else None
    return trained_fresh(context, params, "reweighting", loss=loss)


def weighted_loss(context: Context, strength: float) -> Loss:
    """Return the mean over a batch of weight times cross-entropy."""
    from rightreasons.debias._cells import errors

    weights = independence_weights(context.train(), strength).to(context.device)

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        return (
            weights[batch.indices] * errors(model, batch, context.training.label_smoothing)
        ).mean()

    return loss


def independence_weights(data: LabelledImages, strength: float) -> torch.Tensor:
    """Return the weight of each image, float32 (N,), of mean 1.

    (n_t n_a / (n n_ta))^strength up to a factor, for an image with target t and protected a among
    n images, n_t with that target, n_a with that protected attribute, n_ta with both. At strength 1
    target and protected are independent under these weights, where no cell is empty.

    References
    ----------
    Kamiran and Calders 2012, "Data preprocessing techniques for classification without
    discrimination", section 5.2.
    """
    from rightreasons.debias._cells import cell_of, sizes

    n = sizes(data).view(2, 2).double()
    expected = n.sum(1, keepdim=True) * n.sum(0, keepdim=True) / n.sum()
    of_cell = (expected / n.clamp(min=1)).flatten() ** strength
    weights = of_cell[cell_of(data.target, data.protected)]
    return (weights / weights.mean()).float()
