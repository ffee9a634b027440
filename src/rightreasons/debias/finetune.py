"""Finetune, a control: as much plain fine-tuning on the debias split as the methods get."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, fine_tune, run_notes


@METHODS.register(
    "finetune",
    title="Fine-tuning",
    paper="control",
    params=TuningParams,
    reference=True,
    small={"steps": 6},
    style=("#808080", "s", "-"),
)
def finetune(context: Context, params: TuningParams) -> Debiased:
    """Return vanilla fine-tuned with cross-entropy and nothing else."""
    model = context.vanilla()
    history = fine_tune(context, model, params, "finetune")
    decision, chosen = pick_decision(context, model, params, "finetune")
    return Debiased(model, decision, {**run_notes(history), **chosen})
