"""Means over tasks and datasets, against an analysis of variance and made-up studies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats as scipy_stats
from statsmodels.stats.anova import anova_lm

from rightreasons.statistics.clusters import jackknife_error, jackknife_weights
from rightreasons.statistics.nested import Nested, nested_mean

WIDE = (-100.0, 100.0)


def test_variances_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(["a", "b", "c"], 4)
    y = np.repeat([0.0, 1.0, 3.0], 4) + rng.normal(size=12)
    errors = np.full(12, 0.3)
    got = nested_mean(y, names, errors, WIDE)
    table = anova_lm(smf.ols("y ~ C(d)", pd.DataFrame({"y": y, "d": names})).fit())
    between, within = table.loc["C(d)", "mean_sq"], table.loc["Residual", "mean_sq"]
    assert got.value == pytest.approx(y.mean())
    assert got.sd_tasks == pytest.approx(np.sqrt(within - 0.3**2))
    assert got.sd_datasets == pytest.approx(np.sqrt((between - within) / 4))
    assert got.error == pytest.approx(0.3)
    means = [y[names == name].mean() for name in "abc"]
    ends = scipy_stats.t.interval(0.95, 2, y.mean(), scipy_stats.sem(means))
    assert (got.datasets.low, got.datasets.high, got.datasets.n) == pytest.approx((*ends, 3))
    ends = scipy_stats.t.interval(0.95, 9, y.mean(), np.sqrt(within / 12))
    assert (got.tasks.low, got.tasks.high, got.tasks.n) == pytest.approx((*ends, 12))


def test_datasets_count_alike_whatever_their_number_of_tasks() -> None:
    y, names = np.array([1.0, 2, 3, 4, 9, 11]), np.array([0, 0, 0, 0, 1, 1])
    got = nested_mean(y, names, np.full(6, np.nan), WIDE)
    assert got.value == (2.5 + 10) / 2
    within = (np.var([1, 2, 3, 4]) * 4 + np.var([9, 11]) * 2) / 4
    margin = scipy_stats.t.ppf(0.975, 4) * np.sqrt(within * (1 / 4 + 1 / 2)) / 2
    assert got.tasks.high - got.value == pytest.approx(margin)
    assert np.isnan(got.sd_tasks)  # what seeds cause is not known


def test_datasets_that_agree_by_luck_are_no_surer_than_their_tasks() -> None:
    y, names = np.array([0.0, 1, 0.5, 0.5001, 0.2, 0.8]), np.repeat([0, 1, 2], 2)
    got = nested_mean(y, names, np.zeros(6), WIDE)
    within = (0.5 + 0.0001**2 / 2 + 0.18) / 3
    margin = scipy_stats.t.ppf(0.975, 2) * np.sqrt(within / 2 / 3)
    assert got.datasets.high - got.value == pytest.approx(margin)
    assert got.sd_datasets == 0


def test_what_is_missing_and_what_is_exact() -> None:
    y, errors = np.array([0.2, np.nan, 0.4]), np.full(3, np.nan)
    one = nested_mean(y, np.zeros(3), errors, (-1, 1))
    assert (one.value, one.tasks.n, one.datasets.n) == (pytest.approx(0.3), 2, 1)
    assert np.isnan([one.datasets.low, one.sd_datasets]).all()
    assert one.tasks.high == 1  # the end of what is possible
    alone = nested_mean(y, np.arange(3), errors, (-1, 1))
    assert np.isnan(alone.tasks.low)
    assert alone.datasets.high == 1
    none = nested_mean(np.full(3, np.nan), np.arange(3), errors, (-1, 1))
    assert np.isnan(none.value)
    same = nested_mean(np.ones(6), np.repeat([0, 1, 2], 2), errors[:1].repeat(6), (0, 1))
    assert (same.datasets.low, same.datasets.high) == (pytest.approx(0.05 ** (1 / 3)), 1)


def test_the_jackknife_is_tukeys() -> None:
    rng = np.random.default_rng(1)
    seeds = np.array([3, 3, 5, 5, 9])
    x = rng.normal(size=5)
    weights = jackknife_weights(seeds)
    samples = (weights * x).sum(axis=1) / weights.sum(axis=1)
    assert samples[0] == pytest.approx(x.mean())
    without = [np.mean([v for v, s in zip(x, seeds, strict=True) if s != out]) for out in (3, 5, 9)]
    expected = np.sqrt(2 / 3 * sum((v - np.mean(without)) ** 2 for v in without))
    assert jackknife_error(samples[1:]) == pytest.approx(expected)
    assert np.isnan(jackknife_error(np.array([1.0])))
    means = rng.normal(size=6)  # of a mean of single numbers it is the usual error
    leave_out = jackknife_weights(np.arange(6))[1:]
    alone = (leave_out * means).sum(axis=1) / 5
    assert jackknife_error(alone) == pytest.approx(scipy_stats.sem(means))


def studies(sd: tuple[float, float, float], count: int = 400) -> list[tuple[Nested, np.ndarray]]:
    """Return made-up studies of 3 datasets with 2, 4 and 6 tasks, and what their datasets mean.

    sd: between datasets, between tasks, between seeds.
    """
    rng = np.random.default_rng(round(100 * sum(sd)))
    names = np.repeat([0, 1, 2], [2, 4, 6])
    made = []
    for _ in range(count):
        own = sd[0] * rng.normal(size=3)
        y = own[names] + np.hypot(*sd[1:]) * rng.normal(size=12)
        made.append((nested_mean(y, names, np.full(12, sd[2]), WIDE), own))
    return made


@pytest.mark.parametrize("sd", [(0.0, 0.1, 0.1), (0.1, 0.1, 0.1), (0.3, 0.0, 0.1)])
def test_the_intervals_cover(sd: tuple[float, float, float]) -> None:
    made = studies(sd)
    over_datasets = np.mean([got.datasets.low <= 0 <= got.datasets.high for got, _ in made])
    assert over_datasets > 0.92
    over_tasks = np.mean([got.tasks.low <= own.mean() <= got.tasks.high for got, own in made])
    assert 0.92 < over_tasks < 0.98
