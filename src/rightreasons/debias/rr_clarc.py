"""RR-ClArC: fine-tune with a penalty on the output's sensitivity along the protected direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import CavParams, protected_cav
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, fine_tune, run_notes

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class RRClarcParams(CavParams, TuningParams):
    """The direction, the budget and the penalty."""

    learning_rate: float = Field(1e-3, gt=0, description="learning rate, constant")
    strength: float = Field(1.0, ge=0, description="weight lambda of the penalty")
    output: Literal["max_logit", "target", "all", "random", "log_probability"] = Field(
        "max_logit", description="number per image whose gradient is penalised"
    )
    penalty: Literal["l2", "l1", "cosine"] = Field("l2", description="how sensitivity is counted")
    layer: str = Field(
        "penultimate", description="where: penultimate, or a module of the trunk such as layer4"
    )


@METHODS.register(
    "rr_clarc",
    title="RR-ClArC",
    paper="Dreyer et al. 2024",
    params=RRClarcParams,
    uses_protected=("fit",),
    small={"steps": 6},
    style=("#999933", "h", "--"),
)
def rr_clarc(context: Context, params: RRClarcParams) -> Debiased:
    """Return vanilla fine-tuned with cross-entropy + lambda (v . d f / d a)^2."""
    import torch

    from rightreasons.debias._gradient_penalty import captured, layer_of

    model = context.vanilla()
    layer = layer_of(model, params.layer)
    cav = protected_cav(context, _channel_means(context, model, layer), params, "rr_clarc")
    direction = torch.as_tensor(cav.direction, dtype=torch.float32, device=context.device)
    penalties: list[torch.Tensor] = []
    with captured(layer) as outputs:
        loss = _penalised(context, params, direction, outputs, penalties)
        history = fine_tune(context, model, params, "rr_clarc", loss)
    notes = {
        "cav_auroc": cav.quality,
        **run_notes(history),
        "penalty": [float(penalties[0]), float(penalties[-1])],
    }
    decision, chosen = pick_decision(context, model, params, "rr_clarc")
    return Debiased(model, decision, {**notes, **chosen})


def _penalised(
    context: Context,
    params: RRClarcParams,
    direction: torch.Tensor,
    outputs: list[torch.Tensor],
    penalties: list[torch.Tensor],
) -> Loss:
    """Return cross-entropy + lambda penalty; each step's penalty is added to `penalties`."""
    import torch.nn.functional as F

    from rightreasons.debias._gradient_penalty import right_reason_penalty

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        logits = model(batch.inputs)
        penalty = right_reason_penalty(
            logits, batch.target, outputs[0], direction, params.output, params.penalty
        )
        penalties.append(penalty.detach())
        error = F.cross_entropy(
            logits, batch.target, label_smoothing=context.training.label_smoothing
        )
        return error + params.strength * penalty

    return loss


def _channel_means(context: Context, model: Classifier, layer: nn.Module) -> torch.Tensor:
    """Return the layer's activations on the debias split, averaged over positions, (N, C)."""
    import torch

    from rightreasons.debias._gradient_penalty import by_position, captured
    from rightreasons.learning.training import batches
    from rightreasons.runtime.devices import fit_batch

    model.eval()

    def means(size: int) -> torch.Tensor:
        parts = []
        with torch.no_grad(), captured(layer) as outputs:
            for batch in batches(context.debias(), size, context.device):
                model.features(batch.inputs)
                parts.append(by_position(outputs[0]).float().mean(dim=1).cpu())
        return torch.cat(parts)

    return fit_batch(means, 256, "features")
