"""F1 score."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._intensity import ratio


@METRICS.register(
    "f1",
    title="F1 score",
    paper="van Rijsbergen 1979",
    kind="group",
    needs="counts",
    many_groups=True,
    better="higher",
    bounds=(0, 1),
    formula=r"\frac{2\,\mathrm{TP}}{2\,\mathrm{TP} + \mathrm{FP} + \mathrm{FN}}",
)
def f1(counts: np.ndarray, params: Params) -> np.ndarray:
    """Harmonic mean of precision and recall of class 1.

    Missing where class 1 neither occurs nor is decided; 0 where it occurs and is never decided.
    """
    table = counts.sum(axis=-2)
    hits = 2 * table[..., 1, 1]
    return ratio(hits, hits + table[..., 0, 1] + table[..., 1, 0])
