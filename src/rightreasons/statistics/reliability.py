"""How far a measurement gives the same when it is made again."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def stepped_up(halves: float) -> float:
    r"""Return the reliability of a whole from the correlation of its two halves.

    Spearman and Brown's :math:`2 r / (1 + r)`; for a negative r :math:`2 r / (1 - r)`, which
    stays above -1.

    Parameters
    ----------
    halves : in [-1, 1]
        The correlation; missing ones stay so.

    References
    ----------
    Spearman 1910; Brown 1910.
    """
    return 2 * halves / (1 + abs(halves))


def intraclass(values: Array, cells: Array) -> float:
    r"""Return the intraclass correlation of repeated measurements: ICC(1) of a single one.

    The share of the variance that lies between cells and not within them, from the mean squares of
    a one-way analysis of variance,

    .. math:: \frac{B - W}{B + (n_0 - 1) W},\qquad
        n_0 = \frac{1}{k - 1}\left(N - \frac{\sum_i n_i^2}{N}\right)

    Parameters
    ----------
    values : (N,)
        Without missing ones.
    cells : (N,)
        What is measured, :math:`k` of them, the i-th :math:`n_i` times.

    Returns
    -------
    float
        At most 1; below 0 where cells are more alike than their own measurements. Missing for fewer
        than two cells, none of which was measured twice, and where all values are the same.

    References
    ----------
    Shrout and Fleiss 1979; McGraw and Wong 1996.
    """
    _, which, counts = np.unique(cells, return_inverse=True, return_counts=True)
    n, k = len(values), len(counts)
    if k < 2 or n == k:
        return np.nan
    means = np.bincount(which, values) / counts
    between = float((counts * (means - values.mean()) ** 2).sum() / (k - 1))
    within = float(((values - means[which]) ** 2).sum() / (n - k))
    size = (n - float((counts**2).sum()) / n) / (k - 1)
    whole = between + (size - 1) * within
    return (between - within) / whole if whole > 0 else np.nan
