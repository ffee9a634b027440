"""Fine-tune on equal cells: the published baseline SUBG, which throws images away."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Params
from rightreasons.debias import METHODS, Context, Debiased


class SubgParams(Params):
    """The budget; all else is as in the study's `training`."""

    epochs: int = Field(2, ge=1, description="passes over the images that are left")
    batch_size: int = Field(128, ge=2, description="images per step")
    learning_rate: float = Field(1e-4, gt=0, description="learning rate")


@METHODS.register(
    "subg",
    title="Equal cells",
    paper="Idrissi et al. 2022",
    params=SubgParams,
    uses_protected=("fit",),
)
def subg(context: Context, params: SubgParams) -> Debiased:
    """Return vanilla fine-tuned on the debias split with its cells cut to the smallest."""
    import torch

    from rightreasons.learning.images import LabelledImages, Rows
    from rightreasons.learning.training import train

    data, generator = context.debias(), context.generator("subg")
    cells = [(2 * data.target + data.protected == cell).nonzero()[:, 0] for cell in range(4)]
    smallest = min(map(len, cells))
    if smallest == 0:
        raise UserError("methods.subg: a cell of the debias split is empty. Choose another level.")
    picked = torch.cat(
        [cell[torch.randperm(len(cell), generator=generator)[:smallest]] for cell in cells]
    )
    equal = LabelledImages(
        Rows(data.images, picked.numpy()),
        data.target[picked],
        data.protected[picked],
        [data.image_ids[i] for i in picked],
    )
    model = context.vanilla()
    history = train(
        model,
        equal,
        context.training.model_copy(update=params.model_dump()),
        generator=generator,
        device=context.device,
        progress=context.progress,
        description="methods.subg",
    )
    return Debiased(model, notes={"epochs": history, "images": len(equal)})
