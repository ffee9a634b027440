"""Domain-independent training: a head for each protected group, whose logits are averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, decided, train_fresh
from rightreasons.debias._tuning import run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.debias._pairs import TwoHeads
    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class DomainIndependentParams(FreshParams):
    """The budget, and how far the heads are apart in training."""

    strength: float = Field(
        1.0,
        ge=0,
        le=1,
        description="0: images are trained with the mean of both heads; 1: with their group's",
    )


@METHODS.register(
    "domain_independent",
    title="Domain-independent",
    paper="Wang et al. 2020",
    params=DomainIndependentParams,
    uses_protected=("train",),
    presets={"published": {"epochs": 50, "learning_rate": 1e-4, "weight_decay": 0.0}},
    search={**BUDGET, "strength": Real(0.25, 1.0, zero=0.125)},
    knob="strength",
    style=("#882255", "h", LINE),
)
def domain_independent(context: Context, params: DomainIndependentParams) -> Debiased:
    """Return vanilla trained anew with two heads, which are folded into their mean."""
    import torch

    from rightreasons.debias._pairs import TwoHeads

    model = context.fresh()
    heads = TwoHeads(model)
    loss = own_head_loss(heads, params.strength, context.training.label_smoothing)
    history = train_fresh(context, heads, params, "domain_independent", loss=loss)
    with torch.no_grad():
        weight, bias = heads.averaged()
        model.head.weight.copy_(weight)
        model.head.bias.copy_(bias)
    model.eval()
    return decided(context, model, params, "domain_independent", run_notes(history))


def own_head_loss(heads: TwoHeads, strength: float, label_smoothing: float) -> Loss:
    """Return the cross-entropy of (1 - strength) mean of both heads + strength own head's logits.

    References
    ----------
    Wang, Qinami, Karakozis, Genova, Nair, Hata and Russakovsky 2020, "Towards Fairness in Visual
    Recognition: Effective Strategies for Bias Mitigation", section 3.
    """
    import torch.nn.functional as F

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        zero, one = heads.of_groups(batch.inputs)
        own = one.where(batch.protected[:, None] == 1, zero)
        logits = (1 - strength) * (zero + one) / 2 + strength * own
        return F.cross_entropy(logits, batch.target, label_smoothing=label_smoothing)

    return loss
