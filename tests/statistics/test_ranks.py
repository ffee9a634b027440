"""Ranks over blocks, against slow derivations of their own and against scikit-posthocs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad

from rightreasons.statistics.ranks import (
    block_ranks,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
    signed_ranks,
    smallest_signed_rank_p,
)


def table(blocks: int, methods: int, *, digits: int = 3, seed: int = 0) -> np.ndarray:
    """Return numbers of methods that differ, with ties where digits are few."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(blocks, methods)) + 0.5 * np.arange(methods)).round(digits)


TABLES = [table(6, 4), table(9, 3, digits=0, seed=1), table(12, 6, digits=1, seed=2)]


@pytest.mark.parametrize("values", TABLES)
@pytest.mark.parametrize("lower", [True, False])
def test_a_rank_counts_who_is_better_and_half_of_who_is_equal(
    values: np.ndarray, lower: bool
) -> None:
    ranks = block_ranks(values, lower=lower)
    for block, row in enumerate(values):
        for i, own in enumerate(row):
            others = np.delete(row, i)
            better = (others < own) if lower else (others > own)
            assert ranks[block, i] == 1 + better.sum() + 0.5 * (others == own).sum()


@pytest.mark.parametrize("values", TABLES)
def test_friedman_is_scipys(values: np.ndarray) -> None:
    found = friedman(block_ranks(values, lower=True))
    assert found == pytest.approx(tuple(stats.friedmanchisquare(*values.T)), rel=1e-12)


def test_friedman_without_ties_is_the_published_formula() -> None:
    values = table(7, 5, digits=9)
    n, k = values.shape
    sums = [sum(1 + sum(v < row[j] for v in row) for row in values) for j in range(k)]
    expected = 12 / (n * k * (k + 1)) * sum(r**2 for r in sums) - 3 * n * (k + 1)
    assert friedman(block_ranks(values, lower=True))[0] == pytest.approx(expected)


def studentized_range_sf(q: float, k: int) -> float:
    """P(range of k standard normals > q), by integrating over the smallest."""
    phi, cdf = stats.norm.pdf, stats.norm.cdf
    below = quad(lambda z: k * phi(z) * (cdf(z + q) - cdf(z)) ** (k - 1), -9, 9, epsabs=1e-13)[0]
    return 1 - below


def test_nemenyi_is_the_range_of_normal_means() -> None:
    values = TABLES[2]
    n, k = values.shape
    ranks = block_ranks(values, lower=True)
    found = nemenyi(ranks)
    for i, j in itertools.combinations(range(k), 2):
        q = abs(ranks[:, i].sum() - ranks[:, j].sum()) / n / math.sqrt(k * (k + 1) / (12 * n))
        assert found[i, j] == found[j, i] == pytest.approx(studentized_range_sf(q, k), abs=1e-9)
    assert (np.diag(found) == 1).all()


def test_the_critical_difference_has_the_published_quantiles() -> None:
    """q at 0.05 for two to ten classifiers: Demšar 2006, table 5(a)."""
    published = [2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    for k, q in enumerate(published, 3):
        expected = q * math.sqrt(k * (k + 1) / (6 * 14))
        assert critical_difference(k, 14) == pytest.approx(expected, rel=3e-4)


def test_nemenyis_p_is_alpha_at_the_critical_difference() -> None:
    """Four methods, of which the first two are apart in 20 blocks by 2 ranks, and so on."""
    ranks = np.array([[1.0, 2.0, 3.0, 4.0]] * 4)
    p, difference = nemenyi(ranks), critical_difference(4, 4)
    apart = np.abs(np.subtract.outer(ranks[0], ranks[0]))
    assert ((p < 0.05) == (apart > difference)).all()
    assert (p < 0.05).any()


def exact_signed_rank_p(differences: np.ndarray) -> float:
    """Share of all sign flips whose smaller sum of ranks is at most the one seen."""
    order = np.argsort(np.argsort(np.abs(differences))) + 1
    smaller = lambda signs: min(order[signs].sum(), order[~signs].sum())  # noqa: E731
    seen = smaller(differences > 0)
    every = [np.array(signs) for signs in itertools.product([True, False], repeat=len(order))]
    return float(np.mean([smaller(signs) <= seen for signs in every]))


def test_signed_ranks_are_exact_and_corrected_by_holm() -> None:
    values = table(7, 4, digits=9, seed=4)
    found = signed_ranks(values)
    pairs = list(itertools.combinations(range(4), 2))
    raw = {(i, j): exact_signed_rank_p(values[:, i] - values[:, j]) for i, j in pairs}
    largest = 0.0
    for step, (i, j) in enumerate(sorted(pairs, key=raw.__getitem__)):
        largest = max(largest, min(1.0, (len(pairs) - step) * raw[i, j]))
        assert found[i, j] == found[j, i] == pytest.approx(largest, abs=1e-12)
    apart = np.arange(4.0) + 0 * values + table(7, 1) / 10
    assert signed_ranks(apart).min() == pytest.approx(smallest_signed_rank_p(4, 7))


@pytest.mark.parametrize("shape", [(2, 5), (5, 2)])
def test_too_few_blocks_or_methods_have_no_tests(shape: tuple[int, int]) -> None:
    values = table(*shape)
    ranks = block_ranks(values, lower=True)
    assert np.isnan(friedman(ranks)).all()
    assert np.isnan(nemenyi(ranks)).all()
    assert np.isnan(signed_ranks(values)).all()
    assert np.isnan(critical_difference(shape[1], shape[0]))
    assert cliques(ranks.mean(axis=0), nemenyi(ranks)) == []


def test_methods_that_are_all_alike_are_one_group() -> None:
    values = np.ones((5, 4))
    ranks = block_ranks(values, lower=True)
    assert friedman(ranks) == (0.0, 1.0)
    for p in (nemenyi(ranks), signed_ranks(values)):
        assert (p == 1).all()
        assert cliques(ranks.mean(axis=0), p) == [(0, 1, 2, 3)]


@pytest.mark.parametrize("seed", range(6))
def test_cliques_are_all_largest_runs_of_neighbours_without_a_pair_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks, p = rng.uniform(1, 7, 7), rng.uniform(0, 0.3, (7, 7))
    p = np.maximum(p, p.T)
    np.fill_diagonal(p, 1)
    order = sorted(range(7), key=lambda i: ranks[i])
    windows = [order[a:b] for a in range(7) for b in range(a + 2, 8)]
    fine = [w for w in windows if all(p[i, j] >= 0.05 for i, j in itertools.combinations(w, 2))]
    largest = [w for w in fine if not any(set(w) < set(other) for other in fine)]
    assert cliques(ranks, p) == [tuple(w) for w in largest]


@pytest.mark.parametrize("values", TABLES)
def test_p_values_are_those_of_scikit_posthocs(values: np.ndarray) -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    theirs = posthocs.posthoc_nemenyi_friedman(values).to_numpy()
    assert np.abs(nemenyi(block_ranks(values, lower=True)) - theirs).max() < 1e-10
    blocks, methods = values.shape
    long = pd.DataFrame({"value": values.T.ravel(), "method": np.repeat(range(methods), blocks)})
    paired = posthocs.posthoc_wilcoxon(long, "value", "method", p_adjust="holm").to_numpy()
    assert np.abs(signed_ranks(values) - paired).max() < 1e-10
