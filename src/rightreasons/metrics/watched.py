"""Reliance on a second attribute that a task watches, and fairness between its groups.

A method that mitigates one shortcut may make a model rely more on another (Whac-A-Mole).
"""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import HEADLINE, METRICS, Twins
from rightreasons.metrics._cell_intervals import of_larger_gap
from rightreasons.metrics.equalized_odds import equalized_odds
from rightreasons.metrics.twin_flip_rate import twin_flip_rate

PAPER = "Li et al. 2023, A Whac-A-Mole Dilemma"


@METRICS.register(
    "watched_flip_rate",
    title="Decisions flipped by the watched attribute alone",
    short="Watched flip rate",
    headline=HEADLINE,
    order=22,
    paper=PAPER,
    kind="reliance",
    needs="twins",
    attribute="watched",
    interval="share",
    better="lower",
    bounds=(0, 1),
    formula=r"P(\hat Y_{W \leftarrow 1} \neq \hat Y_{W \leftarrow 0})",
    aim="less of the other",
)
def watched_flip_rate(twins: Twins, params: Params) -> np.ndarray:
    """1 where image and twin in the watched attribute are decided differently, else 0 (N,).

    Only in tasks that watch an attribute. Of a lottery it is what `twin_flip_rate` is; the
    protected attribute, and with it the group's threshold, stays as it is.
    """
    return twin_flip_rate(twins, params)


@METRICS.register(
    "watched_equalized_odds",
    title="Equalized odds (difference) between groups of the watched attribute",
    short="Watched equalized odds",
    headline=HEADLINE,
    order=21,
    paper=PAPER,
    kind="group",
    needs="counts",
    attribute="watched",
    interval=of_larger_gap,
    better="lower",
    bounds=(0, 1),
    formula=r"\max_y |P(\hat Y = 1 \mid Y = y, W = 1) - P(\hat Y = 1 \mid Y = y, W = 0)|",
    aim="less of the other",
)
def watched_equalized_odds(counts: np.ndarray, params: Params) -> np.ndarray:
    """`equalized_odds` with the watched attribute's groups in place of the protected one's.

    Only in tasks that watch an attribute. In test images an injected watched attribute is
    independent of target and protected attribute, so no gap comes from the protected one.
    """
    return equalized_odds(counts, params)
