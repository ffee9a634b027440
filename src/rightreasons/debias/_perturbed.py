"""What the methods share that try networks at random: how one is judged, and which is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.debias._decision import DecisionParams
from rightreasons.debias._thresholds import Choice, check_cells, choose_threshold, judge
from rightreasons.learning.decisions import probability

if TYPE_CHECKING:
    from rightreasons.debias import Context
    from rightreasons.models.classifier import Classifier


#: Why the contract of thresholds is not for these methods: a test of their own is.
OWN_THRESHOLDS = "networks are judged at their thresholds: another rule may take another network"


class PerturbedParams(DecisionParams):
    """How a network that was tried is judged."""

    tolerance: float = Field(
        0.02, ge=0, le=0.5, description="accuracy that the network or its threshold may lose"
    )


class Judge:
    """Says what networks do on the debias split.

    Parameters
    ----------
    context
        What the method is given; its debias split needs images in all four cells.
    params
        Whether a network is decided at 0.5 or at a threshold of its own.
    name
        The method's name in the study.

    Raises
    ------
    UserError
        Where a cell is empty.
    """

    def __init__(self, context: Context, params: PerturbedParams, name: str) -> None:
        data = context.debias()
        self.context, self.params, self.what = context, params, f"methods.{name}"
        self.images = data.images
        self.target, self.protected = data.target.numpy(), data.protected.numpy()
        check_cells(self.target, self.protected, self.what)

    def __call__(self, model: Classifier) -> Choice:
        """Return what a network does; one pass over the debias split, in eval mode."""
        from rightreasons.learning.training import predict_logits

        score = probability(predict_logits(model, self.images, self.context.device))
        if self.params.threshold == "half":
            return judge(score, self.target, self.protected)
        tolerance = self.params.tolerance
        return choose_threshold(score, self.target, self.protected, tolerance, self.what)


def fairest(tried: Sequence[Choice], tolerance: float) -> int:
    """Return which network is taken: of the accurate ones that of least equalized odds.

    Accurate is one whose cell accuracy is at most `tolerance` below the best. Ties go to the higher
    cell accuracy, then to the earlier network.
    """
    # Rounded, so that equal fractions reached by different sums are ties.
    gaps = [round(one.equalized_odds, 12) for one in tried]
    accuracies = [round(one.cell_accuracy, 12) for one in tried]
    floor = max(accuracies) - tolerance - 1e-12
    allowed = [i for i, accuracy in enumerate(accuracies) if accuracy >= floor]
    return min(allowed, key=lambda i: (gaps[i], -accuracies[i]))
