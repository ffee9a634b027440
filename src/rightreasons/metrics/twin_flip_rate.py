"""Share of decisions that flip with the protected attribute alone."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS, Twins


@METRICS.register(
    "twin_flip_rate",
    title="Decisions flipped by the twin",
    short="Twin flip rate",
    headline=HEADLINE,
    order=2,
    paper="Counterfactual fairness: Kusner et al. 2017; Garg et al. 2019",
    kind="reliance",
    needs="twins",
    answers="reliance",
    interval="share",
    better="lower",
    bounds=(0, 1),
    formula=r"P(\hat Y_{A \leftarrow 1} \neq \hat Y_{A \leftarrow 0})",
    aim="fairer",
)
def twin_flip_rate(twins: Twins, params: Params) -> np.ndarray:
    """1 where image and twin are decided differently, else 0 (N,). Missing without a twin.

    Of a lottery the probability that they are: image and twin have the same draw, so it is the
    difference of their chances.
    """
    return np.abs(np.subtract(twins.twin_chance, twins.chance, dtype=np.float64))
