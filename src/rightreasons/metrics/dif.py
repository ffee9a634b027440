"""Decreased intensity fraction."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS, RegionView
from rightreasons.metrics._intensity import ratio


class DifParams(Params):
    """Parameters of DIF."""

    eps: float = Field(
        1e-3, ge=0, description="A pixel counts where vanilla's intensity is larger by more."
    )


@METRICS.register(
    "dif",
    title="Decreased intensity fraction (DIF)",
    short="DIF",
    headline=("figures", "leaderboard"),
    order=10,
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, eq. 3",
    params=DifParams,
    kind="pair",
    needs="pair",
    better="higher",
    bounds=(0, 1),
    claims=-1,
    formula=r"\frac{1}{|R|} \sum_{R} \mathbf{1}[p_V - p_D > \varepsilon]",
)
def dif(vanilla: RegionView, view: RegionView, params: DifParams) -> np.ndarray:
    """Share of the ROI's pixels with p_V - p_D > eps (N,). Missing without a ROI."""
    decreased = np.count_nonzero(vanilla.inside - view.inside > params.eps, axis=(1, 2))
    return ratio(decreased, view.inside_count)
