"""Balanced, a baseline: vanilla trained on as many images with equal cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._input import PAPER, RETRAIN_SEARCH, RetrainParams, retrain
from rightreasons.splits import BALANCED

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.images import LabelledImages


@METHODS.register(
    "balanced",
    title="Balanced data",
    paper=f"{PAPER}, baseline",
    params=RetrainParams,
    uses_target=("train",),
    uses_protected=("train",),
    baseline=True,
    search=RETRAIN_SEARCH,
)
def balanced(context: Context, params: RetrainParams) -> Debiased:
    """Return vanilla trained anew, on the role balanced, or on the train split resampled."""
    data = context.role(BALANCED)
    if not len(data):
        data = resampled(context.train(), context.generator("balanced"))
    return retrain(context, data, params, "balanced")


def resampled(data: LabelledImages, generator: torch.Generator) -> LabelledImages:
    """Return as many images of `data`, with the four cells equal to within one image.

    A cell that is too small repeats its images, each as often as the others to within once; of
    one that is large enough no image comes twice. Raises UserError for an empty cell.
    """
    import torch

    from rightreasons.learning.images import LabelledImages, Rows

    chosen = []
    for number in range(4):
        target, protected = divmod(number, 2)
        cell = ((data.target == target) & (data.protected == protected)).nonzero().flatten()
        if not len(cell):
            raise UserError(
                f"methods.balanced: the train split has no image with target = {target} and "
                f"protected = {protected}, and the split has no role `balanced`. Choose another "
                "level, or let the design draw that role."
            )
        count = (len(data) + number) // 4
        times = -(-count // len(cell))
        shuffled = [cell[torch.randperm(len(cell), generator=generator)] for _ in range(times)]
        chosen.append(torch.cat(shuffled)[:count])
    picked = torch.cat(chosen)
    return LabelledImages(
        Rows(data.images, picked.numpy()),
        data.target[picked],
        data.protected[picked],
        [data.image_ids[i] for i in picked],
    )
