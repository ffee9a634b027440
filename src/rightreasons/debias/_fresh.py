"""Training from fresh: vanilla's first weights, order of images and budget, with another loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from rightreasons.core.search import Passes, Range, Real
from rightreasons.debias import Debiased
from rightreasons.debias._decision import DecisionParams, pick_decision
from rightreasons.debias._tuning import check_finite, run_notes

if TYPE_CHECKING:
    from rightreasons.debias import Context
    from rightreasons.learning.images import LabelledImages
    from rightreasons.learning.training import Change, Loss, Sampler
    from rightreasons.models.classifier import Classifier


class FreshParams(DecisionParams):
    """What may differ from vanilla's training beside the loss; the rest is the study's."""

    epochs: int | None = Field(
        None, ge=1, description="passes over the train split; none: as vanilla"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="initial learning rate; none: as vanilla"
    )
    weight_decay: float | None = Field(
        None, ge=0, description="weight decay of the optimizer; none: as vanilla"
    )


#: The space of these parameters.
BUDGET: Mapping[str, Range] = {
    "epochs": Passes("epochs", "train"),
    "learning_rate": Real(1e-5, 1e-2, log=True),
    "weight_decay": Real(1e-6, 1e-1, log=True, zero=0.25),
}

#: The line in figures of methods that train from fresh.
LINE = (0, (5, 1))


def train_fresh(
    context: Context,
    model: Classifier,
    params: DecisionParams,
    name: str,
    *,
    data: LabelledImages | None = None,
    loss: Loss | None = None,
    sampler: Sampler | None = None,
    change: Change | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place on the train split, as vanilla was where nothing says otherwise.

    Order of images, mirroring and dropout are vanilla's: with its first weights, its loss and its
    budget the result is vanilla, bit for bit on the CPU.

    Parameters
    ----------
    context
        What the method is given.
    model
        An untrained network, such as `context.fresh()`.
    params
        What may differ from vanilla's training (`BUDGET`); what is None or not there is vanilla's.
    name
        The method's name in the study.
    data
        Other images than those of the train split.
    loss
        From model and batch to a number (); cross-entropy without.
    sampler
        Picks and orders the images of an epoch; each comes once without.
    change
        What is done to the images of a batch first.

    Returns
    -------
    list of dict
        The loss of each epoch.

    Raises
    ------
    UserError
        Where the loss is not finite.
    """
    from rightreasons.learning.training import train

    own = {key: getattr(params, key, None) for key in BUDGET}
    return train(
        model,
        context.train() if data is None else data,
        context.training.model_copy(update={k: v for k, v in own.items() if v is not None}),
        generator=context.vanilla_generator(),
        device=context.device,
        progress=context.progress,
        loss=loss,
        sampler=sampler,
        change=change,
        description=f"methods.{name}",
    )


def decided(
    context: Context, model: Classifier, params: DecisionParams, name: str, notes: dict[str, Any]
) -> Debiased:
    """Return a trained network with its decision, by the policy of all methods.

    Raises
    ------
    UserError
        Where its weights or logits are not finite, and as `pick_decision` does.
    """
    check_finite(context, model, name)
    decision, chosen = pick_decision(context, model, params, name)
    return Debiased(model, decision, {**notes, **chosen})


def trained_fresh(
    context: Context,
    params: FreshParams,
    name: str,
    *,
    loss: Loss | None = None,
    sampler: Sampler | None = None,
) -> Debiased:
    """Return the untrained vanilla network trained by `train_fresh`, with its decision."""
    model = context.fresh()
    history = train_fresh(context, model, params, name, loss=loss, sampler=sampler)
    return decided(context, model, params, name, run_notes(history))
