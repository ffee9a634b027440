"""Aggregates over runs, against the formulas of Agarwal et al. 2021 in loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import trim_mean

from rightreasons.statistics.runs import draw_runs, improvement, interquartile_mean, profile

METHODS, BLOCKS, SEEDS = 3, 4, 5
TASKS = np.array([0, 0, 1, 1])


@pytest.fixture
def values() -> np.ndarray:
    """Return runs with ties, in one block without one seed."""
    made = np.random.default_rng(0).uniform(0, 1, (METHODS, BLOCKS, SEEDS)).round(1)
    made[:, 2, 4] = np.nan
    return made


@pytest.fixture
def drawn(values: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    counts = draw_runs(~np.isnan(values[0]), TASKS, rng=rng, replicates=30)
    assert counts is not None
    return counts


def repeated(values: np.ndarray, counts: np.ndarray) -> list[list[float]]:
    """Return a sample's runs, block by block, each as often as it was drawn."""
    return [
        [v for v, n in zip(row, drawn, strict=True) for _ in range(n)]
        for row, drawn in zip(values, counts, strict=True)
    ]


def test_the_interquartile_mean_is_scipys_trimmed_mean_of_the_runs_drawn(
    values: np.ndarray, drawn: np.ndarray
) -> None:
    found = interquartile_mean(values[0], drawn)
    for got, counts in zip(found, drawn, strict=True):
        runs = np.concatenate(repeated(values[0], counts))
        assert got == pytest.approx(trim_mean(runs, 0.25), rel=1e-12)
    known = values[0][~np.isnan(values[0])]
    once = interquartile_mean(values[0], (~np.isnan(values[0])).astype(int))
    assert once == pytest.approx(trim_mean(known, 0.25))
    assert np.isnan(interquartile_mean(values[0], np.zeros((BLOCKS, SEEDS), int)))


@pytest.mark.parametrize("lower", [True, False])
def test_improvement_counts_all_pairs_of_runs_of_a_block(
    values: np.ndarray, drawn: np.ndarray, lower: bool
) -> None:
    found = improvement(values, drawn, lower=lower)
    for r, i, j in itertools.product(range(5), range(METHODS), range(METHODS)):
        means = []
        ours, theirs = (repeated(values[m], drawn[r]) for m in (i, j))
        for xs, ys in zip(ours, theirs, strict=True):
            if xs:
                wins = [(x < y if lower else x > y) + 0.5 * (x == y) for x in xs for y in ys]
                means.append(np.mean(wins))
        assert found[r, i, j] == pytest.approx(np.mean(means))
    assert np.allclose(found + found.transpose(0, 2, 1), 1)


@pytest.mark.parametrize("lower", [True, False])
def test_a_profile_is_the_share_of_runs_beyond_a_threshold(
    values: np.ndarray, drawn: np.ndarray, lower: bool
) -> None:
    at = np.array([0.0, 0.3, 0.55, 1.0])
    found = profile(values[1], drawn, at, lower=lower)
    for share, counts in zip(found, drawn, strict=True):
        runs = np.concatenate(repeated(values[1], counts))
        expected = [(runs < tau if lower else runs > tau).mean() for tau in at]
        assert share == pytest.approx(expected)


def test_seeds_are_drawn_within_tasks_and_together_for_their_blocks(
    values: np.ndarray, drawn: np.ndarray
) -> None:
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 2, :4] == drawn[:, 3, :4]).all()
    assert (drawn[:, 2, 4] == 0).all()  # there is no such run
    assert (drawn[:, 3].sum(axis=1) == SEEDS - 1).all()
    assert (drawn[:, 0] != drawn[:, 3]).any()


def test_a_mean_of_runs_varies_in_samples_as_a_mean_of_so_many_seeds() -> None:
    runs = np.random.default_rng(2).normal(size=(1, 4))
    rng = np.random.default_rng(3)
    counts = draw_runs(np.ones((1, 4), bool), np.zeros(1), rng=rng, replicates=20_000)
    assert counts is not None
    means = (counts * runs).sum(axis=(1, 2)) / 3
    assert means.var() == pytest.approx(runs.var(ddof=1) / 4, rel=0.05)


def test_nothing_can_be_drawn_from_one_seed() -> None:
    known = np.array([[True, True], [True, False]])
    drawn = {task: draw_runs(known, np.array([0, task]), rng=np.random.default_rng(), replicates=9)
             for task in (0, 1)}  # fmt: skip
    assert drawn[0] is not None
    assert drawn[1] is None
