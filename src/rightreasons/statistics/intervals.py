r"""Intervals of shares, of their differences, and of the largest of several.

Everything is vectorised over leading axes and returns (low, high). Counts may be expected ones of
a lottery, which need not be whole: the interval is then as wide as if the lots had been drawn. A
share of no images is missing (NaN), and so is what rests on it.

For `largest_gap` and `lowest_share` a candidate value is held against the estimate by the normal
approximation, with the variance that the candidate implies (score tests); the others enter with
their own estimates, and the interval holds the candidates that are not refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray
Bounds = tuple[Array, Array]

#: Halvings of [0, 1] that find an end: to 1e-9.
HALVINGS = 30
#: How many standard errors of their distance the other estimates are pulled towards the largest
#: for the lower end: what is smaller in the sample is so by chance, too. Chosen by simulation.
ALLOWANCE = 0.25


def wilson(successes: Array | float, n: Array | float, *, level: float = 0.95) -> Bounds:
    r"""Return Wilson's score interval of a share.

    It holds the :math:`\pi` with :math:`|p - \pi| \leq z \sqrt{\pi (1 - \pi) / n}`.

    Parameters
    ----------
    successes, n
        How many of how many, of shapes that broadcast; n = 0 has no interval (NaN).
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    low, high : ndarray
        In [0, 1], around the share; exactly 0 below no success, exactly 1 above no failure.

    References
    ----------
    Wilson 1927, Probable inference, the law of succession, and statistical inference.
    """
    z = _normal_quantile((1 + level) / 2)
    n = _or_missing(n)
    share = np.asarray(successes, dtype=np.float64) / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)
    return np.where(share == 0, 0.0, low), np.where(share == 1, 1.0, high)


def weighted_shares(
    successes: Array, n: Array, weights: Array, *, level: float = 0.95
) -> tuple[Array, Array, Array]:
    r"""Return a weighted sum of independent shares with its hybrid score interval.

    With Wilson's limits :math:`l_k, u_k` of each share the lower end lies
    :math:`\sqrt{\sum_k w_k^2 (p_k - l_k)^2}` below the sum, with :math:`u_k - p_k` where
    :math:`w_k < 0`; the upper end accordingly. With weights -1 and 1 it is Newcombe's interval of
    a difference.

    Parameters
    ----------
    successes, n : (..., K)
        How many of how many.
    weights : (..., K)
        A share with weight 0 does not count, even one of no images.
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    value, low, high : ndarray
        Of shape (...); NaN where a share of no images has a weight.

    References
    ----------
    Newcombe 1998, Interval estimation for the difference between independent proportions, method
    10; Zou and Donner 2008, Construction of confidence limits about effect measures.
    """
    low, high = wilson(successes, n, level=level)
    share = np.asarray(successes, dtype=np.float64) / _or_missing(n)
    used = weights != 0
    below, above = share - low, high - share
    down = np.where(used, weights * np.where(weights > 0, below, above), 0)
    up = np.where(used, weights * np.where(weights > 0, above, below), 0)
    value = np.where(used, weights * share, 0).sum(axis=-1)
    return (
        value,
        value - np.sqrt((down**2).sum(axis=-1)),
        value + np.sqrt((up**2).sum(axis=-1)),
    )


def newcombe(successes: Array, n: Array, *, level: float = 0.95) -> Bounds:
    """Return Newcombe's hybrid score interval of second share minus first.

    Parameters
    ----------
    successes, n : (..., 2)
        How many of how many in each group; a group of none has no interval (NaN).
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    low, high : ndarray
        Of shape (...), in [-1, 1].

    References
    ----------
    Newcombe 1998, method 10.
    """
    _, low, high = weighted_shares(successes, n, np.array([-1.0, 1.0]), level=level)
    return low, high


def folded(low: Array, high: Array) -> Bounds:
    """Return the interval of an absolute value from that of the signed one.

    It holds |x| of all x in the interval: from 0 where that reaches over 0. It covers at least as
    often, and at a true 0 exactly as often.
    """
    inside = (low <= 0) & (high >= 0)
    ends = np.abs([low, high])
    return np.where(inside, 0.0, ends.min(axis=0)), ends.max(axis=0)


def largest_gap(successes: Array, n: Array, *, level: float = 0.95) -> Bounds:
    r"""Return the interval of :math:`\max_k |p_{k2} - p_{k1}|`, such as equalized odds.

    See `LargestValue` for the method. Standard errors are those of shares that differ by the
    candidate and are otherwise as likely as can be (of shares that are equal in the sample, in
    the direction that makes the error larger).

    Parameters
    ----------
    successes, n : (..., K, 2)
        How many of how many for each of K gaps in each of two groups.
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    low, high : ndarray
        Of shape (...), in [0, 1], around the estimate; NaN where a share is of no images.

    References
    ----------
    Mee 1984; Miettinen and Nurminen 1985; Farrington and Manning 1990 for the variance.
    """
    return _of_gaps(successes, n).interval(level)


def unbiased_largest_gap(successes: Array, n: Array) -> Array:
    """Return the median-unbiased value of what `largest_gap` is the interval of.

    The largest of several estimates lies above the largest of the true values on average, the more
    so the closer these are. This is the value under which an estimate as large as the one that was
    found, or larger, has a probability of one half; 0 where it is less likely even with no gap.

    Parameters
    ----------
    successes, n : (..., K, 2)
        As in `largest_gap`.

    Returns
    -------
    ndarray
        Of shape (...), in [0, estimate]; NaN where a share is of no images.
    """
    return _of_gaps(successes, n).median_unbiased()


def lowest_share(successes: Array, n: Array, *, level: float = 0.95) -> Bounds:
    """Return the interval of the lowest of several independent shares: worst-group accuracy.

    By `LargestValue` for the shares of failures.

    Parameters
    ----------
    successes, n : (..., K)
        How many of how many.
    level
        The interval's coverage, in (0, 1).

    Returns
    -------
    low, high : ndarray
        Of shape (...), in [0, 1], around the estimate; NaN where a share is of no images.
    """
    n = _or_missing(n)
    failed = 1 - np.asarray(successes, dtype=np.float64) / n

    def error(theta: Array) -> Array:
        return np.sqrt(theta * (1 - theta) / n)

    low, high = LargestValue(failed, error, absolute=False).interval(level)
    return 1 - high, 1 - low


@dataclass(frozen=True)
class LargestValue:
    r"""The largest of K independent quantities in [0, 1], each estimated with normal error.

    Let m be the largest estimate. A candidate :math:`\theta` is taken for the true value behind m;
    the others are held to be what was estimated, but no more than :math:`\theta`. The upper end is
    the largest candidate under which all estimates are at most m with a probability of at least
    :math:`\alpha / 2`; the lower end the smallest under which one is at least m with a probability
    of at least :math:`\alpha (1 - v / 2)`. Of absolute values v says how much of its half the upper
    end uses there, and it is 1 of others:

    - none for candidates below the end that estimates of 0 would have, which it cannot fall
      short of. A true value of 0 is therefore missed in :math:`\alpha` of all samples;
    - else :math:`2 \Phi(d) - 1`, where d is the distance from the candidate to the nearest other in
      standard errors: of two equal values the larger estimate is seldom too small.

    Parameters
    ----------
    values : (..., K)
        The estimates; a missing one makes the interval missing.
    error
        Standard errors (..., K) of the estimates if these (..., K) were the true values.
    absolute
        Whether the estimates are absolute values of signed ones.
    """

    values: Array
    error: Callable[[Array], Array]
    absolute: bool

    def interval(self, level: float) -> Bounds:
        """Return the lower and the upper end (...)."""
        alpha, zero = 1 - level, np.zeros_like(self.values)
        short = _first(lambda t: self._all_below(zero, t, zero) < alpha / 2, self.found * 0, 1.0)

        def tail(theta: Array) -> Array:
            unused = np.where(theta < short, 1, 2 * _normal(-self._distance(theta)))
            return alpha / 2 * (1 + unused * self.absolute)

        low = _first(lambda t: self._exceeded(t) >= tail(t), self.found * 0, self.found)
        high = _first(
            lambda t: self._all_below(self.values, t, self.values) < alpha / 2, self.found, 1.0
        )
        return self._known(low), self._known(high)

    def median_unbiased(self) -> Array:
        """Return the candidate (...) under which the estimate is as likely too large as not."""
        return self._known(_first(lambda t: self._exceeded(t) >= 0.5, self.found * 0, self.found))

    @cached_property
    def found(self) -> Array:
        """The largest estimate (...)."""
        return self.values.max(axis=-1)

    @cached_property
    def _first_of_all(self) -> Array:
        """Which estimate is the largest, bool (..., K); of equal ones the least certain."""
        ahead = self.values >= self.found[..., None] - 1e-12
        error = self.error(np.full_like(self.values, 0.5))
        place = np.where(ahead, error, -1).argmax(axis=-1)
        return np.arange(self.values.shape[-1]) == place[..., None]

    def _truth(self, theta: Array, others: Array) -> Array:
        """Return the true values (..., K) under a candidate."""
        return np.where(self._first_of_all, theta[..., None], np.minimum(others, theta[..., None]))

    def _all_below(self, values: Array, theta: Array, others: Array) -> Array:
        """Return the probability that all estimates are at most the largest of `values`."""
        true = self._truth(theta, others)
        margin = values.max(axis=-1, keepdims=True) - true
        return _normal(margin / _positive(self.error(true))).prod(axis=-1)

    def _exceeded(self, theta: Array) -> Array:
        """Return the probability that some estimate is at least as large as the largest here."""
        found = self.found[..., None]
        near = self.values + ALLOWANCE * self._spread(self.values)
        true = self._truth(theta, np.minimum(near, found))
        error = _positive(self.error(true))
        below = _normal((found - true) / error)
        if self.absolute:
            below = below - _normal((-found - true) / error)
        return 1 - below.prod(axis=-1)

    def _spread(self, true: Array) -> Array:
        """Return the standard error (..., K) of each one's distance from the largest."""
        error = self.error(true)
        return np.hypot(error, np.where(self._first_of_all, error, 0).sum(-1, keepdims=True))

    def _distance(self, theta: Array) -> Array:
        """Return how many standard errors a candidate lies above the nearest other."""
        true = self._truth(theta, self.values)
        distance = (theta[..., None] - true) / _positive(self._spread(true))
        return np.where(self._first_of_all, np.inf, distance).min(axis=-1)

    def _known(self, ends: Array) -> Array:
        return np.where(np.isnan(self.found), np.nan, ends)


