"""Localisation AUC."""

from __future__ import annotations

import numpy as np

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._located import SignParams


@METRICS.register(
    "localisation_auc",
    title="Localisation AUC",
    short="Localisation AUC",
    paper="Area under the ROC curve (Hanley and McNeil 1982) of a map against a mask",
    params=SignParams,
    needs="located",
    better="lower",
    bounds=(0, 1),
    claims=1,
    formula=r"P(|r_i| > |r_j|) + \tfrac{1}{2} P(|r_i| = |r_j|),\quad i \in R, j \in M \setminus R",
)
def localisation_auc(located: LocatedMaps, params: SignParams) -> np.ndarray:
    """Probability that a pixel of the ROI is higher than one outside, ties one half (N,).

    Missing for an all-zero map, no ROI and a ROI that is the whole image.
    """
    strength = located.strength(params.sign)
    known = located.measurable(params.sign) & (located.roi_pixels < strength[0].size)
    values = np.full(len(strength), np.nan)
    for i in np.flatnonzero(known):
        values[i] = _auc(strength[i][located.masks[i]], strength[i][~located.masks[i]])
    return values


def _auc(inside: np.ndarray, outside: np.ndarray) -> float:
    inside, outside = np.sort(inside), np.sort(outside)
    below, not_above = (np.searchsorted(outside, inside, side) for side in ("left", "right"))
    return (below.sum() + not_above.sum()) / (2 * len(inside) * len(outside))
