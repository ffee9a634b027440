"""SavaniAFT: fine-tune against a critic that predicts the bias of a batch (Savani et al. 2020)."""

from __future__ import annotations

from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._savani_params import PRESETS, SavaniAftParams
from rightreasons.debias._thresholds import check_cells
from rightreasons.debias._tuning import check_finite

SAME_BATCHES = (
    "at strength 0 batches are drawn by cells and weighted back as with the critic: a run and its "
    "control differ in the critic alone"
)


@METHODS.register(
    "savani_aft",
    title="SavaniAFT",
    paper="Savani et al. 2020",
    params=SavaniAftParams,
    uses_protected=("fit",),
    all_cells=True,
    small={"steps": 4, "rounds": 2, "critic_warmup": 20},
    exempt={"test_the_protected_attribute_does_not_matter_at_strength_zero": SAME_BATCHES},
    presets=PRESETS,
    search={
        "steps": Passes(each=1.75),
        "learning_rate": Real(1e-5, 3e-3, log=True),
        "strength": Real(1.0, 100.0, log=True, zero=0.125),
        "epsilon": Choice((0.0, 0.05, 0.1)),
    },
    knob="strength",
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
