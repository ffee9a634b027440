"""How many cells of target and protected attribute nothing can be said of."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Params
from rightreasons.metrics import METRICS


@METRICS.register(
    "empty_cells",
    title="Cells without images",
    paper="Own",
    kind="group",
    needs="counts",
    many_groups=True,
    unit="cells",
    better="none",
    bounds=(0, np.inf),
    formula=r"\sum_{y, a} \mathbf{1}[n_{ya} = 0]",
)
def empty_cells(counts: np.ndarray, params: Params) -> np.ndarray:
    """Count the target x protected cells without a test image; missing without any image.

    Of more than two groups the differences and the worst group are those of the other cells. Groups
    whose numbers are beyond the last that has a test image are not counted: the table `groups` has
    them all.
    """
    totals = counts.sum(axis=-1)
    empty = (totals == 0).sum(axis=(-2, -1)).astype(np.float64)
    return np.where(totals.sum(axis=(-2, -1)) > 0, empty, np.nan)
