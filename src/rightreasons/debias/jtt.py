"""JTT: training twice, the second time with more of the images that the first network got wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Choice, Passes
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, train_fresh, trained_fresh

if TYPE_CHECKING:
    import torch


class JTTParams(FreshParams):
    """Both budgets, and how much more the errors count."""

    first_epochs: int = Field(
        1, ge=1, description="passes of the first network, whose errors are taken"
    )
    strength: int = Field(
        20, ge=0, description="copies of each error that are added; 0: plain training"
    )


@METHODS.register(
    "jtt",
    title="JTT",
    paper="Liu et al. 2021",
    params=JTTParams,
    presets={
        "published": {
            "first_epochs": 1,
            "strength": 50,
            "epochs": 50,
            "learning_rate": 1e-5,
            "weight_decay": 0.1,
        }
    },
    search={
        **BUDGET,
        "epochs": Passes("epochs", "train", high=0.6),
        "first_epochs": Passes("epochs", "train", low=0.02, high=0.3),
        "strength": Choice((0, 2, 5, 10, 20, 50, 100, 200)),
    },
    knob="strength",
    style=("#E69F00", "^", LINE),
)
def jtt(context: Context, params: JTTParams) -> Debiased:
    """Return vanilla trained anew on images of which the first network's errors come more often."""
    import torch

    from rightreasons.debias._cells import Shuffled

    if not params.strength:
        return trained_fresh(context, params, "jtt")
    wrong = first_errors(context, params)
    pool = torch.arange(len(wrong)).repeat_interleave(1 + params.strength * wrong.long())
    debiased = trained_fresh(context, params, "jtt", sampler=Shuffled(pool, len(wrong)))
    debiased.notes["errors"] = int(wrong.sum())
    return debiased


def first_errors(context: Context, params: JTTParams) -> torch.Tensor:
    """Return which train images the first network gets wrong, boolean (N,), on the CPU.

    It is trained as `erm` with the same learning rate and weight decay for `first_epochs`, and
    decides for the larger logit, in eval mode.

    References
    ----------
    Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang and Finn 2021, "Just Train Twice".
    """
    import torch

    from rightreasons.learning.training import predict_logits

    model = context.fresh()
    first = params.model_copy(update={"epochs": params.first_epochs})
    train_fresh(context, model, first, "jtt")
    data = context.train()
    logits = torch.from_numpy(predict_logits(model, data.images, context.device))
    return logits.argmax(1) != data.target
