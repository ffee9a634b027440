"""Power: how many seeds find a difference, and the smallest difference that some seeds find.

The test is that of `statistics/seeds.py`. Differences are those of one method against another, and
Holm's correction is counted at its first step, alpha / family: the share found where one difference
of the family is real. Where more are, more is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightreasons.statistics.paired import Resampled
from rightreasons.statistics.seeds import shared_by_replicates
from rightreasons.statistics.student import t_quantile

Array = np.ndarray
#: Seeds are counted up to this number.
MOST_SEEDS = 200
#: Quantiles of the variance that seeds happen to show, over which the power is a mean.
_SHARES = (np.arange(2000) + 0.5) / 2000


@dataclass(frozen=True)
class Spread:
    """How a difference varies.

    Parameters
    ----------
    seeds
        Standard deviation of the difference over seeds, 0 or more.
    images
        Standard deviation that all seeds share, as they are judged on the same test images.
    """

    seeds: float
    images: float = 0.0


def spread_of(differences: Sequence[Resampled]) -> Spread:
    """Return how differences vary, pooled over pairs of methods.

    Parameters
    ----------
    differences
        One per pair of methods. Pairs without any difference and pairs with fewer than two seeds
        are left out.

    Returns
    -------
    Spread
        Square roots of the mean variance over seeds and of the mean covariance that seeds share
        through their images, 0 where that is negative; NaN without any pair.
    """
    varied = [one for one in differences if np.ptp(one.points[~np.isnan(one.points)]) > 0]
    if not varied:
        return Spread(np.nan, np.nan)
    of_seeds = float(np.mean([np.nanvar(one.points, ddof=1) for one in varied]))
    shared = float(np.mean([shared_by_replicates(one.samples) for one in varied]))
    return Spread(float(np.sqrt(of_seeds)), float(np.sqrt(max(shared, 0.0))))


def found(
    effect: float, spread: Spread, seeds: int, *, family: int = 1, alpha: float = 0.05
) -> float:
    r"""Return the share of studies in which a difference is found.

    The mean over S seeds is normal around the effect with variance :math:`\sigma^2 / S + c`; the
    test divides it by :math:`\sqrt{s^2 / S + c}`, where :math:`(S - 1) s^2 / \sigma^2` is
    chi-square with S - 1 degrees of freedom. The share is the mean over :math:`s^2`. Without c it
    is that of the noncentral t.

    Parameters
    ----------
    effect
        The true difference.
    spread
        How it varies.
    seeds
        S; with one seed nothing is found.
    family
        How many comparisons Holm's correction is over, at its first step.
    alpha
        Of the family.

    Returns
    -------
    float
        In [0, 1]; two-sided, so for no effect it is about alpha / family or less.
    """
    from scipy.special import gammaincinv, ndtr

    if seeds < 2:
        return 0.0
    df = seeds - 1
    error = np.sqrt(spread.seeds**2 / seeds + spread.images**2)
    if error == 0:
        return float(effect != 0)
    chi_square = 2 * gammaincinv(df / 2, _SHARES)
    shown = np.sqrt(spread.seeds**2 / seeds * chi_square / df + spread.images**2)
    bound = float(t_quantile(df, 1 - alpha / family)) * shown
    beyond = ndtr((effect - bound) / error) + ndtr((-effect - bound) / error)
    return float(beyond.mean())


def seeds_needed(
    effect: float, spread: Spread, *, power: float = 0.8, family: int = 1, alpha: float = 0.05
) -> int | None:
    """Return the fewest seeds that find an effect with some power.

    Returns
    -------
    int or None
        None where `MOST_SEEDS` do not suffice: what seeds share through their images is then as
        large as the effect, or nearly, and only more test images help.
    """
    few, many = 1, MOST_SEEDS
    if found(effect, spread, many, family=family, alpha=alpha) < power:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        enough = found(effect, spread, middle, family=family, alpha=alpha) >= power
        few, many = (few, middle) if enough else (middle, many)
    return many


def smallest_effect(
    spread: Spread, seeds: int, *, power: float = 0.8, family: int = 1, alpha: float = 0.05
) -> float:
    """Return the smallest effect that some seeds find with some power.

    Returns
    -------
    float
        NaN for fewer than two seeds.
    """
    if seeds < 2:
        return np.nan
    error = float(np.sqrt(spread.seeds**2 / seeds + spread.images**2))
    low, high = 0.0, error
    while found(high, spread, seeds, family=family, alpha=alpha) < power:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        enough = found(middle, spread, seeds, family=family, alpha=alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high
