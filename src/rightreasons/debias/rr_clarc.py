"""RR-ClArC: fine-tune with a penalty on the output's sensitivity along the protected direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import CAV_SEARCH, LAYER, CavParams, features_of, protected_cav
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import Measured, TuningParams, fine_tune, penalised, run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.training import Batch
    from rightreasons.models.classifier import Classifier


class RRClarcParams(CavParams, TuningParams):
    """The direction, the budget and the penalty."""

    learning_rate: float = Field(1e-3, gt=0, description="learning rate, constant")
    strength: float = Field(10.0, ge=0, description="weight lambda of the penalty")
    output: Literal["max_logit", "target", "all", "random", "log_probability"] = Field(
        "max_logit", description="number per image whose gradient is penalised"
    )
    penalty: Literal["l2", "l2_mean", "l1", "cosine"] = Field(
        "l2", description="how sensitivity is counted"
    )
    layer: str = Field("penultimate", description=LAYER)
    freeze: Literal["none", "trunk", "convolutions"] = Field(
        "none", description="what stays as it is: trunk, or all convolutions and batch norms"
    )


@METHODS.register(
    "rr_clarc",
    title="RR-ClArC",
    paper="Dreyer et al. 2024",
    params=RRClarcParams,
    uses_protected=("fit",),
    small={"steps": 6},
    style=("#999933", "h", "--"),
    presets={
        "published": {
            "layer": "last_conv",
            "freeze": "convolutions",
            "output": "random",
            "penalty": "l2_mean",
            "strength": 1000.0,
            "epochs": 10,
            "min_steps": 0,
            "learning_rate": 1e-4,
        },
        "detoxai": {
            "cav_weighting": "images",
            "strength": 1.0,
            "epochs": 1,
            "min_steps": 0,
            "batch_size": 128,
        },
    },
    search={
        "strength": Real(0.05, 1e6, log=True, zero=0.125),
        "steps": Passes(),
        "learning_rate": Real(1e-5, 1e-2, log=True),
        "output": Choice(("max_logit", "random")),
        "layer": Choice(("penultimate", "last_conv")),
        "freeze": Choice(("none", "trunk")),
        **CAV_SEARCH,
    },
    knob="strength",
)
def rr_clarc(context: Context, params: RRClarcParams) -> Debiased:
    """Return vanilla fine-tuned with cross-entropy + lambda (v . d f / d a)^2."""
    import torch

    from rightreasons.models.layers import captured, frozen, layer_of

    model = context.vanilla()
    cav, notes = protected_cav(features_of(context, model, params.layer), params, "rr_clarc")
    direction = torch.as_tensor(cav.direction, dtype=torch.float32, device=context.device)
    penalties: list[torch.Tensor] = []
    with captured(layer_of(model, params.layer)) as outputs, frozen(model, params.freeze):
        measured = _measured(params, direction, outputs)
        loss = penalised(context, params.strength, measured, penalties)
        history = fine_tune(context, model, params, "rr_clarc", loss)
    ends = [float(penalties[0]), float(penalties[-1])]
    decision, chosen = pick_decision(context, model, params, "rr_clarc")
    return Debiased(model, decision, {**notes, **run_notes(history), "penalty": ends, **chosen})


def _measured(
    params: RRClarcParams, direction: torch.Tensor, outputs: list[torch.Tensor]
) -> Measured:
    """Return logits and how sensitive they are along the direction, at the layer of `outputs`."""
    from rightreasons.debias._gradient_penalty import right_reason_penalty
    from rightreasons.models.layers import twice_differentiable

    def measured(model: Classifier, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        with twice_differentiable():
            logits = model(batch.inputs)
        return logits, right_reason_penalty(
            logits, batch.target, outputs[0], direction, params.output, params.penalty
        )

    return measured
