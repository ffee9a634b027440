"""Conformal and Student's null against their definitions, and their rate by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from rightreasons.statistics.nulls import conformal_p, seeds_for, student_p

Array = np.ndarray


def normal_models(
    seeds: int, models: int, shared: float, rng: np.random.Generator, studies: int
) -> Array:
    """Return values (studies, seeds, models): a seed's part, of variance `shared`, and its own."""
    of_seed = rng.normal(size=(studies, seeds, 1)) * math.sqrt(shared)
    return of_seed + rng.normal(size=(studies, seeds, models)) * math.sqrt(1 - shared)


def called(values: Array, null: str, rate: float = 0.1) -> float:
    """Return how often a model of the first seed is called by the models of the others."""
    seeds = np.repeat(np.arange(values.shape[1] - 1), values.shape[2])
    zero, count = np.zeros(1), 0
    for study in values:
        value, others = study[0, :1], study[1:].ravel()
        p = conformal_p(value, others) if null == "conformal" else None
        p = student_p(value, zero, others, seeds) if p is None else p
        count += p[0] <= rate + 1e-12
    return count / len(values)


def test_conformal_p_counts_the_null_values_that_are_as_large() -> None:
    rng = np.random.default_rng(0)
    null, values = rng.integers(0, 5, 12).astype(float), np.array([-1.0, 0, 2, 4, 5, np.nan])
    got = conformal_p(values, null)
    for p, value in zip(got[:5], values, strict=False):
        assert p == (1 + sum(other >= value for other in null)) / 13
    assert np.isnan(got[5])
    assert conformal_p(np.array([3.0]), np.empty(0)).tolist() == [1]


@pytest.mark.parametrize(("rate", "needed"), [(0.1, 9), (0.05, 19), (0.25, 3), (0.3, 3), (0.49, 2)])
def test_as_many_seeds_as_the_rate_needs(rate: float, needed: int) -> None:
    assert seeds_for(rate) == needed
    best = [conformal_p(np.array([9.0]), np.zeros(n))[0] for n in (needed - 1, needed)]
    assert best[1] <= rate < best[0]


def test_students_p_with_one_model_a_seed_is_the_prediction_intervals() -> None:
    null = np.array([0.1, 0.4, 0.2, 0.35])
    values = np.array([0.2, 0.5, 0.9])
    got = student_p(values, np.zeros(3), null, np.arange(4))
    width = null.std(ddof=1) * math.sqrt(1 + 1 / 4)
    np.testing.assert_allclose(got, scipy_stats.t.sf((values - null.mean()) / width, 3))


def test_students_p_with_several_models_a_seed_by_hand() -> None:
    groups = [[0.1, 0.3, 0.2], [0.5, 0.4], [0.0, 0.1, 0.3, 0.2]]
    null = np.array([v for group in groups for v in group])
    seeds = np.repeat([7, 1, 3], [3, 2, 4])
    means = [np.mean(group) for group in groups]
    between = np.var(means, ddof=1) * (1 + 1 / 3)
    within = sum(sum((v - np.mean(g)) ** 2 for v in g) for g in groups) / 6
    within *= 1 - (1 / 3 + 1 / 2 + 1 / 4) / 3
    df = min((between + within) ** 2 / (between**2 / 2 + within**2 / 6), 4)
    t = (0.8 - np.mean(means)) / math.sqrt(between + within)
    got = student_p(np.array([0.8]), np.zeros(1), null, seeds)
    assert got[0] == pytest.approx(scipy_stats.t.sf(t, df))


def test_where_null_values_agree_the_values_own_error_stands_in() -> None:
    values, errors = np.array([0.0, 0.1, 0.1, 0.2]), np.array([0.0, 0.1, 0.02, 0.0])
    got = student_p(values, errors, np.zeros(3), np.arange(3))
    expected = [1, scipy_stats.t.sf(1, 2), scipy_stats.t.sf(5, 2), 0]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_one_seed_is_no_null() -> None:
    assert np.isnan(student_p(np.ones(1), np.zeros(1), np.arange(5.0), np.zeros(5)))
    assert np.isnan(student_p(np.ones(1), np.zeros(1), np.empty(0), np.empty(0)))


@pytest.mark.parametrize(("seeds", "models"), [(3, 1), (3, 5), (5, 5)])
def test_few_normal_seeds_are_called_at_the_rate_by_student(seeds: int, models: int) -> None:
    """Near the nominal 0.1 or below, whatever models of a seed share."""
    rng = np.random.default_rng(seeds)
    for shared in (0.3, 0.9):
        share = called(normal_models(seeds, models, shared, rng, 2500), "student")
        assert 0.04 < share < 0.125


def test_many_seeds_are_called_at_the_rate_by_ranks() -> None:
    rng = np.random.default_rng(0)
    skewed = np.exp(normal_models(10, 4, 0.5, rng, 2500))
    assert 0.08 < called(skewed, "conformal") < 0.12


def test_ranks_among_models_of_few_seeds_would_call_too_many() -> None:
    """Why ranks need seeds and not models: 20 null models of two seeds are not 20."""
    rng = np.random.default_rng(0)
    share = called(normal_models(3, 10, 0.9, rng, 1500), "conformal")
    assert share > 0.2
