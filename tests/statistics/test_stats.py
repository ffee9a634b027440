"""Statistics against scipy, by hand and by simulation with fixed seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from rightreasons.metrics import METRICS
from rightreasons.metrics._groups import count_cells
from rightreasons.statistics import bootstrap
from rightreasons.statistics.associations import fairness_saliency_regression, rank_correlation
from rightreasons.statistics.bootstrap import (
    bootstrap_mean,
    percentile_interval,
    resample_counts,
    resample_sums,
    resample_weights,
)
from rightreasons.statistics.paired import (
    PairedPredictions,
    holm,
    paired_group_bootstrap,
    paired_image_test,
)
from rightreasons.statistics.student import mean_interval, t_quantile, t_test, wilcoxon_test

nan = math.nan


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Bootstrap


def test_bootstrap_interval_against_scipy():
    values = rng(1).exponential(size=40)
    got = bootstrap_mean(values, rng=rng(2), replicates=20_000)
    reference = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=rng(3)
    ).confidence_interval
    assert got.value == values.mean()
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high), abs=0.02)


def test_bootstrap_intervals_cover():
    covered = 0
    for k in range(300):
        interval = bootstrap_mean(rng(k).normal(2, 1, 40), rng=rng(1000 + k), replicates=300)
        covered += interval.low <= 2 <= interval.high
    assert 0.90 < covered / 300 < 0.98


def test_missing_values_are_left_out():
    values = rng(0).normal(size=30)
    with_holes = np.insert(values, [3, 9, 20], nan)
    assert bootstrap_mean(with_holes, rng=rng(0)) == bootstrap_mean(values, rng=rng(0))
    empty = bootstrap_mean(np.full(3, nan), rng=rng(0))
    assert empty.n == 0
    assert math.isnan(empty.value)
    assert math.isnan(empty.low)


def test_chunks_do_not_matter(monkeypatch):
    values = rng(0).normal(size=30)
    whole = bootstrap_mean(values, rng=rng(1), replicates=100)
    monkeypatch.setattr(bootstrap, "CHUNK", 97)
    assert bootstrap_mean(values, rng=rng(1), replicates=100) == whole
    parts = list(resample_weights(np.zeros(30, int), rng=rng(1), replicates=100))
    assert [part.shape for part in parts] == [(3, 30)] * 33 + [(1, 30)]


def test_percentiles_of_known_replicates():
    interval = percentile_interval(0.5, np.append(np.arange(101) / 100, nan), n=7)
    assert interval.low == pytest.approx(0.025)
    assert interval.high == pytest.approx(0.975)
    assert math.isnan(percentile_interval(nan, np.ones(5), n=7).low)


def test_weights_keep_the_strata():
    strata = rng(0).integers(0, 3, 50)
    (weights,) = resample_weights(strata, rng=rng(1), replicates=20)
    for stratum in range(3):
        assert (weights[:, strata == stratum].sum(axis=1) == (strata == stratum).sum()).all()


@pytest.mark.parametrize("chances", [[0.0, 1.0], [0.0, 0.25, 0.4, 1.0]])
def test_drawing_sums_equals_drawing_images(chances):
    """Equalized odds has the same bootstrap distribution either way (Kolmogorov-Smirnov)."""
    target, protected = rng(0).integers(0, 2, (2, 120))
    chance = rng(3).choice(chances, 120)
    odds = METRICS["equalized_odds"]
    strata, share = 2 * target + protected, np.stack([1 - chance, chance], axis=1)
    sums = resample_sums(strata, share, rng=rng(1), replicates=4000)
    drawn = odds.run(sums.reshape(-1, 2, 2, 2), odds.params())
    by_image = []
    for weights in resample_weights(strata, rng=rng(2), replicates=4000):
        cells = [weights[:, strata == s] @ share[strata == s] for s in range(4)]
        counts = np.stack(cells, axis=1).reshape(-1, 2, 2, 2)
        by_image.append(odds.run(counts, odds.params()))
    by_image = np.concatenate(by_image)
    assert scipy_stats.ks_2samp(drawn, by_image).pvalue > 0.01
    assert drawn.mean() == pytest.approx(by_image.mean(), abs=0.01)
    assert drawn.std() == pytest.approx(by_image.std(), rel=0.05)


def test_drawn_counts_keep_the_strata_and_empty_ones():
    counts = np.array([[[3, 2], [0, 0]], [[0, 9], [4, 0]]])
    drawn = resample_counts(counts, rng=rng(0), replicates=50)
    assert (drawn.sum(axis=-1) == counts.sum(axis=-1)).all()
    assert (drawn[:, 1] == counts[1]).all()
    assert (drawn[:, 0, 1] == 0).all()


# One sample


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_t_and_wilcoxon_against_scipy(alternative):
    for seed in range(5):
        d = rng(seed).normal(0.2, 1, 30)
        reference = scipy_stats.ttest_1samp(d, 0, alternative=alternative)
        assert t_test(d, alternative=alternative) == pytest.approx(
            (reference.statistic, reference.pvalue)
        )
        ranks = scipy_stats.wilcoxon(d, alternative=alternative)
        assert wilcoxon_test(d, alternative=alternative) == (ranks.statistic, ranks.pvalue)


def test_tests_without_variance():
    zero, up, down = np.zeros(5), np.full(5, 0.1), np.full(5, -0.1)
    assert t_test(zero) == (0, 1)
    assert t_test(zero, alternative="greater") == (0, 1)
    assert t_test(up) == (math.inf, 0)
    assert t_test(down) == (-math.inf, 0)
    assert t_test(up, alternative="greater") == (math.inf, 0)
    assert t_test(down, alternative="greater") == (-math.inf, 1)
    assert wilcoxon_test(zero) == (0, 1)


def test_tests_of_too_few_are_missing():
    for d in (np.zeros(0), np.ones(1)):
        assert all(map(math.isnan, (*t_test(d), *wilcoxon_test(d))))


def test_mean_interval_against_scipy():
    values = rng(0).normal(size=5)
    low, high = scipy_stats.t.interval(0.95, 4, values.mean(), scipy_stats.sem(values))
    got = mean_interval(np.append(values, nan))
    assert (got.value, got.low, got.high) == pytest.approx((values.mean(), low, high))
    assert got.n == 5
    one = mean_interval(np.array([0.3, nan]))
    assert (one.value, one.n) == (0.3, 1)
    assert math.isnan(one.low)
    assert mean_interval(np.full(3, 0.2)).low == pytest.approx(0.2)


def test_quantiles_of_student_against_scipy():
    df = np.array([-1.0, 0, 1, 2.5, 40])
    expected = [nan, nan, *(scipy_stats.t.ppf(0.975, d) for d in df[2:])]
    np.testing.assert_allclose(t_quantile(df), expected, rtol=1e-9)
    assert t_quantile(3, 0.8) == pytest.approx(scipy_stats.t.ppf(0.9, 3))


# A method against its reference


def test_paired_images_against_scipy():
    d = rng(0).normal(0.1, 1, 50)
    reference = scipy_stats.ttest_1samp(d, 0)
    interval = reference.confidence_interval()
    for images in (None, [f"image{k}" for k in range(50)]):
        got = paired_image_test(np.append(d, nan), images=images and [*images, "none"], seeds=2)
        assert (got.effect, got.statistic, got.p_value) == pytest.approx(
            (d.mean(), reference.statistic, reference.pvalue)
        )
        assert (got.ci_low, got.ci_high) == pytest.approx((interval.low, interval.high))
        assert got.wilcoxon_p == pytest.approx(scipy_stats.wilcoxon(d).pvalue)
        assert (got.n, got.seeds) == (50, 2)


def test_the_same_image_five_times_is_one_observation():
    d = rng(0).normal(0.1, 1, 40)
    once = paired_image_test(d)
    five = paired_image_test(np.tile(d, 5), images=np.tile(np.arange(40), 5), seeds=5)
    assert five.n == 200
    assert five.effect == pytest.approx(once.effect)
    assert five.p_value == pytest.approx(once.p_value)
    assert (five.ci_low, five.ci_high) == pytest.approx((once.ci_low, once.ci_high))


def test_paired_images_at_the_edges():
    assert paired_image_test(np.zeros(5)).p_value == 1
    assert paired_image_test(np.zeros(5)).effect == 0
    certain = paired_image_test(np.full(5, 0.25))
    assert (certain.p_value, certain.ci_low, certain.ci_high) == (0, 0.25, 0.25)
    one = paired_image_test(np.array([0.4, nan]))
    assert (one.effect, one.n) == (0.4, 1)
    assert math.isnan(one.p_value)
    assert math.isnan(paired_image_test(np.full(3, nan)).effect)


def pair(seed: int, *, n: int = 300, bias: float = 0.0, reference_bias: float = 0.0):
    source = rng(seed)
    target, protected = source.integers(0, 2, (2, n))
    noise = source.normal(size=n) * 0.2
    scores = [
        np.clip(0.5 + 0.3 * (target - 0.5) + b * (protected - 0.5) + noise, 0, 1)
        for b in (bias, reference_bias)
    ]
    chances = [(s >= 0.5).astype(float) for s in scores]
    return PairedPredictions(target, protected, *chances, *scores)


def compare(pairs, name, **options):
    metric = METRICS[name]
    return paired_group_bootstrap(
        pairs, metric=metric, params=metric.params(), rng=rng(9), **options
    )


@pytest.mark.parametrize("name", ["equalized_odds", "accuracy", "auroc", "ece"])
def test_the_same_predictions_do_not_differ(name):
    got = compare([pair(0), pair(1)], name, replicates=99)
    assert (got.effect, got.ci_low, got.ci_high, got.p_value) == (0, 0, 0, 1)
    assert (got.n, got.seeds) == (600, 2)


def test_the_same_lottery_does_not_differ():
    data = pair(0)
    chance = rng(2).choice([0.0, 1 / 3, 0.7, 0.1, 1.0], len(data.target))
    same = PairedPredictions(
        data.target, data.protected, chance, chance.copy(), data.score, data.score
    )
    got = compare([same], "equalized_odds", replicates=499)
    assert (got.effect, got.ci_low, got.ci_high, got.p_value) == (0, 0, 0, 1)


def test_a_large_difference_is_found():
    pairs = [pair(seed, bias=0.0, reference_bias=0.5) for seed in range(3)]
    got = compare(pairs, "equalized_odds", replicates=999)
    odds = METRICS["equalized_odds"]
    differences = [
        odds.run(count_cells(p.target, p.protected, p.chance), None)
        - odds.run(count_cells(p.target, p.protected, p.reference_chance), None)
        for p in pairs
    ]
    assert got.effect == pytest.approx(np.mean(differences))
    assert got.effect < -0.3
    assert got.ci_low < got.effect < got.ci_high < 0
    assert got.p_value == pytest.approx(2 / 1000)


def test_pairing_counts():
    """Decisions that agree on most images have a narrower interval than unpaired ones would."""
    data = pair(0, bias=0.1, reference_bias=0.12, n=400)
    shuffled = PairedPredictions(
        data.target, data.protected, data.chance, pair(1, n=400).chance, data.score, data.score
    )
    paired, unpaired = (compare([p], "accuracy") for p in (data, shuffled))
    assert paired.ci_high - paired.ci_low < 0.5 * (unpaired.ci_high - unpaired.ci_low)


def test_paired_counts_equal_paired_images():
    """Joint counts give the bootstrap that drawing whole images gives (here in a loop)."""
    data = pair(0, bias=0.2, reference_bias=0.4, n=150)
    got = compare([data], "equalized_odds", replicates=4000)
    odds, source = METRICS["equalized_odds"], rng(5)
    strata = 2 * data.target + data.protected
    members = [np.flatnonzero(strata == s) for s in range(4)]
    sample = []
    for _ in range(3000):
        k = np.concatenate([source.choice(m, len(m)) for m in members])
        method, reference = (
            odds.run(count_cells(data.target[k], data.protected[k], d[k]), None)
            for d in (data.chance, data.reference_chance)
        )
        sample.append(method - reference)
    low, high = np.quantile(sample, [0.025, 0.975])
    assert (got.ci_low, got.ci_high) == pytest.approx((low, high), abs=0.02)


def test_paired_lotteries_equal_paired_images():
    """Chances of deciding 1 in place of decisions: again the bootstrap of whole images."""
    data = pair(0, n=150)
    chance = rng(1).choice([0.0, 0.3, 0.8, 1.0], 150)
    data = PairedPredictions(
        data.target, data.protected, chance, data.reference_chance, data.score, data.score
    )
    got = compare([data], "equalized_odds", replicates=4000)
    odds, source = METRICS["equalized_odds"], rng(5)

    def gap(k, chances):
        tables = [chances[k][(data.target[k] == t) & (data.protected[k] == a)].mean()
                  for t in (0, 1) for a in (0, 1)]  # fmt: skip
        return max(abs(tables[1] - tables[0]), abs(tables[3] - tables[2]))

    everything = np.arange(150)
    expected = gap(everything, chance) - gap(everything, data.reference_chance)
    assert got.effect == pytest.approx(expected)
    assert got.effect == pytest.approx(
        odds.run(count_cells(data.target, data.protected, chance), None)
        - odds.run(count_cells(data.target, data.protected, data.reference_chance), None)
    )
    members = [np.flatnonzero(2 * data.target + data.protected == s) for s in range(4)]
    sample = []
    for _ in range(3000):
        k = np.concatenate([source.choice(m, len(m)) for m in members])
        sample.append(gap(k, chance) - gap(k, data.reference_chance))
    low, high = np.quantile(sample, [0.025, 0.975])
    assert (got.ci_low, got.ci_high) == pytest.approx((low, high), abs=0.02)


def known(pair):
    return replace(pair, images=np.arange(len(pair.target)))


@pytest.mark.parametrize("name", ["equalized_odds", "auroc"])
def test_seeds_of_the_same_images_are_no_more_images(name):
    """Five seeds with the same predictions tell what one does."""
    one = pair(0, bias=0.1, reference_bias=0.3)
    widths = [
        got.ci_high - got.ci_low
        for got in (
            compare([known(one)], name),
            compare([known(one)] * 5, name),
            compare([one] * 5, name),
        )
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert widths[2] == pytest.approx(widths[0] / np.sqrt(5), rel=0.15)


@pytest.mark.parametrize("name", ["accuracy", "auroc"])
def test_shared_images_are_drawn_once_for_all_seeds(name):
    """Against a loop that draws images and takes them in every seed, whose decisions differ."""
    first, source = pair(0, bias=0.2, reference_bias=0.4, n=150), rng(5)
    pairs = [known(first)]
    for _ in range(2):
        scores = [
            np.clip(s + source.normal(size=150) * 0.1, 0, 1)
            for s in (first.score, first.reference_score)
        ]
        decisions = [(s >= 0.5).astype(int) for s in scores]
        pairs.append(known(PairedPredictions(first.target, first.protected, *decisions, *scores)))
    got = compare(pairs, name, replicates=3000)

    def value(p, k, side):
        if name == "accuracy":
            return np.mean(getattr(p, f"{side}chance")[k] == p.target[k])
        score, target = getattr(p, f"{side}score")[k], p.target[k]
        above = score[target == 1][:, None] - score[target == 0]
        return np.mean((above > 0) + 0.5 * (above == 0))

    strata = 2 * first.target + first.protected
    members = [np.flatnonzero(strata == s) for s in range(4)]
    sample = []
    for _ in range(2000):
        k = np.concatenate([source.choice(m, len(m)) for m in members])
        sample.append(np.mean([value(p, k, "") - value(p, k, "reference_") for p in pairs]))
    low, high = np.quantile(sample, [0.025, 0.975])
    width = high - low
    assert got.ci_low == pytest.approx(low, abs=0.1 * width)
    assert got.ci_high == pytest.approx(high, abs=0.1 * width)
    every = np.arange(150)
    assert got.effect == pytest.approx(
        np.mean([value(p, every, "") - value(p, every, "reference_") for p in pairs])
    )


def test_no_difference_is_seldom_found():
    """Two models with the same biases, each with its own noise: p below 0.1 about as often."""
    found = 0
    for seed in range(100):
        a, b = pair(2 * seed, n=200, bias=0.2), pair(2 * seed, n=200, bias=0.2)
        noise = rng(seed).normal(size=(2, 200)) * 0.15
        chances = [(p.score + e >= 0.5) * 1.0 for p, e in zip((a, b), noise, strict=True)]
        data = PairedPredictions(a.target, a.protected, *chances, a.score, b.score)
        found += compare([data], "accuracy", replicates=199).p_value < 0.1
    assert scipy_stats.binomtest(found, 100, 0.1).pvalue > 0.01


def test_seeds_without_the_metric_are_left_out():
    whole = pair(0, bias=0.3)
    lost = PairedPredictions(
        whole.target, np.zeros_like(whole.protected), whole.chance, whole.chance,
        whole.score, whole.score,
    )  # fmt: skip
    assert compare([whole, lost], "equalized_odds").seeds == 1
    nothing = compare([lost], "equalized_odds")
    assert math.isnan(nothing.effect)
    assert math.isnan(nothing.p_value)
    assert (nothing.n, nothing.seeds) == (0, 0)


def test_holm_by_hand():
    """0.01, 0.04, 0.03 in order: 3 x 0.01, 2 x 0.03, then at least as much as the one before."""
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_holm_within_families_and_around_missing_tests():
    p = np.array([0.01, 0.02, nan, 0.04, 0.5])
    families = ["a", "b", "a", "a", "b"]
    expected = [0.02, 0.04, nan, 0.04, 0.5]
    assert holm(p, families).tolist() == pytest.approx(expected, nan_ok=True)
    assert np.isnan(holm(np.array([nan, nan]))).all()
    assert holm(np.zeros(0)).shape == (0,)


# Association


def test_rank_correlation_against_scipy():
    x = rng(0).integers(0, 8, 40).astype(float)
    y = x + rng(1).normal(size=40) * 3
    got = rank_correlation(np.append(x, nan), np.append(y, 3), rng=rng(2))
    assert got.value == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
    assert got.low < got.value < got.high <= 1
    assert got.n == 40
    assert math.isnan(rank_correlation(np.ones(9), np.arange(9.0), rng=rng(0)).value)
    assert math.isnan(rank_correlation(np.arange(2.0), np.arange(2.0), rng=rng(0)).value)


def cells(tasks: int, seeds: int, *, slope: float = 0.7, task_sd=1.0, seed_sd=0.5) -> pd.DataFrame:
    source, rows = rng(1), []
    for task in range(tasks):
        level = task_sd * source.normal()
        for seed in range(seeds):
            start = level + seed_sd * source.normal()
            for _ in range(8):
                # the shift goes with the task's level: pooling tasks would bias the slope
                shift = source.normal() - level
                change = slope * shift + start + 0.3 * source.normal()
                rows.append((f"task{task}", seed, shift, change))
    names = ["task", "seed", "shift", "change"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize(
    ("tasks", "seeds", "seed_sd", "model"),
    [
        (5, 4, 0.5, "mixed model"),
        (1, 4, 0.5, "least squares, errors clustered"),
        (3, 1, 0.0, "least squares, intercept per task, errors clustered"),
        (1, 1, 0.0, "least squares, errors HC3"),
    ],
)
def test_regression_finds_the_slope_and_names_the_model(tasks, seeds, seed_sd, model):
    frame = cells(tasks, seeds, seed_sd=seed_sd)
    frame.loc[len(frame)] = ["task0", 0, nan, 1.0]
    table = fairness_saliency_regression(frame).set_index("term")
    slope = table.loc["shift"]
    assert slope["model"].startswith(model)
    assert slope["estimate"] == pytest.approx(0.7, abs=0.25)
    assert slope["ci_low"] < slope["estimate"] < slope["ci_high"]
    assert slope["n"] == len(frame) - 1
    assert list(table.index) == ["Intercept", "shift"]


def test_regression_falls_back_where_a_variance_is_zero():
    frame = cells(3, 3, task_sd=0.0, seed_sd=0.0)
    table = fairness_saliency_regression(frame)
    assert table["model"].str.startswith(("least squares", "mixed")).all()
    exact = frame.assign(change=2 * frame["shift"])
    slope = fairness_saliency_regression(exact).set_index("term").loc["shift"]
    assert slope["estimate"] == pytest.approx(2)
    assert slope["model"].startswith("least squares")


def test_regression_on_too_little_is_missing():
    for frame in (cells(1, 1)[:3], cells(1, 1).assign(shift=0.0)):
        (row,) = fairness_saliency_regression(frame).to_dict("records")
        assert math.isnan(row["estimate"])
        assert row["model"] == "none: too few cells"
