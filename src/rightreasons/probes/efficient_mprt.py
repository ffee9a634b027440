"""Efficient MPRT: how much more complex maps get when the whole network is random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics._intensity import ratio
from rightreasons.probes import PROBES, Probing

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


class EfficientMprtParams(Params):
    """Parameters of efficient MPRT."""

    bins: int = Field(100, ge=2, description="Bins of a map's histogram, between its extremes.")


@PROBES.register(
    "efficient_mprt",
    title="Efficient MPRT",
    paper="Hedström et al. 2024",
    params=EfficientMprtParams,
    family="randomisation",
    sign="signed",
    needs=("maps", "fresh"),
    formula=r"\frac{H(R_{\mathrm{random}}) - H(R)}{H(R)}",
    order=31,
)
def efficient_mprt(given: Probing, params: EfficientMprtParams) -> Array:
    """Return the relative rise of the entropy of a map's histogram.

    Above 0 where a random network's map is more complex than the trained one's. NaN for a map
    whose values are all in one bin.
    """
    before = _complexity(given.explain(), params.bins)
    after = _complexity(given.explain(model=given.fresh()), params.bins)
    return ratio(after - before, before)


def _complexity(maps: Array, bins: int) -> Array:
    """Return the entropy (n,) of each map's histogram, in bits."""
    values = []
    for one in maps:
        count, _ = np.histogram(one, bins)
        share = count[count > 0] / count.sum()
        values.append(-(share * np.log2(share)).sum())
    return np.abs(np.array(values))  # not -0