def _of_gaps(successes: Array, n: Array) -> LargestValue:
    n = _or_missing(n)
    shares = np.asarray(successes, dtype=np.float64) / n
    gap = shares[..., 1] - shares[..., 0]
    none = np.abs(gap) < 1e-12

    def error(theta: Array) -> Array:
        difference = np.where(gap < 0, -theta, theta)
        found = _error_of_gap(shares, n, difference)
        if not none.any():
            return found
        return np.where(none, np.maximum(found, _error_of_gap(shares, n, -difference)), found)

    return LargestValue(np.abs(gap), error, absolute=True)


def _error_of_gap(shares: Array, n: Array, difference: Array) -> Array:
    """Return the standard error (...) of a difference if it were true, of shares (..., 2)."""
    first, second = restricted_shares(shares, n, difference)
    variance = first * (1 - first) / n[..., 0] + second * (1 - second) / n[..., 1]
    total = n.sum(axis=-1)
    return np.sqrt(np.maximum(variance, 0) * total / np.maximum(total - 1, 1))


def restricted_shares(shares: Array, n: Array, difference: Array) -> Bounds:
    """Return the likeliest two shares whose difference is given.

    Parameters
    ----------
    shares, n : (..., 2)
        What was found, of how many.
    difference : (...)
        Second minus first, in [-1, 1].

    Returns
    -------
    first, second : ndarray
        Of shape (...), in [0, 1]: the root of the cubic likelihood equation.

    References
    ----------
    Farrington and Manning 1990, Test statistics and sample size formulae for comparative binomial
    trials, appendix.
    """
    p, q = shares[..., 1], shares[..., 0]
    ratio, d = n[..., 0] / n[..., 1], difference
    a = 1 + ratio
    b = -(1 + ratio + p + ratio * q + d * (ratio + 2))
    c = d**2 + d * (2 * p + ratio + 1) + p + ratio * q
    v = (b / (3 * a)) ** 3 - b * c / (6 * a**2) - p * d * (1 + d) / (2 * a)
    u = np.copysign(np.sqrt(np.maximum((b / (3 * a)) ** 2 - c / (3 * a), 0)), v)
    angle = (np.pi + np.arccos(np.clip(v / np.where(u == 0, 1, u) ** 3, -1, 1))) / 3
    second = np.clip(2 * u * np.cos(angle) - b / (3 * a), np.maximum(d, 0), np.minimum(1 + d, 1))
    return second - d, second


