"""Statistics against scipy, by hand and by simulation with fixed seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from rightreasons.metrics import METRICS
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
    Judged,
    compare_images,
    compare_predictions,
    draws_of,
    holm,
    resampled,
)
from rightreasons.statistics.seeds import seed_effect, shared_by_images, shared_by_replicates
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
    by_seed, got = compare_images(np.append(d, nan)[None])
    assert (got.effect, got.statistic, got.p_value) == pytest.approx(
        (d.mean(), reference.statistic, reference.pvalue)
    )
    assert (got.ci_low, got.ci_high) == pytest.approx((interval.low, interval.high))
    assert got.wilcoxon_p == pytest.approx(scipy_stats.wilcoxon(d).pvalue)
    assert (got.unit, got.n, got.seeds, got.df) == ("image", 50, 1, 49)
    assert (by_seed.unit, by_seed.effect, by_seed.seeds) == ("seed", got.effect, 1)
    assert math.isnan(by_seed.p_value)


def test_the_same_image_five_times_is_one_observation():
    d = rng(0).normal(0.1, 1, 40)
    (_, once), (by_seed, five) = compare_images(d[None]), compare_images(np.tile(d, (5, 1)))
    assert five.n == 200
    assert five.effect == pytest.approx(once.effect)
    assert five.p_value == pytest.approx(once.p_value)
    assert (five.ci_low, five.ci_high) == pytest.approx((once.ci_low, once.ci_high))
    # Seeds that do not differ at all leave the variance that the images give.
    assert by_seed.statistic == pytest.approx(once.statistic)
    assert by_seed.df == 4


def test_paired_images_at_the_edges():
    nothing = compare_images(np.zeros((2, 5)))
    assert [(one.effect, one.p_value) for one in nothing] == [(0, 1), (0, 1)]
    by_seed, certain = compare_images(np.full((2, 5), 0.25))
    assert (certain.p_value, certain.ci_low, certain.ci_high) == (0, 0.25, 0.25)
    assert (by_seed.effect, by_seed.ci_low, by_seed.ci_high) == (0.25, 0.25, 0.25)
    assert math.isnan(by_seed.p_value)  # no variance says how far it can be trusted
    _, one = compare_images(np.array([[0.4, nan]]))
    assert (one.effect, one.n) == (0.4, 1)
    assert math.isnan(one.p_value)
    assert math.isnan(compare_images(np.full((1, 3), nan))[1].effect)


def judged(seed: int, *, n: int = 300, bias: float = 0.0, images: str | None = None) -> Judged:
    """Return predictions on n images; those of equal seeds differ by their bias alone."""
    source = rng(seed)
    target, protected = source.integers(0, 2, (2, n))
    noise = source.normal(size=n) * 0.2
    score = np.clip(0.5 + 0.3 * (target - 0.5) + bias * (protected - 0.5) + noise, 0, 1)
    names = np.array([f"{images or seed} {k:04d}" for k in range(n)])
    return Judged(target, protected, (score >= 0.5).astype(float), score, names)


def difference(methods, references, name, replicates=1000):
    """Return by seed and by image what differs between two methods' models of some seeds."""
    metric = METRICS[name]
    draws = draws_of([*methods, *references], seed=9, replicates=replicates)
    mine, its = (
        resampled(models, metric=metric, params=metric.params(), draws=draws)
        for models in (methods, references)
    )
    return compare_predictions(mine - its)


