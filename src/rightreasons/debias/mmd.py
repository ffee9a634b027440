"""MMD: training with a penalty on how the groups' outputs or features differ in distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, trained_fresh

if TYPE_CHECKING:
    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class MMDParams(FreshParams):
    """The budget and the penalty."""

    strength: float = Field(1.0, ge=0, description="weight lambda of the penalty")
    criterion: Literal["equalized_odds", "demographic_parity"] = Field(
        "equalized_odds",
        description="whether the groups are compared within each target class or over all images",
    )
    compared: Literal["logits", "features"] = Field(
        "logits", description="what is compared: logit_1 - logit_0, or penultimate features"
    )
    kernel: Literal["rbf", "linear"] = Field(
        "rbf", description="rbf sees whole distributions, linear their means only"
    )


@METHODS.register(
    "mmd",
    title="MMD penalty",
    paper="Prost et al. 2019; Gretton et al. 2012",
    params=MMDParams,
    uses_protected=("train",),
    search={
        **BUDGET,
        "strength": Real(0.01, 100.0, log=True, zero=0.125),
        "compared": Choice(("logits", "features")),
        "kernel": Choice(("rbf", "linear")),
    },
    knob="strength",
    style=("#332288", "*", LINE),
)
def mmd(context: Context, params: MMDParams) -> Debiased:
    """Return vanilla trained anew with cross-entropy + lambda MMD^2 between the groups."""
    loss = penalised(context, params) if params.strength else None
    return trained_fresh(context, params, "mmd", loss=loss)


def penalised(context: Context, params: MMDParams) -> Loss:
    """Return cross-entropy + lambda sum of MMD^2, over the target classes or of all images."""
    import torch
    import torch.nn.functional as F

    from rightreasons.debias._discrepancy import discrepancy

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        features = model.features(batch.inputs)
        logits = model.classify(features).float()
        compared = features.float() if params.compared == "features" else margin(logits)
        error = F.cross_entropy(
            logits, batch.target, label_smoothing=context.training.label_smoothing
        )
        everyone = torch.ones_like(batch.target, dtype=torch.bool)
        parts = (
            [everyone]
            if params.criterion == "demographic_parity"
            else [batch.target == t for t in (0, 1)]
        )
        gaps = [discrepancy(compared[part], batch.protected[part], params.kernel) for part in parts]
        return error + params.strength * torch.stack(gaps).sum()

    def margin(logits: torch.Tensor) -> torch.Tensor:
        return logits[:, 1:] - logits[:, :1]

    return loss
