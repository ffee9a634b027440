"""Random perturbation: the fairest of many randomly perturbed copies (Savani et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Passes, Real
from rightreasons.core.seeds import generator_of
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._perturbed import OWN_THRESHOLDS, Judge, PerturbedParams, fairest
from rightreasons.debias._tuning import check_finite
from rightreasons.learning.decisions import Decision

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class SavaniRpParams(PerturbedParams):
    """How many copies, how far from vanilla, and how much accuracy a fairer one may cost."""

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
    all_cells=True,
    small={"copies": 6, "scale": 0.3, "tolerance": 0.5},  # else vanilla may be the fairest
    presets={"published": {"copies": 101, "scale": 0.1, "threshold": "equalized_odds"}},
    search={
        "copies": Passes(unit="epochs"),
        "scale": Real(0.01, 0.5, log=True, zero=0.125),
    },
    knob="scale",
    inert=True,
    exempt={"test_choosing_a_threshold_changes_no_weights": OWN_THRESHOLDS},
    trains=False,
)
def savani_rp(context: Context, params: SavaniRpParams) -> Debiased:
    """Return the copy of least equalized odds among the accurate ones.

    Every weight of a copy is vanilla's times an independent draw of N(1, scale^2); the first copy
    is vanilla.
    """
    judge = Judge(context, params, "savani_rp")
    model = context.vanilla()
    original = [weight.detach().clone() for weight in model.parameters()]
    seeds = [None, *(context.seed_of(f"savani_rp/{i}") for i in range(1, params.copies))]
    tried = []
    for seed in context.progress(seeds, "savani_rp"):
        _perturb(model, original, params.scale, seed)
        tried.append(judge(model))
    best = fairest(tried, params.tolerance)
    _perturb(model, original, params.scale, seeds[best])
    check_finite(context, model, "savani_rp")
    notes = {"copy": best, **tried[best].notes()}
    return Debiased(model, Decision(tried[best].threshold), notes)


def _perturb(
    model: Classifier, original: list[torch.Tensor], scale: float, seed: int | None
) -> None:
    """Set every weight to the original times its factor, or to the original without a seed."""
    import torch

    generator = None if seed is None else generator_of(seed)
    with torch.no_grad():
        for weight, vanilla in zip(model.parameters(), original, strict=True):
            weight.copy_(vanilla)
            if generator is not None:
                factors = 1 + scale * torch.randn(weight.shape, generator=generator)
                weight.mul_(factors.to(weight.device))
