"""Effects over seeds: what another training run and other test images would change.

A study's seeds are its unit: each has a split and training runs of its own. Test images lie below
them and are, as a rule, the same for all seeds. An effect's variance has two parts then: what
differs from seed to seed, and what all seeds share because they are judged on the same images,
which no number of seeds takes away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightreasons.statistics.student import t_quantile, t_statistic

Array = np.ndarray


@dataclass(frozen=True)
class SeedEffect:
    """The mean of a difference over seeds, as a claim about new seeds and new test images.

    Parameters
    ----------
    value
        The mean over seeds.
    low, high
        Its 95 % interval, NaN for one seed.
    statistic, df, p_value
        Student's t, its degrees of freedom, the two-sided p of no difference; NaN for one seed.
    seeds
        How many it rests on.
    """

    value: float
    low: float
    high: float
    statistic: float
    df: float
    p_value: float
    seeds: int


def seed_effect(differences: Array, shared: float = 0.0, *, level: float = 0.95) -> SeedEffect:
    r"""Return the mean of differences over seeds with interval and test.

    Seeds and images are crossed random effects: the variance of the mean is
    :math:`s^2 / S + c`, where :math:`s^2` is the variance over S seeds and c the covariance that
    two seeds share through their test images. Student's t has S - 1 degrees of freedom, as if all
    of the variance were known from the seeds alone. Satterthwaite's would be more where c is large,
    but a variance that few seeds show to be small by luck must not be believed: simulated, they
    find a difference that is not there up to twice too often (`benchmarks/null_studies.py`).

    Parameters
    ----------
    differences : (S,)
        One per seed; missing ones are left out.
    shared
        c; a negative estimate counts as 0.
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    SeedEffect
        Without interval and test for fewer than two seeds. Without any variance p is 1 where the
        mean is 0, and missing where it is not: nothing says then how far it can be trusted.

    References
    ----------
    Cornfield and Tukey 1956, average values of mean squares in factorials.
    """
    known = differences[~np.isnan(differences)]
    seeds = len(known)
    if seeds == 0:
        return SeedEffect(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if seeds == 1:
        return SeedEffect(mean, np.nan, np.nan, np.nan, np.nan, np.nan, 1)
    own = float(known.var(ddof=1)) / seeds if np.ptp(known) else 0.0
    total = own + max(shared, 0.0)
    if total == 0:
        p = 1.0 if mean == 0 else np.nan
        return SeedEffect(mean, mean, mean, 0.0 if mean == 0 else np.nan, seeds - 1, p, seeds)
    error = float(np.sqrt(total))
    t, p = t_statistic(mean, error, seeds - 1, "two-sided")
    margin = error * float(t_quantile(seeds - 1, level))
    return SeedEffect(mean, mean - margin, mean + margin, t, seeds - 1, p, seeds)


def shared_by_images(values: Array) -> float:
    """Return the covariance that two seeds' means share through their test images.

    Parameters
    ----------
    values : (S, N)
        A number per seed and image, NaN where a seed lacks the image.

    Returns
    -------
    float
        The mean over pairs of seeds of the covariance of their means when images are drawn anew;
        0 where no two seeds have an image in common, or there is one seed.
    """
    known = ~np.isnan(values)
    n = known.sum(axis=1)
    if (n > 0).sum() < 2:
        return 0.0
    values, known, n = values[n > 0], known[n > 0], n[n > 0]
    means = np.where(known, values, 0).sum(axis=1) / n
    centred = np.where(known, values - means[:, None], 0) / n[:, None]
    both = known.astype(np.float64) @ known.T
    correction = both / np.maximum(both - 1, 1)
    return _mean_of_pairs(centred @ centred.T * correction)


def shared_by_replicates(samples: Array) -> float:
    """Return the same for any number of predictions, from bootstrap samples of shared images.

    Parameters
    ----------
    samples : (S, B)
        Each seed's replicates, from the same draws of images; NaN where a replicate has no number.

    Returns
    -------
    float
        The mean over pairs of seeds of the covariance of their replicates; 0 for one seed.
    """
    whole = samples[:, ~np.isnan(samples).any(axis=0)]
    if whole.shape[0] < 2 or whole.shape[1] < 2:
        return 0.0
    return _mean_of_pairs(np.cov(whole))


def _mean_of_pairs(covariances: Array) -> float:
    """Return the mean of the off-diagonal entries of (S, S)."""
    seeds = len(covariances)
    return float((covariances.sum() - np.trace(covariances)) / (seeds * (seeds - 1)))