def value_of(one: Judged, name: str, k=slice(None)) -> float:
    """Return accuracy, equalized odds or AUROC of some images, from their definitions."""
    target, protected, chance = one.target[k], one.protected[k], one.chance[k]
    if name == "accuracy":
        return float(np.where(target == 1, chance, 1 - chance).mean())
    if name == "auroc":
        above = one.score[k][target == 1][:, None] - one.score[k][target == 0]
        return float(np.mean((above > 0) + 0.5 * (above == 0)))
    rate = [[chance[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
    return max(abs(first - second) for first, second in rate)


def redrawn(models, references, name, times=2000):
    """Return differences over seeds in samples of images that are the same for all seeds."""
    source, one = rng(5), models[0]
    strata = 2 * one.target + one.protected
    members = [np.flatnonzero(strata == s) for s in range(4)]
    samples = []
    for _ in range(times):
        k = np.concatenate([source.choice(m, len(m)) for m in members])
        pairs = zip(models, references, strict=True)
        samples.append([value_of(a, name, k) - value_of(b, name, k) for a, b in pairs])
    return np.array(samples)


@pytest.mark.parametrize("name", ["equalized_odds", "accuracy", "auroc", "ece"])
def test_the_same_predictions_do_not_differ(name):
    models = [judged(0), judged(1)]
    for got in difference(models, models, name, 99):
        assert (got.effect, got.ci_low, got.ci_high, got.p_value) == (0, 0, 0, 1)
        assert (got.n, got.seeds) == (600, 2)


def test_the_same_lottery_does_not_differ():
    chance = rng(2).choice([0.0, 1 / 3, 0.7, 0.1, 1.0], 300)
    first, second = replace(judged(0), chance=chance), replace(judged(0), chance=chance.copy())
    _, got = difference([first], [second], "equalized_odds", 499)
    assert (got.effect, got.ci_low, got.ci_high, got.p_value) == (0, 0, 0, 1)


def test_a_large_difference_is_found():
    models, references = ([judged(s, bias=b) for s in range(3)] for b in (0.0, 0.5))
    by_seed, got = difference(models, references, "equalized_odds", 999)
    differences = [
        value_of(a, "equalized_odds") - value_of(b, "equalized_odds")
        for a, b in zip(models, references, strict=True)
    ]
    assert got.effect == pytest.approx(np.mean(differences))
    assert got.effect < -0.3
    assert got.ci_low < got.effect < got.ci_high < 0
    assert got.p_value == pytest.approx(2 / 1000)
    assert got.at_floor
    # Images of their own: the seeds' variance is all.
    assert by_seed.effect == pytest.approx(got.effect)
    assert by_seed.p_value == pytest.approx(scipy_stats.ttest_1samp(differences, 0).pvalue, rel=0.2)
    assert not by_seed.at_floor


def test_pairing_counts():
    """Decisions that agree on most images have a narrower interval than unpaired ones would."""
    data, near = judged(0, bias=0.1, n=400), judged(0, bias=0.12, n=400)
    other = replace(near, chance=judged(1, n=400).chance)
    (_, paired), (_, unpaired) = (difference([data], [b], "accuracy") for b in (near, other))
    assert paired.ci_high - paired.ci_low < 0.5 * (unpaired.ci_high - unpaired.ci_low)


@pytest.mark.parametrize("lottery", [False, True])
def test_counts_equal_images(lottery):
    """Counts of drawn images give the bootstrap that drawing whole images gives, in a loop."""
    data, other = judged(0, bias=0.2, n=150), judged(0, bias=0.4, n=150)
    if lottery:
        data = replace(data, chance=rng(1).choice([0.0, 0.3, 0.8, 1.0], 150))
    _, got = difference([data], [other], "equalized_odds", 4000)
    expected = value_of(data, "equalized_odds") - value_of(other, "equalized_odds")
    assert got.effect == pytest.approx(expected)
    low, high = np.quantile(redrawn([data], [other], "equalized_odds"), [0.025, 0.975])
    assert (got.ci_low, got.ci_high) == pytest.approx((low, high), abs=0.02)


@pytest.mark.parametrize("name", ["equalized_odds", "auroc"])
def test_seeds_of_the_same_images_are_no_more_images(name):
    """Five seeds with the same predictions tell what one does."""
    one, other = judged(0, bias=0.1), judged(0, bias=0.3)
    apart = [
        [replace(m, images=np.char.add(f"{k} ", m.images)) for k in range(5)] for m in (one, other)
    ]
    widths = [
        got.ci_high - got.ci_low
        for _, got in (
            difference([one], [other], name),
            difference([one] * 5, [other] * 5, name),
            difference(*apart, name),
        )
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert widths[2] == pytest.approx(widths[0] / np.sqrt(5), rel=0.15)


@pytest.mark.parametrize("name", ["accuracy", "auroc"])
def test_shared_images_are_drawn_once_for_all_seeds(name):
    """Against a loop that draws images and takes them in every seed, whose decisions differ."""
    source, methods, references = rng(5), [], []
    for models, bias in ((methods, 0.2), (references, 0.4)):
        first = judged(0, bias=bias, n=150)
        for _ in range(3):
            score = np.clip(first.score + source.normal(size=150) * 0.1, 0, 1)
            models.append(replace(first, score=score, chance=(score >= 0.5) * 1.0))
    by_seed, got = difference(methods, references, name, 3000)
    samples = redrawn(methods, references, name)
    low, high = np.quantile(samples.mean(axis=1), [0.025, 0.975])
    assert got.ci_low == pytest.approx(low, abs=0.1 * (high - low))
    assert got.ci_high == pytest.approx(high, abs=0.1 * (high - low))
    pairs = zip(methods, references, strict=True)
    points = np.array([value_of(a, name) - value_of(b, name) for a, b in pairs])
    assert got.effect == pytest.approx(points.mean())
    # By seed: the variance over seeds, and what two seeds share through their images.
    covariance = np.cov(samples.T)
    shared = np.mean([covariance[i, j] for i in range(3) for j in range(3) if i != j])
    error = np.sqrt(points.var(ddof=1) / 3 + shared)
    assert points.mean() / by_seed.statistic == pytest.approx(error, rel=0.1)
    assert by_seed.p_value == pytest.approx(2 * scipy_stats.t.sf(abs(by_seed.statistic), 2))


def test_no_difference_is_seldom_found():
    """Two models with the same biases, each with its own noise: p below 0.1 about as often."""
    found = 0
    for seed in range(100):
        first, noise = judged(2 * seed, n=200, bias=0.2), rng(seed).normal(size=(2, 200)) * 0.15
        a, b = (replace(first, chance=(first.score + e >= 0.5) * 1.0) for e in noise)
        found += difference([a], [b], "accuracy", 199)[1].p_value < 0.1
    assert scipy_stats.binomtest(found, 100, 0.1).pvalue > 0.01


def test_seeds_without_the_metric_are_left_out():
    whole, same = judged(0, bias=0.3), judged(1)
    lost = replace(same, protected=np.zeros_like(same.protected))
    assert difference([whole, lost], [whole, lost], "equalized_odds")[1].seeds == 1
    for nothing in difference([lost], [lost], "equalized_odds"):
        assert math.isnan(nothing.effect)
        assert math.isnan(nothing.p_value)
        assert (nothing.n, nothing.seeds) == (0, 0)


def test_an_image_has_one_stratum():
    one = judged(0)
    with pytest.raises(ValueError, match="two strata"):
        draws_of([one, replace(one, target=1 - one.target)], seed=0, replicates=9)


# Over seeds


def test_seed_effect_without_shared_images_is_the_t_test():
    d = np.array([0.1, 0.3, nan, -0.05, 0.2])
    reference = scipy_stats.ttest_1samp(d[~np.isnan(d)], 0)
    interval = reference.confidence_interval()
    got = seed_effect(d, shared=-1.0)  # a negative estimate counts as 0
    assert (got.value, got.low, got.high, got.statistic, got.df, got.p_value, got.seeds) == (
        pytest.approx(
            (d[~np.isnan(d)].mean(), interval.low, interval.high, reference.statistic, 3,
             reference.pvalue, 4)
        )
    )  # fmt: skip


def test_seed_effect_of_few_seeds():
    assert math.isnan(seed_effect(np.array([nan])).value)
    one = seed_effect(np.array([0.4, nan]), shared=0.1)
    assert (one.value, one.seeds) == (0.4, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.p_value)


def test_shared_covariance_by_hand():
    """Two seeds with the images a, b, c and b, c, d: b and c are what they share."""
    values = np.array([[1.0, 2.0, 4.0, nan], [nan, 3.0, 7.0, 2.0]])
    means = (7 / 3, 4.0)
    by_hand = sum((values[0, k] - means[0]) * (values[1, k] - means[1]) for k in (1, 2))
    assert shared_by_images(values) == pytest.approx(by_hand / 9 * 2 / 1)
    assert shared_by_images(values[:1]) == 0
    assert shared_by_images(np.array([[1.0, nan], [nan, 2.0]])) == 0
    assert shared_by_replicates(values[:, 1:3]) == pytest.approx(np.cov(values[:, 1:3])[0, 1])
    assert shared_by_replicates(values[:1]) == 0


@pytest.mark.parametrize("seeds", [3, 10])
def test_crossed_effects_are_unbiased(seeds):
    """Variance of the mean over seeds and images, from simulated crossed random effects."""
    source, images, totals, means = rng(3), 60, [], []
    for _ in range(600):
        d = (
            source.normal(0, 0.3, (seeds, 1))
            + source.normal(0, 1, (1, images))
            + source.normal(0, 2, (seeds, images))
        )
        means.append(d.mean())
        own = d.mean(axis=1).var(ddof=1) / seeds
        totals.append(own + shared_by_images(d))
    expected = 0.09 / seeds + 1 / images + 4 / (images * seeds)
    assert np.mean(totals) == pytest.approx(expected, rel=0.08)
    assert np.var(means) == pytest.approx(expected, rel=0.2)


def test_no_effect_over_seeds_is_seldom_found():
    """Retrained models on the same images: p below 0.05 in no more than 5 % of the studies."""
    source, found = rng(8), 0
    for _ in range(400):
        d = source.normal(0, 0.1, (3, 1)) + source.normal(0, 1, (3, 50))
        found += compare_images(d)[0].p_value < 0.05
    assert found <= scipy_stats.binom.ppf(0.99, 400, 0.05)


def test_holm_by_hand():
    """0.01, 0.04, 0.03 in order: 3 x 0.01, 2 x 0.03, then at least as much as the one before."""
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_holm_against_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.append(rng(0).random(12) ** 4, [0.01, 0.01, 1.0])
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-14)


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
