"""How the scores of a changed network become decisions: one policy for all methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.debias._thresholds import choose_threshold, probability
from rightreasons.learning.decisions import Decision

if TYPE_CHECKING:
    from rightreasons.debias import Context
    from rightreasons.models.classifier import Classifier


class DecisionParams(Params):
    """How the changed network's scores become decisions."""

    threshold: Literal["half", "equalized_odds"] = Field(
        "half", description="threshold 0.5, or thropt's choice on the debias split"
    )
    tolerance: float = Field(
        0.02, ge=0, le=0.5, description="balanced accuracy that a chosen threshold may lose"
    )


def pick_decision(
    context: Context, model: Classifier, params: DecisionParams, name: str
) -> tuple[Decision, dict[str, Any]]:
    """Return the decision for `model`: threshold 0.5, or one chosen on the debias split.

    The scores are taken in eval mode, so that looking at them changes nothing.

    Returns
    -------
    tuple
        The decision, and notes on how it was chosen, which JSON can hold.

    Raises
    ------
    UserError
        Where a threshold is to be chosen and a cell of target and protected is empty.
    """
    if params.threshold == "half":
        return Decision(), {}
    from rightreasons.learning.training import predict_logits

    data = context.debias()
    score = probability(predict_logits(model, data.images, context.device))
    chosen = choose_threshold(
        score, data.target.numpy(), data.protected.numpy(), params.tolerance, name
    )
    return Decision(chosen.threshold), {"threshold": chosen.notes()}
