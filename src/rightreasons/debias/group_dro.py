"""Group DRO: training on the cell of target and protected that is worst, softly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, trained_fresh

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class GroupDROParams(FreshParams):
    """The budget, and how the cells' weights move."""

    step_size: float = Field(
        0.01, ge=0, description="step size eta of the cells' weights, per step of the model"
    )
    adjustment: float = Field(
        0.0, ge=0, description="C: the loss of a cell of n images counts C / sqrt(n) more"
    )
    strength: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the robust loss, and how evenly cells are drawn; 0: plain training",
    )


@METHODS.register(
    "group_dro",
    title="Group DRO",
    paper="Sagawa et al. 2020",
    params=GroupDROParams,
    uses_protected=("train",),
    presets={"published": {"epochs": 50, "learning_rate": 1e-4, "weight_decay": 1e-4}},
    search={
        **BUDGET,
        "step_size": Real(1e-3, 1.0, log=True),
        "adjustment": Choice((0.0, 1.0, 2.0, 3.0, 4.0, 5.0)),
        "strength": Real(0.25, 1.0, zero=0.125),
    },
    knob="strength",
    style=("#D55E00", "X", LINE),
)
def group_dro(context: Context, params: GroupDROParams) -> Debiased:
    """Return vanilla trained anew on the mean loss of the cells, weighted towards the worst."""
    from rightreasons.debias._cells import Drawn, levelling_weights, sizes

    if not params.strength:
        return trained_fresh(context, params, "group_dro")
    data = context.train()
    sampler = Drawn(levelling_weights(data, params.strength))
    weights = CellWeights(sizes(data).to(context.device), params.step_size, params.adjustment)
    loss = robust_loss(context, weights, params.strength)
    debiased = trained_fresh(context, params, "group_dro", loss=loss, sampler=sampler)
    debiased.notes["cell_weights"] = weights.q.tolist()
    return debiased


class CellWeights:
    """The weights q of the four cells, which begin equal and grow with the losses.

    q_c <- q_c exp(eta (l_c + C / sqrt(n_c))), divided by their sum, with l_c the mean loss of the
    batch's images in the cell; a cell without images in the batch keeps its own.

    Parameters
    ----------
    sizes
        Images n_c of each cell, (4,). A cell without any has weight 0.
    step_size
        eta.
    adjustment
        C.

    References
    ----------
    Sagawa, Koh, Hashimoto and Liang 2020, "Distributionally Robust Neural Networks for Group
    Shifts", algorithm 1 and section 3.3.
    """

    def __init__(self, sizes: torch.Tensor, step_size: float, adjustment: float) -> None:
        there = (sizes > 0).double()
        self.q = there / there.sum()
        self.step_size = step_size
        self.extra = adjustment / sizes.clamp(min=1).double().sqrt()

    def update(self, losses: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Move the weights and return them.

        Parameters
        ----------
        losses
            Mean loss of each cell in the batch, (4,).
        there
            Whether it has images in the batch, boolean (4,).
        """
        grown = self.q * (self.step_size * (losses.double() + self.extra)).exp()
        moved = grown.where(there, self.q)
        self.q = moved / moved.sum()
        return self.q


def robust_loss(context: Context, weights: CellWeights, strength: float) -> Loss:
    """Return (1 - strength) mean cross-entropy + strength sum_c q_c l_c; each call moves q."""
    import torch.nn.functional as F

    from rightreasons.debias._cells import cell_of, errors

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        each = errors(model, batch, context.training.label_smoothing)
        member = F.one_hot(cell_of(batch.target, batch.protected), 4).to(each.dtype)
        count = member.sum(0)
        of_cell = (each @ member) / count.clamp(min=1)
        q = weights.update(of_cell.detach(), count > 0)
        robust = (q.to(each.dtype) * of_cell).sum()
        return (1 - strength) * each.mean() + strength * robust

    return loss
