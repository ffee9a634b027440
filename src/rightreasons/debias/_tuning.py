"""What the fine-tuning methods share: their budget, the training run, and the final checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.debias._decision import DecisionParams

if TYPE_CHECKING:
    import torch

    from rightreasons.debias import Context
    from rightreasons.learning.config import TrainingConfig
    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class TuningParams(DecisionParams):
    """The budget of a fine-tuning method; the rest is as in the study's `training`.

    A budget is counted in steps, because a debias split may be tiny: a pass over 70 images is one
    step. `steps_of` says how many steps it is.
    """

    steps: int | None = Field(
        None, ge=1, description="steps of the model; none: what epochs and min_steps say"
    )
    epochs: int = Field(10, ge=1, description="passes over the debias split")
    min_steps: int = Field(300, ge=0, description="least steps where the passes are fewer")
    batch_size: int = Field(32, ge=2, description="images per step")
    learning_rate: float = Field(3e-4, gt=0, description="learning rate, constant")
    weight_decay: float | None = Field(
        None, ge=0, description="weight decay; none: as in the study's training"
    )


def steps_of(params: TuningParams, images: int) -> int:
    """Return the steps that a budget has.

    Parameters
    ----------
    params
        The budget.
    images
        Size of the debias split, at least 1.

    Returns
    -------
    int
        `steps` where it is given; else those of `epochs` passes, at least `min_steps`.
    """
    if params.steps is not None:
        return params.steps
    from rightreasons.learning.training import steps_of_a_pass

    return max(params.epochs * steps_of_a_pass(images, params.batch_size), params.min_steps)


def tuned(context: Context, params: TuningParams) -> TrainingConfig:
    """Return the study's training with the learning rate, batches and weight decay of a method."""
    names = ("batch_size", "learning_rate", "weight_decay")
    own = {name: getattr(params, name) for name in names}
    own = {name: value for name, value in own.items() if value is not None}
    return context.training.model_copy(update={**own, "schedule": "constant"})


def fine_tune(
    context: Context,
    model: Classifier,
    params: TuningParams,
    name: str,
    loss: Loss | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place on the debias split, for the steps of `steps_of`.

    The split is shuffled anew for every pass, and the last pass may end early.

    Batch norm and dropout are in training mode, so running statistics move towards the debias
    split; the model ends in eval mode.

    Parameters
    ----------
    context
        What the method is given.
    model
        The network to change.
    params
        The budget; the rest is as in the study's `training`.
    name
        The method's name in the study: the key of its random stream.
    loss
        From model and batch to a number (); cross-entropy without.

    Returns
    -------
    list of dict
        Mean loss and steps of each pass.

    Raises
    ------
    UserError
        Where loss or weights are not finite.
    """
    from rightreasons.learning.training import train

    data = context.debias()
    history = train(
        model,
        data,
        tuned(context, params),
        generator=context.generator(name),
        device=context.device,
        progress=context.progress,
        loss=loss,
        description=f"methods.{name}",
        steps=steps_of(params, len(data)),
    )
    check_finite(context, model, name)
    return history


def run_notes(history: list[dict[str, float]]) -> dict[str, Any]:
    """Return what a method's notes say of its training: `steps` in all, and the passes."""
    return {"steps": sum(int(record["steps"]) for record in history), "epochs": history}


#: From model and batch to the logits (B, 2) and the number () that is penalised.
Measured = Callable[["Classifier", "Batch"], "tuple[torch.Tensor, torch.Tensor]"]


def penalised(
    context: Context, strength: float, measured: Measured, seen: list[torch.Tensor]
) -> Loss:
    """Return cross-entropy + `strength` times a penalty; each step's penalty is added to `seen`."""
    import torch.nn.functional as F

    smoothing = context.training.label_smoothing

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        logits, penalty = measured(model, batch)
        seen.append(penalty.detach())
        return F.cross_entropy(logits, batch.target, label_smoothing=smoothing) + strength * penalty

    return loss


def check_finite(context: Context, model: Classifier, name: str) -> None:
    """Refuse a model that holds NaN or infinite values.

    Looked at are weights, running statistics, and the logits of at most 256 images of the debias
    split.

    Raises
    ------
    UserError
        Where any of these is not finite.
    """
    import numpy as np

    from rightreasons.learning.training import predict_logits

    broken = [key for key, value in model.state_dict().items() if not bool(value.isfinite().all())]
    if not broken:
        logits = predict_logits(model, context.debias().images[:256], context.device)
        broken = [] if np.isfinite(logits).all() else ["its logits"]
    if broken:
        raise UserError(
            f"methods.{name}: after fine-tuning {', '.join(broken[:3])} hold NaN or infinite "
            f"values. Lower methods.{name}.learning_rate."
        )
