"""How far a value lies beyond what null models give, whose seeds are few.

Models of one seed share images and perhaps weights: another model of a new seed is less like them
than they are like each other. What counts is how many seeds there are.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def conformal_p(values: Array, null: Array) -> Array:
    r"""Return the conformal p of values: how extreme they are among those of null models.

    .. math:: p = \frac{1 + \#\{j : v_j \geq v\}}{n + 1}

    It assumes nothing of the values' distribution, and holds the rate where the null models are
    exchangeable with the one that is judged. Models of a seed are more alike than that, so the
    null models have to come from many seeds (`seeds_for`).

    Parameters
    ----------
    values : (N,)
        What is judged; large values are extreme. Missing ones have no p.
    null : (n,)
        Values of null models.

    Returns
    -------
    ndarray
        (N,), from 1 / (n + 1) to 1.

    References
    ----------
    Vovk, Gammerman and Shafer 2005.
    """
    below = np.searchsorted(np.sort(null), values, side="left")
    p = (1 + len(null) - below) / (len(null) + 1)
    return np.where(np.isnan(values), np.nan, p)


def student_p(values: Array, errors: Array, null: Array, seeds: Array) -> Array:
    r"""Return Student's p of values: how far they lie above a new null model of a new seed.

    Null values are a seed's part plus a model's own, both normal. With the mean m of the K seeds'
    means, their variance :math:`s^2`, the variance :math:`w^2` within seeds and the harmonic mean
    :math:`\tilde n` of the models per seed, a new null model differs from m with the variance
    :math:`s^2 (1 + 1/K) + w^2 (1 - 1/\tilde n)`. Degrees of freedom are Satterthwaite's, but no
    more than 2 (K - 1).

    Parameters
    ----------
    values : (N,)
        What is judged; large values are extreme.
    errors : (N,)
        Their standard errors over images. They stand in where the null values do not vary at all,
        as shares that are all 0 do.
    null : (M,)
        Values of null models.
    seeds : (M,)
        The seed of each null model.

    Returns
    -------
    ndarray
        (N,), one-sided; missing for fewer than two seeds. Where nothing varies, a value that equals
        m has 1.

    References
    ----------
    Student's prediction interval with random effects; Satterthwaite 1946.
    """
    from scipy.special import stdtr

    labels, which, counts = np.unique(seeds, return_inverse=True, return_counts=True)
    k = len(labels)
    if k < 2:
        return np.full(len(values), np.nan)
    means = np.bincount(which, null) / counts
    between = means.var(ddof=1) * (1 + 1 / k)
    rest = len(null) - k
    within = float(((null - means[which]) ** 2).sum()) / rest if rest else 0.0
    within *= 1 - float(np.mean(1 / counts))
    total = between + within
    parts = between**2 / (k - 1) + (within**2 / rest if rest else 0.0)
    df = min(total**2 / parts, 2.0 * (k - 1)) if parts > 0 else k - 1
    beyond = values - means.mean()
    scale = np.full(len(values), np.sqrt(total)) if np.ptp(null) else errors
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(beyond == 0, 0.0, beyond / scale)
    p = stdtr(df, -t)
    return np.where((scale == 0) & (beyond == 0), 1.0, p)


def seeds_for(rate: float) -> int:
    """Return the fewest seeds, one null model each, whose conformal p reaches a rate in (0, 1)."""
    return math.ceil(1 / rate - 1e-9) - 1
