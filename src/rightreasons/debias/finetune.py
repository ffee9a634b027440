"""Finetune, a control: as much plain fine-tuning on the debias split as the methods get."""

from __future__ import annotations

from pydantic import Field

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, fine_tune


class FinetuneParams(TuningParams):
    """Budget of the control."""

    epochs: int = Field(2, ge=1, description="passes over the debias split")


@METHODS.register(
    "finetune",
    title="Fine-tuning",
    paper="control",
    params=FinetuneParams,
    reference=True,
    style=("#808080", "s", "-"),
)
def finetune(context: Context, params: FinetuneParams) -> Debiased:
    """Return vanilla fine-tuned with cross-entropy and nothing else."""
    model = context.vanilla()
    history = fine_tune(context, model, params, "finetune")
    decision, chosen = pick_decision(context, model, params, "finetune")
    return Debiased(model, decision, {"epochs": history, **chosen})
