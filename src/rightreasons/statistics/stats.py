"""Intervals, tests and models: the suite's statistics, without anything of saliency or fairness.

Intervals are 95 % unless `level` says otherwise. What cannot be computed is missing (NaN). Random
numbers come from the generator that is passed, and memory stays bounded whatever the sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from rightreasons.core.registry import Component, Params

Array = np.ndarray
Alternative = Literal["two-sided", "greater"]

CHUNK = 2**21  # numbers drawn at once: 16 MiB


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Parameters
    ----------
    value
        The estimate, NaN where it cannot be computed.
    low, high
        The interval, NaN where there is none.
    n
        What it rests on.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """A method minus its reference on the same images.

    Parameters
    ----------
    effect
        The mean difference.
    ci_low, ci_high
        Its 95 % interval.
    statistic
        t, NaN for a bootstrap.
    p_value
        Two-sided, of no difference.
    n
        Images, of all seeds together.
    seeds
        Number of seeds.
    wilcoxon_statistic, wilcoxon_p
        Signed-rank test of the same, NaN for a bootstrap.
    test
        Which test it is.
    """

    effect: float
    ci_low: float
    ci_high: float
    statistic: float
    p_value: float
    n: int
    seeds: int
    wilcoxon_statistic: float
    wilcoxon_p: float
    test: str


# Bootstrap


def percentile_interval(
    value: float, replicates: Array, *, n: int, level: float = 0.95
) -> Interval:
    """Return an estimate with the percentile interval of its bootstrap replicates.

    Parameters
    ----------
    value
        The estimate; a missing one has no interval.
    replicates : (B,)
        Missing ones are left out.
    n
        What the estimate rests on.
    level : in (0, 1)
        Of the interval.
    """
    known = replicates[~np.isnan(replicates)]
    if np.isnan(value) or len(known) == 0:
        return Interval(value, np.nan, np.nan, n)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n)


def bootstrap_mean(
    values: Array, *, rng: np.random.Generator, replicates: int = 1000, level: float = 0.95
) -> Interval:
    """Return a mean with a bootstrap interval.

    Parameters
    ----------
    values : (N,)
        Missing ones are left out.
    rng
        Draws the replicates.
    replicates
        Number of bootstrap samples.
    level : in (0, 1)
        Of the interval.

    Returns
    -------
    Interval
        Missing, with n = 0, where no value is known.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    means = [
        known[rng.integers(0, len(known), (size, len(known)))].mean(axis=1)
        for size in chunks(replicates, len(known))
    ]
    return percentile_interval(
        float(known.mean()), np.concatenate(means), n=len(known), level=level
    )


def resample_counts(counts: Array, *, rng: np.random.Generator, replicates: int) -> Array:
    """Return bootstrap counts, resampled within each stratum.

    A stratum is an index of the leading axes, its K outcomes are counted. Drawing its n images
    with replacement and counting again is one multinomial draw, so no image is touched.

    Parameters
    ----------
    counts : int (..., K)
        An empty stratum stays empty.
    rng
        Draws the replicates.
    replicates
        B.

    Returns
    -------
    ndarray
        int64 (B, ..., K); each stratum keeps its number of images.
    """
    totals = counts.sum(axis=-1)
    shares = counts / np.maximum(totals, 1)[..., None]
    shares[totals == 0, 0] = 1
    return rng.multinomial(totals, shares, size=(replicates, *totals.shape))


def resample_weights(
    strata: Array, *, rng: np.random.Generator, replicates: int
) -> Iterator[Array]:
    """Yield how often each image is drawn in bootstrap samples.

    Parameters
    ----------
    strata : (N,)
        An integer per image; images are drawn with replacement within their stratum.
    rng
        Draws the replicates.
    replicates
        Number of samples in all.

    Yields
    ------
    ndarray
        int64 (b, N), where the b of all parts add up to `replicates`.
    """
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for size in chunks(replicates, len(strata)):
        offset = len(strata) * np.arange(size)[:, None]
        drawn = [m[rng.integers(0, len(m), (size, len(m)))] + offset for m in members]
        places = np.concatenate(drawn, axis=1) if drawn else offset[:, :0]
        counts = np.bincount(places.ravel(), minlength=size * len(strata))
        yield counts.reshape(size, len(strata))


# One sample


def t_test(differences: Array, *, alternative: Alternative = "two-sided") -> tuple[float, float]:
    """Return t and p of the one-sample t-test of mean 0.

    Parameters
    ----------
    differences : (N,)
        Without missing ones.
    alternative
        `two-sided`, or `greater` than 0.

    Returns
    -------
    t, p : float
        NaN for N < 2. Without variance p = 1 where all are 0; else t is infinite and p is 0 or 1 by
        the sign.
    """
    if len(differences) < 2:
        return np.nan, np.nan
    return _t(
        float(differences.mean()), _standard_error(differences), len(differences) - 1, alternative
    )


