"""Agreement of two quantities over models that come in clusters: rank correlation and ROC area.

Models of a seed share images and perhaps weights. The bootstrap draws seeds, all models of one
together, within the designs that the study has chosen.
"""

from __future__ import annotations

import numpy as np

from rightreasons.statistics.bootstrap import Interval
from rightreasons.statistics.student import t_quantile

Array = np.ndarray


def cluster_weights(
    strata: Array, clusters: Array, *, rng: np.random.Generator, replicates: int
) -> Array:
    """Return how often each row counts when clusters are drawn with replacement within strata.

    Parameters
    ----------
    strata : (N,)
        What is not drawn, such as the dataset and design of a model.
    clusters : (N,)
        What is drawn, such as its seed. The same label in two strata is two clusters.
    rng
        Draws the replicates.
    replicates
        B.

    Returns
    -------
    ndarray
        float64 (B, N): whole numbers.
    """
    weights = np.empty((replicates, len(strata)))
    for stratum in np.unique(strata):
        rows = strata == stratum
        labels, which = np.unique(clusters[rows], return_inverse=True)
        k = len(labels)
        drawn = rng.multinomial(k, np.full(k, 1 / k), size=replicates)
        weights[:, rows] = drawn[:, which]
    return weights


def cluster_interval(
    value: float, samples: Array, strata: Array, clusters: Array, bounds: tuple[float, float]
) -> Interval:
    r"""Return a value with the interval of its replicates over clusters.

    Percentiles of few clusters lie too close together. The interval is Student's with the
    replicates' standard deviation: with n clusters in g strata it has n - g degrees of freedom, and
    the standard deviation is :math:`\sqrt{(n - g) / n}` too small. Where no replicate differs, the
    clusters agree exactly: then at least a share :math:`q = 0.05^{1/n}` of all clusters would say
    the same, and nothing is known of the rest.

    Parameters
    ----------
    value
        The estimate.
    samples : (B,)
        Its replicates; missing ones are left out.
    strata, clusters : (N,)
        As in `cluster_weights`.
    bounds
        The smallest and largest value possible.

    Returns
    -------
    Interval
        n is the number of clusters. No interval where a stratum has one cluster only.

    References
    ----------
    Hesterberg 2015, What teachers should know about the bootstrap: narrowness.
    """
    pairs = np.unique(np.stack([strata, clusters]), axis=1)
    counts = np.unique(pairs[0], return_counts=True)[1]
    n, free = int(counts.sum()), int((counts - 1).sum())
    known = samples[~np.isnan(samples)]
    if n == 0 or counts.min() < 2 or len(known) < 2 or np.isnan(value):
        return Interval(value, np.nan, np.nan, n)
    low, high = bounds
    if np.ptp(known) < 1e-12 * (high - low):
        return agreeing(value, n, bounds)
    margin = float(t_quantile(free)) * np.sqrt(n / free) * known.std()
    return Interval(value, float(max(value - margin, low)), float(min(value + margin, high)), n)


def agreeing(value: float, n: int, bounds: tuple[float, float]) -> Interval:
    """Return the interval of a mean of n numbers that agree exactly.

    At least a share :math:`q = 0.05^{1/n}` of all such numbers would be the same, and nothing is
    known of the rest.
    """
    share = 0.05 ** (1 / n)
    low, high = (share * value + (1 - share) * end for end in bounds)
    return Interval(value, low, high, n)


def jackknife_weights(clusters: Array) -> Array:
    """Return how often each row counts: once, then without each cluster in turn (1 + n, N)."""
    left_out = clusters[None] != np.unique(clusters)[:, None]
    return np.concatenate([np.ones((1, len(clusters))), left_out]).astype(np.float64)


def jackknife_error(samples: Array) -> float:
    """Return the standard error of a number from those without each of n clusters (n,).

    Missing for one cluster, and where any of the numbers is missing.

    References
    ----------
    Tukey 1958.
    """
    n = len(samples)
    return float(np.sqrt((n - 1) * samples.var())) if n > 1 else np.nan


def rank_correlations(x: Array, y: Array, weights: Array) -> Array:
    """Return Spearman's correlation where each row counts several times.

    Parameters
    ----------
    x, y : (N,)
        Without missing numbers.
    weights : (B, N)
        How often each row counts.

    Returns
    -------
    ndarray
        (B,), missing where x or y is constant.
    """
    total = weights.sum(axis=1, keepdims=True)
    a, b = (weight_below(v, v, weights) - total / 2 for v in (x, y))
    top = (weights * a * b).sum(axis=1)
    square = (weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1)
    sound = square > 1e-9 * np.maximum(total.ravel(), 1) ** 6
    return np.divide(top, np.sqrt(square), out=np.full(len(top), np.nan), where=sound)


def roc_areas(values: Array, positive: Array, weights: Array) -> Array:
    """Return the ROC area: P(a positive's value is larger) + half of P(both are the same).

    Parameters
    ----------
    values : (N,)
        Without missing numbers.
    positive : bool (N,)
        Which rows should have larger values than the others.
    weights : (B, N)
        How often each row counts.

    Returns
    -------
    ndarray
        (B,), in [0, 1]; missing where all rows are positive, or none.

    References
    ----------
    Hanley and McNeil 1982.
    """
    yes, no = weights * positive, weights * ~positive
    won = (yes * weight_below(values, values, no)).sum(axis=1)
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)


def weight_below(values: Array, among: Array, weights: Array) -> Array:
    """Return for each value the weight of those among which are smaller, and half of the equal.

    Parameters
    ----------
    values : (N,)
        What is placed.
    among : (M,)
        Among what.
    weights : (B, M)
        How much each of them counts.

    Returns
    -------
    ndarray
        float64 (B, N).
    """
    order = np.argsort(among, kind="stable")
    summed = np.zeros((len(weights), len(among) + 1))
    np.cumsum(weights[:, order], axis=1, out=summed[:, 1:])
    left, right = (np.searchsorted(among[order], values, side=s) for s in ("left", "right"))
    return (summed[:, left] + summed[:, right]) / 2
