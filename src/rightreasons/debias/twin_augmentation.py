"""Twin augmentation: train on each image and its twin, the oracle where there are twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, check_finite, fine_tune, run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class TwinAugmentationParams(TuningParams):
    """The budget, where training starts, and how alike twins must be."""

    start: Literal["vanilla", "fresh"] = Field(
        "vanilla",
        description="what is trained: vanilla, on the debias split; or the network before any "
        "training, on the train split with the budget of vanilla",
    )
    consistency: float = Field(
        1.0, ge=0, description="weight of the squared difference between the margins of twins"
    )


@METHODS.register(
    "twin_augmentation",
    title="Twin augmentation",
    paper="oracle: Kaushik, Hovy, Lipton 2020 by images",
    params=TwinAugmentationParams,
    needs=("twins",),
    small={"steps": 6},
    search={
        "consistency": Real(0.01, 100, log=True, zero=0.125),
        "learning_rate": Real(1e-5, 3e-3, log=True),
        "batch_size": Choice((32, 64, 128)),
        "steps": Passes("steps", each=2),
    },
    knob="consistency",
    style=("#332288", "*", "-"),
)
def twin_augmentation(context: Context, params: TwinAugmentationParams) -> Debiased:
    """Return a network trained on images and their twins with cross-entropy + consistency."""
    if params.start == "vanilla":
        model = context.vanilla()
        loss = _paired(context, "debias", params.consistency)
        history = fine_tune(context, model, params, "twin_augmentation", loss)
    else:
        model = context.fresh()
        history = _from_the_start(context, model, _paired(context, "train", params.consistency))
    decision, chosen = pick_decision(context, model, params, "twin_augmentation")
    return Debiased(model, decision, {**run_notes(history), **chosen})


def _paired(context: Context, role: str, consistency: float) -> Loss:
    """Return cross-entropy of images and twins + consistency (margin - twin's margin)^2."""
    import torch
    import torch.nn.functional as F

    from rightreasons.learning.images import normalise, resident_images, take

    twins = resident_images(context.twins(role).images, context.device)

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        switched = normalise(take(twins, batch.indices.cpu(), context.device), context.device)
        inputs = torch.cat([batch.inputs, batch.turned(switched)])
        logits = model(inputs.contiguous(memory_format=torch.channels_last)).float()
        error = F.cross_entropy(
            logits, batch.target.repeat(2), label_smoothing=context.training.label_smoothing
        )
        margin, other = (logits[:, 1] - logits[:, 0]).chunk(2)
        return error + consistency * (margin - other).square().mean()

    return loss


def _from_the_start(context: Context, model: Classifier, loss: Loss) -> list[dict[str, float]]:
    """Train the untrained network as vanilla was trained, with another loss."""
    from rightreasons.learning.training import train

    history = train(
        model,
        context.train(),
        context.training,
        generator=context.vanilla_generator(),
        device=context.device,
        progress=context.progress,
        loss=loss,
        description="methods.twin_augmentation",
    )
    check_finite(context, model, "twin_augmentation")
    return history
