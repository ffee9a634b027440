"""Sparseness: the Gini coefficient of a map."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics._intensity import ratio
from rightreasons.probes import PROBES, Probing

Array = np.ndarray


@PROBES.register(
    "sparseness",
    title="Sparseness (Gini)",
    paper="Chalasani et al. 2020",
    family="complexity",
    bounds=(0, 1),
    formula=r"\frac{\sum_k (2k - N - 1)\,|r|_{(k)}}{N \sum_k |r|_{(k)}}",
    order=20,
)
def sparseness(given: Probing, params: Params) -> Array:
    """Return the Gini coefficient of |r|: 0 if all pixels are alike, 1 - 1/N if one has all."""
    ordered = np.sort(given.maps.reshape(len(given.maps), -1), axis=1)
    n = ordered.shape[1]
    weights = 2 * np.arange(1, n + 1) - n - 1
    return ratio((ordered * weights).sum(axis=1), n * ordered.sum(axis=1))
