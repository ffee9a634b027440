"""Effective complexity: how much of an image has relevance worth the name."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.probes import PROBES, Probing

Array = np.ndarray


class EffectiveParams(Params):
    """Parameters of effective complexity."""

    least: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Relevance above which a pixel counts, as a share of the map's largest.",
    )


@PROBES.register(
    "effective_complexity",
    title="Effective complexity",
    paper="Nguyen and Martinez 2020; by relevance alone: Hedström et al. 2023",
    params=EffectiveParams,
    family="complexity",
    better="lower",
    bounds=(0, 1),
    formula=r"\frac{1}{N} \left|\{i: |r_i| > \varepsilon \max_j |r_j|\}\right|",
    order=22,
)
def effective_complexity(given: Probing, params: EffectiveParams) -> Array:
    """Return the share of pixels with more than a share of the largest relevance."""
    peak = given.maps.max(axis=(1, 2), keepdims=True)
    share = (given.maps > params.least * peak).mean(axis=(1, 2))
    return np.where(peak[:, 0, 0] > 0, share, np.nan)
