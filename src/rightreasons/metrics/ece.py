"""Expected calibration error."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._intensity import ratio


class EceParams(Params):
    """Parameters of ECE."""

    bins: int = Field(15, ge=1, description="Number of bins of equal width in [0, 1].")


@METRICS.register(
    "ece",
    title="Expected calibration error (ECE)",
    paper="Naeini et al. 2015; Guo et al. 2017, eq. 3",
    params=EceParams,
    kind="group",
    needs="scores",
    unit="probability",
    better="lower",
    bounds=(0, 1),
    formula=r"\sum_b \frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|",
)
def ece(
    target: np.ndarray, score: np.ndarray, weights: np.ndarray, params: EceParams
) -> np.ndarray:
    """Mean distance, over bins of confidence, between confidence and accuracy.

    The predicted class is the more probable one (1 at a tie), whatever the decision rule: ECE is
    about probabilities, and threshold methods leave it as it is. Confidence is that class's
    probability, so that only bins above 0.5 are ever used. Bins are (b / B, (b + 1) / B].
    """
    confidence = np.maximum(score, 1 - score)
    excess = ((score >= 0.5) == target) - confidence
    place = np.clip(np.ceil(confidence * params.bins).astype(np.int64) - 1, 0, params.bins - 1)
    order = np.argsort(place, kind="stable")
    first_of_bin = np.flatnonzero(np.diff(place[order], prepend=-1))
    gaps = np.add.reduceat(np.take(weights, order, axis=-1) * excess[order], first_of_bin, axis=-1)
    return ratio(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))