def _first(holds: Callable[[Array], Array], low: Array, high: Array | float) -> Array:
    """Return the smallest number (...) in [low, high] from which on a condition holds.

    high where it holds nowhere.
    """
    low, high = np.broadcast_arrays(low, high)
    start, low, high = low, low.copy(), high.copy()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        held = holds(middle)
        low, high = np.where(held, low, middle), np.where(held, middle, high)
    return np.where(holds(start), start, high)


def _normal(z: Array) -> Array:
    from scipy.special import ndtr

    return ndtr(z)


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


def _positive(error: Array) -> Array:
    return np.maximum(error, 1e-12)


def _or_missing(n: Array | float) -> Array:
    """Return n as floats, NaN where it is 0."""
    n = np.asarray(n, dtype=np.float64)
    return np.where(n > 0, n, np.nan)


def binomial_band(n: int, rate: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return the band in which the share of n yes or no lies where each is yes at a rate.

    Parameters
    ----------
    n
        How many there are, at least 1, each independent of the others.
    rate : in (0, 1)
        How probably each is yes.
    level : in (0, 1)
        How often a share lies in the band, at least; at most half of the rest lies beyond either
        end.

    Returns
    -------
    low, high : float
        Quantiles of the binomial distribution, as shares.
    """
    from scipy.special import bdtr

    below = bdtr(np.arange(n + 1, dtype=np.float64), n, rate)
    low, high = (int(np.argmax(below >= q)) for q in ((1 - level) / 2, (1 + level) / 2))
    return low / n, high / n