def wilcoxon_test(
    differences: Array, *, alternative: Alternative = "two-sided"
) -> tuple[float, float]:
    """Return statistic and p of Wilcoxon's signed-rank test.

    Parameters
    ----------
    differences : (N,)
        Without missing ones; zeros are left out.
    alternative
        `two-sided`, or `greater` than 0.

    Returns
    -------
    statistic, p : float
        NaN for N < 2; 0 and 1 where all are zero.
    """
    from scipy.stats import wilcoxon

    if len(differences) < 2:
        return np.nan, np.nan
    if not differences.any():
        return 0.0, 1.0
    result = wilcoxon(differences, alternative=alternative)
    return float(result.statistic), float(result.pvalue)


def mean_interval(values: Array, *, level: float = 0.95) -> Interval:
    """Return a mean with its t-interval.

    Parameters
    ----------
    values : (N,)
        One per seed, say; missing ones are left out.
    level : in (0, 1)
        Of the interval.

    Returns
    -------
    Interval
        Without an interval for fewer than two values.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean, error = known.mean(), _standard_error(known)
    margin = error * _t_quantile(level, len(known) - 1)
    return Interval(float(mean), float(mean - margin), float(mean + margin), len(known))


# A method against its reference


def paired_image_test(
    differences: Array, *, images: Sequence[str] | Array | None = None, seeds: int = 1
) -> Comparison:
    """Test the differences of a metric per image, method minus reference, against 0.

    The test speaks of these models; whether new training runs would differ likewise,
    `mean_interval` over seeds shows.

    Parameters
    ----------
    differences : (N,)
        Missing ones are left out.
    images : (N,)
        Image ids, where an image occurs once per seed. Its differences are then one cluster
        (cluster-robust t-test; Wilcoxon on the clusters' means), as they are no independent
        observations. Without ids, or with each id once, this is the paired t-test.
    seeds
        Number of seeds, which is only recorded.

    Returns
    -------
    Comparison
        Missing for fewer than two images.
    """
    known = ~np.isnan(differences)
    d = differences[known]
    ids = np.arange(len(d)) if images is None else np.asarray(images)[known]
    _, cluster = np.unique(ids, return_inverse=True)
    size, total = np.bincount(cluster), np.bincount(cluster, weights=d)
    mean, error = float(total.sum() / max(len(d), 1)), np.nan
    if len(size) > 1:
        spread = ((total - size * mean) ** 2).sum() * len(size) / (len(size) - 1)
        error = float(np.sqrt(spread) / len(d)) if np.ptp(d) else 0.0
    t, p = _t(mean, error, len(size) - 1, "two-sided")
    margin = error * _t_quantile(0.95, len(size) - 1)
    rank_sum, rank_p = wilcoxon_test(total / size)
    return Comparison(
        effect=mean if len(d) else np.nan,
        ci_low=mean - margin,
        ci_high=mean + margin,
        statistic=t,
        p_value=p,
        n=len(d),
        seeds=seeds,
        wilcoxon_statistic=rank_sum,
        wilcoxon_p=rank_p,
        test="paired t-test",
    )


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """Predictions of a method and its reference on the same N images, for one seed.

    Parameters
    ----------
    target, protected : int (N,)
        The labels, 0 or 1.
    decision, reference_decision : int (N,)
        Of the method and of the reference, 0 or 1.
    score, reference_score : (N,), in [0, 1]
        P(target = 1) by the method and by the reference.
    """

    target: Array
    protected: Array
    decision: Array
    reference_decision: Array
    score: Array
    reference_score: Array


def paired_group_bootstrap(
    pairs: Sequence[PairedPredictions],
    *,
    metric: Component,
    params: Params,
    rng: np.random.Generator,
    replicates: int = 1000,
) -> Comparison:
    """Test the difference of a metric of predictions, method minus reference, against 0.

    Images are drawn within target x protected, for method and reference alike, within each seed;
    differences are averaged over seeds. The two-sided p is 2 min(P(d* <= 0), P(d* >= 0)), each with
    1 added to both counts, so it is never below 2 / (replicates + 1).

    Parameters
    ----------
    pairs
        One per seed. Seeds where the metric is missing are left out.
    metric
        A registered metric that needs counts or scores.
    params
        Its parameters.
    rng
        Draws the replicates.
    replicates
        Number of bootstrap samples.

    Returns
    -------
    Comparison
        With a percentile interval; missing where no seed has the metric.

    References
    ----------
    Davison and Hinkley 1997.
    """
    draw = _paired_counts if metric.traits["needs"] == "counts" else _paired_scores
    results = [(len(pair.target), *draw(pair, metric, params, rng, replicates)) for pair in pairs]
    used = [result for result in results if not np.isnan(result[1])]
    effect, sample = np.nan, np.empty(0)
    if used:
        effect = float(np.mean([point for _, point, _ in used]))
        sample = np.mean([sample for _, _, sample in used], axis=0)
    interval = percentile_interval(effect, sample, n=sum(size for size, _, _ in used))
    return Comparison(
        effect=effect,
        ci_low=interval.low,
        ci_high=interval.high,
        statistic=np.nan,
        p_value=_bootstrap_p(sample),
        n=interval.n,
        seeds=len(used),
        wilcoxon_statistic=np.nan,
        wilcoxon_p=np.nan,
        test="paired bootstrap",
    )


def holm(p_values: Array, families: Sequence[str] | Array | None = None) -> Array:
    """Return p values corrected by Holm's method within families.

    Parameters
    ----------
    p_values : (N,)
        Missing ones stay missing and do not count.
    families : (N,)
        The family of each test; by default all are one.

    Returns
    -------
    ndarray
        (N,), in [0, 1].
    """
    from statsmodels.stats.multitest import multipletests

    labels = np.zeros(len(p_values)) if families is None else np.asarray(families)
    corrected = np.full(len(p_values), np.nan)
    for family in np.unique(labels):
        member = (labels == family) & ~np.isnan(p_values)
        if member.any():
            corrected[member] = multipletests(p_values[member], method="holm")[1]
    return corrected


def _paired_counts(
    pair: PairedPredictions,
    metric: Component,
    params: Params,
    rng: np.random.Generator,
    replicates: int,
) -> tuple[float, Array]:
    """Return the difference and its replicates (B,) of a metric of counts."""
    cell = 8 * pair.target + 4 * pair.protected + 2 * pair.decision + pair.reference_decision
    joint = np.bincount(cell, minlength=16).reshape(2, 2, 4)
    drawn = resample_counts(joint, rng=rng, replicates=replicates)
    both = np.concatenate([joint[None], drawn]).reshape(-1, 2, 2, 2, 2)
    difference = metric.run(both.sum(axis=-1), params) - metric.run(both.sum(axis=-2), params)
    return float(difference[0]), difference[1:]


def _paired_scores(
    pair: PairedPredictions,
    metric: Component,
    params: Params,
    rng: np.random.Generator,
    replicates: int,
) -> tuple[float, Array]:
    """Return the difference and its replicates (B,) of a metric of scores."""

    def difference(weights: Array) -> Array:
        method = metric.run(pair.target, pair.score, weights, params)
        return method - metric.run(pair.target, pair.reference_score, weights, params)

    strata = 2 * pair.target + pair.protected
    weights = resample_weights(strata, rng=rng, replicates=replicates)
    sample = np.concatenate([difference(part) for part in weights])
    return float(difference(np.ones(len(pair.target)))), sample


def _bootstrap_p(sample: Array) -> float:
    """Return the two-sided p of (B,) replicates of a difference, missing where there are none."""
    known = sample[~np.isnan(sample)]
    if len(known) == 0:
        return np.nan
    below, above = np.count_nonzero(known <= 0), np.count_nonzero(known >= 0)
    return min(1.0, 2 * (min(below, above) + 1) / (len(known) + 1))


def _standard_error(values: Array) -> float:
    """Return the standard error of the mean of (N,): exactly 0 if constant, NaN for N < 2."""
    if len(values) < 2:
        return np.nan
    return float(values.std(ddof=1) / np.sqrt(len(values))) if np.ptp(values) else 0.0


def _t(mean: float, error: float, df: int, alternative: Alternative) -> tuple[float, float]:
    """Return t and p; infinite t where the error is 0 and the mean is not, NaN where it is NaN."""
    from scipy.special import stdtr

    if error == 0:
        t = 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
        one_sided = 0.0 if mean > 0 else 1.0
        return t, 1.0 if mean == 0 else (one_sided if alternative == "greater" else 0.0)
    t = mean / error
    return t, float(stdtr(df, -t) if alternative == "greater" else 2 * stdtr(df, -abs(t)))


def _t_quantile(level: float, df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + level) / 2)) if df > 0 else np.nan


def chunks(replicates: int, size: int) -> list[int]:
    """Split `replicates` rows of `size` numbers into chunks of at most CHUNK numbers."""
    rows = max(1, CHUNK // max(size, 1))
    return [min(rows, replicates - start) for start in range(0, replicates, rows)]
