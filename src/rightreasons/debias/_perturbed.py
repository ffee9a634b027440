"""What the methods share that try networks at random: how one is judged, and which is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from rightreasons.debias._decision import DecisionParams
from rightreasons.debias._thresholds import (
    check_cells,
    choose_threshold,
    equalized_odds_gap,
    rates,
)
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


@dataclass(frozen=True)
class Tried:
    """A network that was tried, on the debias split.

    Attributes
    ----------
    threshold
        Class 1 is decided from this probability on.
    equalized_odds
        max over y of |P(1 | y, PA=1) - P(1 | y, PA=0)|.
    cell_accuracy
        Mean of the accuracies in the four cells.
    """

    threshold: float
    equalized_odds: float
    cell_accuracy: float

    def notes(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return asdict(self)


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

    def __call__(self, model: Classifier) -> Tried:
        """Return what a network does; one pass over the debias split, in eval mode."""
        from rightreasons.learning.training import predict_logits

        score = probability(predict_logits(model, self.images, self.context.device))
        threshold = self._threshold(score)
        table = rates(score, self.target, self.protected, np.array([threshold]))
        accuracy = (table[1].mean() + 1 - table[0].mean()) / 2
        gap = round(float(equalized_odds_gap(table)[0]), 12)
        return Tried(threshold, gap, round(float(accuracy), 12))

    def _threshold(self, score: np.ndarray) -> float:
        if self.params.threshold == "half":
            return 0.5
        tolerance = self.params.tolerance
        return choose_threshold(score, self.target, self.protected, tolerance, self.what).threshold


def fairest(tried: Sequence[Tried], tolerance: float) -> int:
    """Return which network is taken: of the accurate ones that of least equalized odds.

    Accurate is one whose cell accuracy is at most `tolerance` below the best. Ties go to the higher
    cell accuracy, then to the earlier network.
    """
    floor = max(one.cell_accuracy for one in tried) - tolerance - 1e-12
    allowed = [i for i, one in enumerate(tried) if one.cell_accuracy >= floor]
    return min(allowed, key=lambda i: (tried[i].equalized_odds, -tried[i].cell_accuracy))
