"""Means by Student's t, and the signed-rank test beside it.

What cannot be computed is missing (NaN).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from rightreasons.statistics.bootstrap import Interval

Array = np.ndarray
Alternative = Literal["two-sided", "greater"]


def t_quantile(df: Array | float, level: float = 0.95) -> Array:
    """Return how many standard errors Student's interval reaches to each side.

    Parameters
    ----------
    df
        Degrees of freedom, of any shape; below 1 there is no interval.
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    Array
        Floats of the shape of `df`; missing where there is no interval.

    References
    ----------
    Student 1908, The probable error of a mean.
    """
    from scipy.special import stdtrit

    known = np.asarray(df, dtype=np.float64)
    return stdtrit(np.where(known > 0, known, np.nan), (1 + level) / 2)


def mean_interval(values: Array, *, level: float = 0.95) -> Interval:
    """Return a mean with its t-interval.

    Parameters
    ----------
    values : (N,)
        One per seed, say; missing ones are left out.
    level : in (0, 1)
        Of the interval.

    Returns
    -------
    Interval
        Without an interval for fewer than two values.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    return t_interval(mean, standard_error(known), len(known), level=level)


def t_interval(mean: float, error: float, n: int, *, level: float = 0.95) -> Interval:
    """Return a mean of n independent numbers with the t-interval of its standard error."""
    margin = error * float(t_quantile(n - 1, level))
    return Interval(mean, mean - margin, mean + margin, n)


def standard_error(values: Array) -> float:
    """Return the standard error of the mean of (N,): exactly 0 if constant, NaN for N < 2."""
    if len(values) < 2:
        return np.nan
    return float(values.std(ddof=1) / np.sqrt(len(values))) if np.ptp(values) else 0.0


def t_test(differences: Array, *, alternative: Alternative = "two-sided") -> tuple[float, float]:
    """Return t and p of the one-sample t-test of mean 0.

    Parameters
    ----------
    differences : (N,)
        Without missing ones.
    alternative
        `two-sided`, or `greater` than 0.

    Returns
    -------
    t, p : float
        NaN for N < 2. Without variance p = 1 where all are 0; else t is infinite and p is 0 or 1 by
        the sign.
    """
    if len(differences) < 2:
        return np.nan, np.nan
    mean, error = float(differences.mean()), standard_error(differences)
    return t_statistic(mean, error, len(differences) - 1, alternative)


def t_statistic(
    mean: float, error: float, df: int, alternative: Alternative
) -> tuple[float, float]:
    """Return t and p; infinite t where the error is 0 and the mean is not, NaN where it is NaN."""
    from scipy.special import stdtr

    if error == 0:
        t = 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
        one_sided = 0.0 if mean > 0 else 1.0
        return t, 1.0 if mean == 0 else (one_sided if alternative == "greater" else 0.0)
    t = mean / error
    return t, float(stdtr(df, -t) if alternative == "greater" else 2 * stdtr(df, -abs(t)))


def wilcoxon_test(
    differences: Array, *, alternative: Alternative = "two-sided"
) -> tuple[float, float]:
    """Return statistic and p of Wilcoxon's signed-rank test.

    Parameters
    ----------
    differences : (N,)
        Without missing ones; zeros are left out.
    alternative
        `two-sided`, or `greater` than 0.

    Returns
    -------
    statistic, p : float
        NaN for N < 2; 0 and 1 where all are zero.
    """
    from scipy.stats import wilcoxon

    if len(differences) < 2:
        return np.nan, np.nan
    if not differences.any():
        return 0.0, 1.0
    result = wilcoxon(differences, alternative=alternative)
    return float(result.statistic), float(result.pvalue)
