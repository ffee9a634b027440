"""What the fine-tuning methods share: their budget, the training run, and the final checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.debias._decision import DecisionParams

if TYPE_CHECKING:
    from rightreasons.debias import Context
    from rightreasons.learning.training import Loss
    from rightreasons.models.classifier import Classifier


class TuningParams(DecisionParams):
    """The budget of a fine-tuning method; the rest is as in the study's `training`."""

    epochs: int = Field(1, ge=1, description="passes over the debias split")
    batch_size: int = Field(128, ge=2, description="images per step")
    learning_rate: float = Field(1e-4, gt=0, description="learning rate, constant")


def fine_tune(
    context: Context,
    model: Classifier,
    params: TuningParams,
    name: str,
    loss: Loss | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place on the debias split.

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
        The losses of each epoch.

    Raises
    ------
    UserError
        Where loss or weights are not finite.
    """
    from rightreasons.learning.training import train

    budget = {k: getattr(params, k) for k in ("epochs", "batch_size", "learning_rate")}
    history = train(
        model,
        context.debias(),
        context.training.model_copy(update={**budget, "schedule": "constant"}),
        generator=context.generator(name),
        device=context.device,
        progress=context.progress,
        loss=loss,
        description=f"methods.{name}",
    )
    check_finite(context, model, name)
    return history


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
