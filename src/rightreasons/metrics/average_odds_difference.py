"""Average odds difference, signed and absolute."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS
from rightreasons.metrics._cell_intervals import of_mean_gap, of_shares
from rightreasons.metrics._groups import gap, group_rates


@METRICS.register(
    "average_odds_difference",
    title="Average odds difference (signed)",
    paper="AIF360 (Bellamy et al. 2018)",
    kind="group",
    needs="counts",
    interval=of_shares,
    better="none",
    bounds=(-1, 1),
    formula=r"\tfrac{1}{2} ((\mathrm{TPR}_1 - \mathrm{TPR}_0) + (\mathrm{FPR}_1 - "
    r"\mathrm{FPR}_0))",
)
def average_odds_difference(counts: np.ndarray, params: Params) -> np.ndarray:
    """Mean of the differences (group 1 minus group 0) in true and in false positive rate.

    Positive: group 1 is decided 1 more often, given the target. Differences of opposite sign
    cancel; `average_abs_odds_difference` does not let them.
    """
    difference = [np.diff(group_rates(counts, target=y), axis=-1)[..., 0] for y in (0, 1)]
    return (difference[0] + difference[1]) / 2


@METRICS.register(
    "average_abs_odds_difference",
    title="Average odds difference (absolute)",
    paper="AIF360 (Bellamy et al. 2018)",
    kind="group",
    needs="counts",
    many_groups=True,
    answers="fairness",
    interval=of_mean_gap,
    better="lower",
    bounds=(0, 1),
    formula=r"\tfrac{1}{2} (|\mathrm{TPR}_1 - \mathrm{TPR}_0| + |\mathrm{FPR}_1 - "
    r"\mathrm{FPR}_0|)",
)
def average_abs_odds_difference(counts: np.ndarray, params: Params) -> np.ndarray:
    """Mean of the protected groups' absolute gaps in true and in false positive rate."""
    return (gap(group_rates(counts, target=1)) + gap(group_rates(counts, target=0))) / 2
