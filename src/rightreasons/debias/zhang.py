"""ZhangAL: adversarial debiasing with a projected gradient (Zhang, Lemoine, Mitchell 2018)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, check_finite, steps_of, tuned

if TYPE_CHECKING:
    import torch

    from rightreasons.debias._adversaries import Opponent
    from rightreasons.learning.training import Batch
    from rightreasons.models.classifier import Classifier


class ZhangParams(TuningParams):
    """Budget, adversary and update of the method."""

    criterion: Literal["equalized_odds", "equal_opportunity", "statistical_parity"] = Field(
        "equalized_odds", description="what the adversary sees beside the logit, and where"
    )
    learning_rate: float = Field(3e-4, gt=0, description="learning rate of the model at step 1")
    decay: float = Field(
        0.01, ge=0, description="the learning rate at step t is divided by 1 + decay (t - 1)"
    )
    adversary_weight: float = Field(
        0.1,
        ge=0,
        description="a in alpha = a sqrt(t), weight of the adversary's gradient; 0: no adversary",
    )
    adversary_learning_rate: float = Field(0.1, gt=0, description="learning rate of the adversary")
    adversary_steps: int = Field(10, ge=1, description="adversary's steps per step of the model")
    adversary_memory: int = Field(
        4, ge=1, description="latest batches whose logits the adversary is fitted to"
    )
    adversary_warmup: int = Field(
        200, ge=0, description="steps of the adversary on vanilla's logits before the first step"
    )


#: published: alpha grows as sqrt(t) and the learning rate falls as 1/t; model and adversary take
#: one step each on the same batch.
PRESETS = {
    "published": {
        "decay": 1.0,
        "adversary_weight": 1.0,
        "adversary_steps": 1,
        "adversary_memory": 1,
        "adversary_warmup": 0,
    },
    "detoxai": {
        "steps": 150,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "decay": 0.1,
        "adversary_weight": 1.0,
    },
}


@METHODS.register(
    "zhang",
    title="ZhangAL",
    paper="Zhang, Lemoine, Mitchell 2018",
    params=ZhangParams,
    uses_protected=("fit",),
    small={"steps": 6},
    presets=PRESETS,
    search={
        "steps": Passes(),
        "learning_rate": Real(3e-5, 1e-2, log=True),
        "decay": Choice((0.0, 0.01, 0.1)),
        "adversary_weight": Real(0.01, 3.0, log=True, zero=0.125),
    },
    knob="adversary_weight",
    style=("#D55E00", "P", "-"),
)
def zhang(context: Context, params: ZhangParams) -> Debiased:
    """Return vanilla tuned so that an adversary cannot read the protected attribute."""
    model = context.vanilla()
    notes = _train(context, model, params)
    check_finite(context, model, "zhang")
    decision, chosen = pick_decision(context, model, params, "zhang")
    return Debiased(model, decision, {**notes, **chosen})


def _train(context: Context, model: Classifier, params: ZhangParams) -> dict[str, Any]:
    """Train model and adversary against each other; return the mean losses of the last fifth."""
    import torch

    from rightreasons.learning.training import make_optimizer, seeded, training_mode

    opponent = _opponent(context, params) if params.adversary_weight else None
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(weights, tuned(context, params))
    generator = context.generator("zhang")
    losses = []
    with seeded(generator, context.device):
        training_mode(model)
        asked = steps_of(params, len(context.debias()))
        steps = context.progress(range(1, asked + 1), "zhang")
        for t, batch in zip(steps, _endless(context, params, generator), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = params.learning_rate / (1 + params.decay * (t - 1))
            losses.append(_set_gradients(context, model, weights, opponent, batch, params, t))
            optimizer.step()
    model.eval()
    history = torch.stack(losses).cpu()
    _check_losses(history)
    names = ("loss", "adversary_loss")[: history.shape[1]]
    means = history[-math.ceil(len(history) / 5) :].mean(0).tolist()
    return {"steps": len(history), **dict(zip(names, means, strict=True))}


def _opponent(context: Context, params: ZhangParams) -> Opponent:
    """Return the adversary, fitted to vanilla's logits on the debias split."""
    import torch

    from rightreasons.debias._adversaries import LogitAdversary, Opponent

    known = context.predictions
    logits, target, protected = (
        torch.tensor(known[columns].to_numpy(), device=context.device)
        for columns in (["logit_0", "logit_1"], "target", "protected")
    )
    adversary = LogitAdversary(params.criterion).to(context.device)
    opponent = Opponent(adversary, params.adversary_learning_rate, params.adversary_memory)
    opponent.remember(logits.float(), target, protected)
    opponent.refit(params.adversary_warmup)
    opponent.memory.clear()
    return opponent


def _endless(context: Context, params: ZhangParams, generator: torch.Generator) -> Iterator[Batch]:
    """Yield batches of the debias split, reshuffled after each pass, without end."""
    from rightreasons.learning.images import resident
    from rightreasons.learning.training import batches

    data = resident(context.debias(), context.device)
    flip = context.training.augment == "flip"
    while True:
        yield from batches(data, params.batch_size, context.device, generator=generator, flip=flip)


def _set_gradients(
    context: Context,
    model: Classifier,
    weights: list[torch.nn.Parameter],
    opponent: Opponent | None,
    batch: Batch,
    params: ZhangParams,
    t: int,
) -> torch.Tensor:
    """Refit the adversary and set the model's gradients; return both losses (2,).

    One forward pass serves both losses, and each gradient is one backward pass. Without an
    adversary the gradient is cross-entropy's, and its loss (1,) is returned.
    """
    import torch
    import torch.nn.functional as F

    from rightreasons.debias._adversaries import debiased_gradient, flat_gradient, set_gradient
    from rightreasons.learning.training import autocast

    with autocast(batch.inputs.device):
        logits = model(batch.inputs).float()
    smoothing = context.training.label_smoothing
    loss = F.cross_entropy(logits, batch.target, label_smoothing=smoothing)
    if opponent is None:
        set_gradient(weights, flat_gradient(loss, weights, keep_graph=False))
        return loss.detach()[None]
    opponent.remember(logits, batch.target, batch.protected)
    opponent.refit(params.adversary_steps)
    adversary_loss = opponent.adversary.loss(logits, batch.target, batch.protected)
    g = flat_gradient(loss, weights, keep_graph=True)
    h = flat_gradient(adversary_loss, weights, keep_graph=False)
    set_gradient(weights, debiased_gradient(g, h, params.adversary_weight * math.sqrt(t)))
    return torch.stack([loss.detach(), adversary_loss.detach()])


def _check_losses(history: torch.Tensor) -> None:
    broken = (~history.isfinite().all(1)).nonzero()
    if len(broken):
        raise UserError(
            f"methods.zhang: the loss is not finite at step {int(broken[0]) + 1}. Lower "
            "methods.zhang.learning_rate or methods.zhang.adversary_weight."
        )
