"""Equalized odds."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS
from rightreasons.metrics._groups import gap, group_rates


@METRICS.register(
    "equalized_odds",
    title="Equalized odds (difference)",
    short="Equalized odds",
    headline=HEADLINE,
    aim="fairer",
    order=1,
    plays=("rank", "outcome"),
    paper="Hardt et al. 2016; Investigating the Relationship Between Debiasing and Artifact "
    "Removal, eq. 5",
    kind="group",
    needs="counts",
    answers="fairness",
    better="lower",
    bounds=(0, 1),
    formula=r"\max(|\mathrm{TPR}_1 - \mathrm{TPR}_0|, |\mathrm{FPR}_1 - \mathrm{FPR}_0|)",
)
def equalized_odds(counts: np.ndarray, params: Params) -> np.ndarray:
    """Larger of the protected groups' gaps in true and in false positive rate.

    0 for a constant predictor: read it beside `constant_prediction`. Missing where one of the
    four target x protected cells is empty.
    """
    return np.maximum(gap(group_rates(counts, target=1)), gap(group_rates(counts, target=0)))
