"""Entropy: how far a map's relevance is spread."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.probes import PROBES, Probing

Array = np.ndarray


@PROBES.register(
    "entropy",
    title="Complexity (entropy)",
    paper="Bhatt et al. 2020",
    family="complexity",
    better="lower",
    bounds=(0, float("inf")),
    formula=r"-\sum_i p_i \ln p_i, \quad p_i = \frac{|r_i|}{\sum_j |r_j|}",
    order=21,
)
def entropy(given: Probing, params: Params) -> Array:
    """Return the entropy of |r| as shares, in nats: from 0 (one pixel has all) to ln N."""
    flat = given.maps.reshape(len(given.maps), -1)
    total = flat.sum(axis=1, keepdims=True)
    share = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.where(total[:, 0] > 0, -(share * logs).sum(axis=1), np.nan)
