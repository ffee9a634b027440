"""Rank correlation and ROC area over clusters, against tables whose rows are really repeated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from rightreasons.statistics.clusters import (
    cluster_interval,
    cluster_weights,
    rank_correlations,
    roc_areas,
    weight_below,
)

N = 14
STRATA = np.repeat([0, 1], [8, 6])
SEEDS = np.array([0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 1, 1, 2, 2])


def weights(replicates: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cluster_weights(STRATA, SEEDS, rng=rng, replicates=replicates)


def columns() -> tuple[np.ndarray, np.ndarray]:
    """Two columns with ties that go together somewhat."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, N).astype(float)
    return x, x + rng.integers(0, 6, N)


def test_models_of_a_seed_are_drawn_together_and_no_stratum_shrinks() -> None:
    drawn = weights()
    for stratum in (0, 1):
        counts = []
        for seed in (0, 1, 2):
            rows = drawn[:, np.flatnonzero((stratum == STRATA) & (seed == SEEDS))]
            assert (rows == rows[:, :1]).all()
            counts.append(rows[:, 0])
        assert (np.sum(counts, axis=0) == 3).all()
    apart = drawn[:, 0] != drawn[:, 8]  # seed 0 of the one design, and of the other
    assert apart.any()


def test_each_seed_is_drawn_once_on_average() -> None:
    np.testing.assert_allclose(weights(4000).mean(axis=0), 1, atol=0.06)


def test_weights_are_repeated_rows() -> None:
    (x, y), drawn = columns(), weights()
    positive = y > 5
    correlations, areas = rank_correlations(x, y, drawn), roc_areas(x, positive, drawn)
    checked = 0
    for row, correlation, area in zip(drawn, correlations, areas, strict=True):
        rows = np.repeat(np.arange(N), row.astype(int))
        assert correlation == pytest.approx(scipy_stats.spearmanr(x[rows], y[rows]).statistic)
        if 0 < positive[rows].sum() < len(rows):
            assert area == pytest.approx(roc_auc_score(positive[rows], x[rows]))
            checked += 1
    assert checked > 20


def test_the_area_counts_pairs() -> None:
    x, y = columns()
    positive = y > 5
    won = [
        (a > b) + 0.5 * (a == b) for a, b in itertools.product(x[positive], x[~positive])
    ]  # fmt: skip
    assert roc_areas(x, positive, np.ones((1, N)))[0] == pytest.approx(np.mean(won))
    assert np.isnan(roc_areas(x, np.ones(N, bool), np.ones((1, N)))[0])
    assert np.isnan(roc_areas(x, np.zeros(N, bool), np.ones((1, N)))[0])


def test_a_constant_has_no_correlation() -> None:
    x, _ = columns()
    assert np.isnan(rank_correlations(x, np.ones(N), np.ones((1, N)))).all()
    once = np.zeros((1, N))
    once[0, :1] = 1
    assert np.isnan(rank_correlations(x, x, once)).all()


def test_the_weight_below_by_hand() -> None:
    got = weight_below(np.array([0.0, 2, 3]), np.array([2.0, 1, 2]), np.array([[3.0, 1, 2]]))
    assert got.tolist() == [[0, 1 + 5 / 2, 6]]


def test_the_interval_is_students_with_the_bootstraps_error() -> None:
    samples = np.random.default_rng(0).normal(size=5000) / 20
    got = cluster_interval(0.4, samples, STRATA, SEEDS, (-1, 1))
    margin = scipy_stats.t.ppf(0.975, 6 - 2) * np.std(samples) * np.sqrt(6 / (6 - 2))
    assert (got.low, got.high, got.n) == (0.4 - margin, 0.4 + margin, 6)
    wide = cluster_interval(0.9, 20 * samples, STRATA, SEEDS, (0, 1))
    assert (wide.low, wide.high) == (0, 1)


def test_seeds_that_agree_say_nothing_of_seeds_that_would_not() -> None:
    same = np.full(50, 0.75)
    got = cluster_interval(0.75, same, STRATA, SEEDS, (0, 1))
    share = 0.05 ** (1 / 6)  # six seeds say the same in at least 5 of 100 such studies
    assert share**6 == pytest.approx(0.05)
    assert got.low == pytest.approx(0.75 * share)
    assert got.high == pytest.approx(0.75 * share + 1 - share)


def test_one_seed_has_no_interval() -> None:
    samples = np.random.default_rng(0).normal(size=50)
    alone = np.where(STRATA == 1, 0, SEEDS)
    for strata, seeds in ((STRATA, alone), (np.zeros(3), np.zeros(3)), (np.empty(0), np.empty(0))):
        got = cluster_interval(0.5, samples, strata, seeds, (0, 1))
        assert (got.value, np.isnan(got.low), np.isnan(got.high)) == (0.5, True, True)


def covered(seeds: int, studies: int = 250) -> float:
    """Return how often the interval of a correlation holds the one over endless seeds.

    Six models a seed; seeds differ in what they claim, and all models of one alike.
    """
    rng = np.random.default_rng(seeds)
    truth = np.tile(np.linspace(0, 1, 6), seeds)
    which = np.repeat(np.arange(seeds), 6)

    def claims(some: int) -> np.ndarray:
        own = 0.3 * rng.normal(size=6 * some)
        return np.tile(truth[:6], some) + np.repeat(0.3 * rng.normal(size=some), 6) + own

    endless = claims(20_000)
    real = scipy_stats.spearmanr(endless, np.tile(truth[:6], 20_000)).statistic
    inside = 0
    for _ in range(studies):
        said, zero = claims(seeds), np.zeros(6 * seeds)
        drawn = cluster_weights(zero, which, rng=rng, replicates=200)
        value = float(rank_correlations(said, truth, np.ones((1, 6 * seeds)))[0])
        got = cluster_interval(value, rank_correlations(said, truth, drawn), zero, which, (-1, 1))
        inside += got.low <= real <= got.high
    return inside / studies


@pytest.mark.parametrize("seeds", [3, 6])
def test_intervals_over_few_seeds_cover(seeds: int) -> None:
    assert 0.86 < covered(seeds) <= 1
