"""RRR: fine-tune with a penalty on the gradient inside the protected attribute's region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import Measured, TuningParams, fine_tune, penalised, run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.training import Batch
    from rightreasons.models.classifier import Classifier


class RRRParams(TuningParams):
    """The budget and the penalty."""

    strength: float = Field(1.0, ge=0, description="weight lambda of the penalty")


@METHODS.register(
    "rrr",
    title="RRR",
    paper="Ross, Hughes, Doshi-Velez 2017",
    params=RRRParams,
    needs=("roi",),
    small={"steps": 6},
    presets={
        "published": {
            "strength": 1000.0,
            "steps": None,
            "epochs": 64,
            "min_steps": 0,
            "batch_size": 256,
            "learning_rate": 1e-3,
        }
    },
    search={
        "strength": Real(0.1, 1e4, log=True, zero=0.125),
        "learning_rate": Real(1e-5, 3e-3, log=True),
        "batch_size": Choice((32, 64, 128)),
        "steps": Passes("steps"),
    },
    knob="strength",
    style=("#882255", "d", "-."),
)
def rrr(context: Context, params: RRRParams) -> Debiased:
    """Return vanilla fine-tuned with cross-entropy + lambda sum_roi (d/dx sum_k log p_k)^2."""
    model = context.vanilla()
    penalties: list[torch.Tensor] = []
    loss = penalised(context, params.strength, _measured(context), penalties)
    history = fine_tune(context, model, params, "rrr", loss)
    notes = {**run_notes(history), "penalty": [float(penalties[0]), float(penalties[-1])]}
    decision, chosen = pick_decision(context, model, params, "rrr")
    return Debiased(model, decision, {**notes, **chosen})


def _measured(context: Context) -> Measured:
    """Return logits and the squared gradient of their log-probabilities inside the region."""
    from rightreasons.debias._guidance import region_of, right_reasons
    from rightreasons.models.layers import twice_differentiable

    roi = context.roi("debias")

    def measured(model: Classifier, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = batch.inputs.detach().requires_grad_()
        with twice_differentiable():
            logits = model(pixels)
        return logits, right_reasons(logits, pixels, region_of(roi, batch))

    return measured
