"""How the probability moves with the protected attribute alone."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, Twins


@METRICS.register(
    "twin_score_change",
    title="Absolute change of probability by the twin",
    paper="Counterfactual token fairness: Garg et al. 2019",
    kind="reliance",
    needs="twins",
    unit="probability",
    better="lower",
    bounds=(0, 1),
    formula=r"|s_{A \leftarrow 1} - s_{A \leftarrow 0}|",
)
def twin_score_change(twins: Twins, params: Params) -> np.ndarray:
    """|P(target = 1) of the twin - of the image| (N,). Missing without a twin."""
    return np.abs(twin_effect(twins, params))


@METRICS.register(
    "twin_effect",
    title="Change of probability when the protected attribute is switched on",
    paper="Own",
    kind="reliance",
    needs="twins",
    unit="probability",
    better="none",
    bounds=(-1, 1),
    formula=r"s_{A \leftarrow 1} - s_{A \leftarrow 0}",
)
def twin_effect(twins: Twins, params: Params) -> np.ndarray:
    """P(target = 1) with the attribute minus without it (N,). Missing without a twin.

    Positive: the attribute speaks for the target. The mean is the average causal effect of the
    attribute on the score.
    """
    change = twins.twin_score - twins.score
    return np.where(twins.protected == 1, -change, change).astype(np.float64)
