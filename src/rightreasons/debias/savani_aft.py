"""SavaniAFT: fine-tune against a critic that predicts the bias of a batch (Savani et al. 2020)."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._savani_params import SavaniAftParams
from rightreasons.debias._thresholds import check_cells
from rightreasons.debias._tuning import check_finite


@METHODS.register(
    "savani_aft",
    title="SavaniAFT",
    paper="Savani et al. 2020",
    params=SavaniAftParams,
    uses_protected=("fit",),
    small={"rounds": 2, "model_steps": 2, "critic_warmup": 20},
    style=("#E69F00", "D", "-"),
)
def savani_aft(context: Context, params: SavaniAftParams) -> Debiased:
    """Return vanilla tuned on cross-entropy * max(1, lambda (critic - eps + delta) + 1)."""
    from rightreasons.debias._savani import AdversarialTuning

    data = context.debias()
    check_cells(data.target.numpy(), data.protected.numpy(), "methods.savani_aft")
    model = context.vanilla()
    notes = AdversarialTuning(context, model, params).run()
    check_finite(context, model, "savani_aft")
    decision, chosen = pick_decision(context, model, params, "savani_aft")
    return Debiased(model, decision, {**notes, **chosen})
