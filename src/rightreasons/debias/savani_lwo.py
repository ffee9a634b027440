"""Layer-wise optimisation: the weights of one layer searched for fairness (Savani et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._perturbed import OWN_THRESHOLDS, Judge, PerturbedParams, fairest
from rightreasons.debias._thresholds import Choice as Judged
from rightreasons.debias._tuning import check_finite
from rightreasons.learning.decisions import Decision

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


class SavaniLwoParams(PerturbedParams):
    """Which layers, how many networks for each, and how far from vanilla."""

    layers: int = Field(
        5, ge=1, description="tensors of weights that are searched, counted from the last"
    )
    trials: int = Field(20, ge=1, description="networks that are tried for each of them")
    entries: int = Field(
        5000, ge=1, description="weights of a tensor that change, drawn at random where it has more"
    )
    scale: float = Field(
        1.0,
        ge=0,
        description="standard deviation of a step, over the tensor's root mean square",
    )


@METHODS.register(
    "savani_lwo",
    title="Layer-wise optimisation",
    paper="Savani et al. 2020",
    params=SavaniLwoParams,
    uses_protected=("fit",),
    all_cells=True,
    small={"trials": 6, "threshold": "equalized_odds"},
    exempt={"test_choosing_a_threshold_changes_no_weights": OWN_THRESHOLDS},
    presets={
        "published": {"layers": 5, "trials": 20, "entries": 5000, "threshold": "equalized_odds"}
    },
    search={
        "trials": Passes(unit="epochs", each=5),
        "scale": Real(0.1, 5.0, log=True, zero=0.125),
    },
    knob="scale",
    inert=True,
    trains=False,
)
def savani_lwo(context: Context, params: SavaniLwoParams) -> Debiased:
    """Return vanilla with one layer changed: of all changes that were tried the fairest accurate.

    Each layer is searched by itself, all others being vanilla's, by random steps from the fairest
    that was found for it so far.
    """
    judge = Judge(context, params, "savani_lwo")
    model = context.vanilla()
    layers = list(model.named_parameters())[-params.layers :]
    vanilla = judge(model)
    tried, changes = [vanilla], [Change.none(*layers[0])]
    for name, layer in context.progress(layers, "savani_lwo"):
        for change, one in _searched(context, model, name, layer, judge, params, vanilla)[1:]:
            tried.append(one)
            changes.append(change)
    best = fairest(tried, params.tolerance)
    changes[best].make(model)
    check_finite(context, model, "savani_lwo")
    notes = {"layer": changes[best].layer if best else None, "tried": len(tried)}
    return Debiased(model, Decision(tried[best].threshold), {**notes, **tried[best].notes()})


@dataclass(frozen=True)
class Change:
    """New values of some weights of a layer.

    Parameters
    ----------
    layer
        Name of the tensor.
    entries : int64 (k,)
        Which weights, counted in the flattened tensor.
    values : float32 (k,)
        What they become.
    """

    layer: str
    entries: torch.Tensor
    values: torch.Tensor

    @classmethod
    def none(cls, name: str, layer: torch.Tensor, entries: torch.Tensor | None = None) -> Change:
        """Return the change that leaves some weights, or none, as they are."""
        entries = layer.new_empty(0).long() if entries is None else entries
        return cls(name, entries, layer.detach().flatten()[entries].clone())

    def make(self, model: Classifier) -> None:
        """Change the weights of a model in place."""
        layer = model.get_parameter(self.layer)
        flat = layer.detach().flatten()
        flat[self.entries] = self.values
        layer.data.copy_(flat.view(layer.shape))


def _searched(
    context: Context,
    model: Classifier,
    name: str,
    layer: torch.Tensor,
    judge: Judge,
    params: SavaniLwoParams,
    vanilla: Judged,
) -> list[tuple[Change, Judged]]:
    """Return all that was tried for a layer, vanilla first; the model is as before."""
    import torch

    generator = context.generator(f"savani_lwo/{name}")
    entries = torch.randperm(layer.numel(), generator=generator)[: params.entries]
    before = Change.none(name, layer, entries.to(layer.device))
    step = params.scale * float(layer.detach().square().mean().sqrt())
    found = [(before, vanilla)]
    for _ in range(params.trials):
        base, _ = found[fairest([one for _, one in found], params.tolerance)]
        noise = torch.randn(len(entries), generator=generator).to(layer.device)
        change = replace(base, values=base.values + step * noise)
        change.make(model)
        found.append((change, judge(model)))
    before.make(model)
    return found
