"""Random perturbation: the fairest of many randomly perturbed copies (Savani et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import DecisionParams
from rightreasons.debias._thresholds import Choice, check_cells, choose_threshold, judge
from rightreasons.debias._tuning import check_finite
from rightreasons.learning.decisions import Decision, probability

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class SavaniRpParams(DecisionParams):
    """How many copies, and how far from vanilla.

    `tolerance` is also what a fairer copy may cost.
    """

    copies: int = Field(101, ge=1, description="networks that are tried, vanilla among them")
    scale: float = Field(
        0.1, ge=0, description="standard deviation of the factors, of mean 1, on the weights"
    )


@METHODS.register(
    "savani_rp",
    title="Random perturbation",
    paper="Savani et al. 2020",
    params=SavaniRpParams,
    uses_protected=("fit",),
    small={"copies": 5},
    presets={"published": {"threshold": "equalized_odds"}},
    all_cells=True,
    exempt={
        "test_choosing_a_threshold_changes_no_weights": "each copy is judged with its threshold, "
        "so another rule can choose another copy"
    },
)
def savani_rp(context: Context, params: SavaniRpParams) -> Debiased:
    """Return the copy, with its threshold, of least equalized odds among the accurate ones.

    Every weight of a copy is vanilla's times an independent draw of N(1, scale^2); the first copy
    is vanilla. Ties go to the higher mean accuracy of the cells, then to the earlier copy.
    """
    data = context.debias()
    check_cells(data.target.numpy(), data.protected.numpy(), "methods.savani_rp")
    model = context.vanilla()
    original = [weight.detach().clone() for weight in model.parameters()]
    seeds = [None, *(context.seed_of(f"savani_rp/{i}") for i in range(1, params.copies))]
    choices = []
    for seed in context.progress(seeds, "savani_rp"):
        _perturb(model, original, params.scale, seed)
        choices.append(_judge(context, model, params))
    floor = max(choice.cell_accuracy for choice in choices) - params.tolerance - 1e-12
    allowed = [i for i, choice in enumerate(choices) if choice.cell_accuracy >= floor]
    best = min(allowed, key=lambda i: (choices[i].equalized_odds, -choices[i].cell_accuracy))
    _perturb(model, original, params.scale, seeds[best])
    check_finite(context, model, "savani_rp")
    notes = {"copy": best, "allowed": len(allowed), **choices[best].notes()}
    return Debiased(model, Decision(choices[best].threshold), notes)


def _perturb(
    model: Classifier, original: list[torch.Tensor], scale: float, seed: int | None
) -> None:
    """Set every weight to the original times its factor, or to the original without a seed."""
    import torch

    generator = None if seed is None else torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight, vanilla in zip(model.parameters(), original, strict=True):
            weight.copy_(vanilla)
            if generator is not None:
                factors = 1 + scale * torch.randn(weight.shape, generator=generator)
                weight.mul_(factors.to(weight.device))


def _judge(context: Context, model: Classifier, params: SavaniRpParams) -> Choice:
    """Return what the model does on the debias split with its threshold."""
    from rightreasons.learning.training import predict_logits

    data = context.debias()
    labels = data.target.numpy(), data.protected.numpy()
    score = probability(predict_logits(model, data.images, context.device))
    if params.threshold == "half":
        return judge(score, *labels)
    return choose_threshold(score, *labels, params.tolerance, "methods.savani_rp")
