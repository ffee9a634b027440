"""Methods ranked over blocks: Friedman, Nemenyi, signed ranks with Holm, and cliques.

A block is what all methods were run on, such as one task at one level; its numbers are means over
seeds, as the seeds of a block are no blocks of their own. What cannot be computed is missing (NaN).
"""

from __future__ import annotations

import numpy as np

from rightreasons.statistics.paired import holm
from rightreasons.statistics.student import wilcoxon_test

Array = np.ndarray

ALPHA = 0.05


def block_ranks(values: Array, *, lower: bool) -> Array:
    """Return the rank of every method in every block.

    Parameters
    ----------
    values : (N, k)
        A number per block and method, none missing.
    lower
        Whether lower is better.

    Returns
    -------
    ndarray
        float64 (N, k); 1 is the best, equal methods share their mean rank.
    """
    from scipy.stats import rankdata

    return rankdata(values if lower else -values, axis=1)


def friedman(ranks: Array) -> tuple[float, float]:
    r"""Return statistic and p of Friedman's test that no method ranks higher than another.

    .. math:: \chi^2 = \frac{(k - 1) \sum_j (R_j - N (k + 1) / 2)^2}
              {\sum_{ij} r_{ij}^2 - N k (k + 1)^2 / 4}, \quad R_j = \sum_i r_{ij},

    which corrects for ties, with k - 1 degrees of freedom.

    Parameters
    ----------
    ranks : (N, k)
        Of `block_ranks`.

    Returns
    -------
    statistic, p : float
        NaN for fewer than three blocks or methods; 0 and 1 where all methods are equal in all.

    References
    ----------
    Friedman 1937; Conover 1999, Practical nonparametric statistics, section 5.8.
    """
    from scipy.special import chdtrc

    blocks, methods = ranks.shape
    if min(blocks, methods) < 3:
        return np.nan, np.nan
    within = float((ranks**2).sum()) - blocks * methods * (methods + 1) ** 2 / 4
    if within == 0:
        return 0.0, 1.0
    between = float(((ranks.sum(axis=0) - blocks * (methods + 1) / 2) ** 2).sum())
    statistic = (methods - 1) * between / within
    return statistic, float(chdtrc(methods - 1, statistic))


def nemenyi(ranks: Array) -> Array:
    r"""Return Nemenyi's p-values of all pairs of methods.

    The difference of two mean ranks over :math:`\sqrt{k (k + 1) / (6 N)}`, times
    :math:`\sqrt{2}`, is held against the studentized range of k means.

    Parameters
    ----------
    ranks : (N, k)
        Of `block_ranks`.

    Returns
    -------
    ndarray
        float64 (k, k), symmetric, 1 on the diagonal; NaN for fewer than three blocks or methods.

    References
    ----------
    Nemenyi 1963; Demšar 2006, Statistical comparisons of classifiers over multiple data sets.
    """
    from scipy.stats import studentized_range

    blocks, methods = ranks.shape
    if min(blocks, methods) < 3:
        return np.full((methods, methods), np.nan)
    means = ranks.mean(axis=0)
    apart = np.abs(means[:, None] - means) / np.sqrt(methods * (methods + 1) / (6 * blocks))
    distinct, where = np.unique(apart, return_inverse=True)
    p = studentized_range.sf(distinct * np.sqrt(2), methods, np.inf)
    p[distinct == 0] = 1.0
    return np.clip(p, 0, 1)[where.reshape(apart.shape)]


def critical_difference(methods: int, blocks: int, *, alpha: float = ALPHA) -> float:
    r"""Return the difference of mean ranks from which on Nemenyi's p is below alpha.

    :math:`q_\alpha \sqrt{k (k + 1) / (6 N)}`, with the studentized range's quantile over
    :math:`\sqrt{2}` as :math:`q_\alpha`.

    Parameters
    ----------
    methods, blocks
        k and N; with fewer than three of either it is missing.
    alpha
        In (0, 1).

    References
    ----------
    Demšar 2006, section 3.2.2.
    """
    from scipy.stats import studentized_range

    if min(methods, blocks) < 3:
        return np.nan
    quantile = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / np.sqrt(2)
    return quantile * float(np.sqrt(methods * (methods + 1) / (6 * blocks)))


def signed_ranks(values: Array) -> Array:
    """Return Holm-corrected p-values of Wilcoxon's signed-rank test for all pairs of methods.

    Unlike Nemenyi's, the test of a pair does not depend on which other methods take part; only
    Holm's correction over all pairs does (Benavoli et al. 2016).

    Parameters
    ----------
    values : (N, k)
        A number per block and method, none missing.

    Returns
    -------
    ndarray
        float64 (k, k), symmetric, 1 on the diagonal; NaN for fewer than three blocks or methods.

    References
    ----------
    Wilcoxon 1945; Holm 1979; Benavoli et al. 2016, Should we really use post-hoc tests based on
    mean-ranks?
    """
    blocks, methods = values.shape
    p = np.full((methods, methods), np.nan)
    if min(blocks, methods) < 3:
        return p
    first, second = np.triu_indices(methods, 1)
    pairs = zip(first, second, strict=True)
    p[first, second] = holm(np.array([wilcoxon_test(values[:, i] - values[:, j])[1]
                                      for i, j in pairs]))  # fmt: skip
    p[second, first] = p[first, second]
    np.fill_diagonal(p, 1.0)
    return p


def smallest_signed_rank_p(methods: int, blocks: int) -> float:
    """Return the smallest p that `signed_ranks` can give: that of one pair apart in every block."""
    return min(1.0, methods * (methods - 1) / 2 * 2.0 ** (1 - blocks))


def cliques(mean_ranks: Array, p_values: Array, *, alpha: float = ALPHA) -> list[tuple[int, ...]]:
    """Return the groups of methods that cannot be told apart.

    Parameters
    ----------
    mean_ranks : (k,)
        By method.
    p_values : (k, k)
        Of all pairs; with missing ones there are no groups.
    alpha
        A pair with p below it is told apart.

    Returns
    -------
    list of tuple
        Places of methods, from the best mean rank on: every largest group of neighbours by mean
        rank, two or more, that has no pair told apart.
    """
    if np.isnan(p_values).any():
        return []
    order = np.argsort(mean_ranks, kind="stable")
    together = p_values[np.ix_(order, order)] >= alpha
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and together[start : end + 1, start : end + 1].all():
            end += 1
        if end - start > 1 and end > reached:
            found.append(tuple(int(place) for place in order[start:end]))
            reached = end
    return found
