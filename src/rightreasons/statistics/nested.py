"""The mean of a number over tasks that come from datasets, both random.

What holds in one task need not hold in the next, and tasks of one dataset are more alike than those
of two. A mean over tasks has two intervals therefore: for other tasks of the same datasets, and
for other datasets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightreasons.statistics.bootstrap import Interval
from rightreasons.statistics.clusters import agreeing
from rightreasons.statistics.student import t_quantile

Array = np.ndarray


@dataclass(frozen=True)
class Nested:
    """A mean over datasets of means over their tasks, and what varies.

    Parameters
    ----------
    value
        The mean; every dataset counts as much as any other.
    tasks, datasets
        It with its interval for other tasks of these datasets, and for other datasets; n counts
        them.
    sd_datasets, sd_tasks
        Standard deviations between datasets, and between tasks of a dataset, without what seeds
        cause: 0 where they vary no more than that. Missing where there is one only.
    error
        The standard error that seeds cause in a task's number (root of the mean square).
    """

    value: float
    tasks: Interval
    datasets: Interval
    sd_datasets: float
    sd_tasks: float
    error: float


def nested_mean(
    values: Array, datasets: Array, errors: Array, bounds: tuple[float, float]
) -> Nested:
    r"""Return the mean over datasets of means over their tasks, with random-effects intervals.

    With D datasets of :math:`T_d` tasks, :math:`m_d` the mean of dataset d and :math:`s_w^2` the
    pooled variance of tasks within datasets, the variance of the mean is

    .. math:: v_t = \frac{s_w^2}{D^2} \sum_d \frac{1}{T_d}, \qquad
        v_d = \max\left(\frac{1}{D (D - 1)} \sum_d (m_d - \bar m)^2,\; v_t\right)

    for other tasks (Student's with :math:`\sum_d (T_d - 1)` degrees of freedom) and for other
    datasets (:math:`D - 1`). Seeds need no term of their own: what they cause is in the
    variance of the tasks. :math:`v_d` is Hartung and Knapp's with equal weights, and no smaller
    than what tasks alone would cause (Röver et al. 2015).

    Parameters
    ----------
    values : (N,)
        A number per task; missing ones are left out.
    datasets : (N,)
        The dataset of each.
    errors : (N,)
        Their standard errors over seeds, which only serve to tell what varies; some may be missing.
    bounds
        The smallest and largest value possible, where intervals end.

    Returns
    -------
    Nested
        Without an interval where there is one task in every dataset, or one dataset. Where all of
        them have exactly the same number the interval is `agreeing`'s.

    Notes
    -----
    Equal weights, as a study chooses how many tasks a dataset has, and as weights by inverse
    variances would rest on variances of two or three seeds.

    References
    ----------
    Hartung and Knapp 2001; Röver, Knapp and Friede 2015.
    """
    known = ~np.isnan(values)
    y, error = values[known], errors[known]
    labels, which, counts = np.unique(datasets[known], return_inverse=True, return_counts=True)
    if not len(y):
        nothing = Interval(np.nan, np.nan, np.nan, 0)
        return Nested(np.nan, nothing, nothing, np.nan, np.nan, np.nan)
    means = np.bincount(which, y) / counts
    value = float(means.mean())
    d, free = len(labels), len(y) - len(labels)
    within = float(((y - means[which]) ** 2).sum() / free) if free else np.nan
    of_tasks = within * float((1 / counts).sum()) / d**2
    between = float(means.var(ddof=1)) if d > 1 else np.nan
    of_datasets = max(between / d, np.nan_to_num(of_tasks))
    noise = float(np.mean(error[~np.isnan(error)] ** 2)) if (~np.isnan(error)).any() else np.nan
    return Nested(
        value,
        _interval(y, value, of_tasks, free, len(y), bounds),
        _interval(means, value, of_datasets, d - 1, d, bounds),
        _root(between - np.nan_to_num(within, nan=noise) * float(np.mean(1 / counts))),
        _root(within - noise),
        float(np.sqrt(noise)),
    )


def _interval(
    values: Array, value: float, variance: float, free: int, n: int, bounds: tuple[float, float]
) -> Interval:
    if free < 1:
        return Interval(value, np.nan, np.nan, n)
    low, high = bounds
    if np.ptp(values) < 1e-12 * (high - low):
        return agreeing(value, n, bounds)
    margin = float(t_quantile(free)) * np.sqrt(variance)
    return Interval(value, float(max(value - margin, low)), float(min(value + margin, high)), n)


def _root(variance: float) -> float:
    """Return a standard deviation, 0 for a negative estimate of a variance."""
    return float(np.sqrt(max(variance, 0.0))) if not np.isnan(variance) else np.nan
