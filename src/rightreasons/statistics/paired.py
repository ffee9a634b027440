"""A method against its reference on the same images: tests, intervals, Holm's correction.

What cannot be computed is missing (NaN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rightreasons.statistics.bootstrap import (
    percentile_interval,
    resample_sums,
    resample_weights,
)
from rightreasons.statistics.student import t_interval, t_statistic, wilcoxon_test

if TYPE_CHECKING:
    from rightreasons.core.registry import Component, Params

Array = np.ndarray


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
    t, p = t_statistic(mean, error, len(size) - 1, "two-sided")
    interval = t_interval(mean, error, len(size))
    rank_sum, rank_p = wilcoxon_test(total / size)
    return Comparison(
        effect=mean if len(d) else np.nan,
        ci_low=interval.low,
        ci_high=interval.high,
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
    chance, reference_chance : (N,), in [0, 1]
        How often the method and the reference decide 1: 0 or 1 unless a lottery decides, of which
        the expectation counts.
    score, reference_score : (N,), in [0, 1]
        P(target = 1) by the method and by the reference.
    images : (N,)
        Their ids, rising; None where seeds have images of their own.
    """

    target: Array
    protected: Array
    chance: Array
    reference_chance: Array
    score: Array
    reference_score: Array
    images: Array | None = None


def paired_group_bootstrap(
    pairs: Sequence[PairedPredictions],
    *,
    metric: Component,
    params: Params,
    rng: np.random.Generator,
    replicates: int = 1000,
) -> Comparison:
    """Test the difference of a metric of predictions, method minus reference, against 0.

    Images are drawn within target x protected, for method and reference alike, and differences are
    averaged over seeds. Where all seeds have the same images, one draw is for all of them: they are
    no independent samples. Otherwise each seed's are drawn by themselves. The two-sided p is
    2 min(P(d* <= 0), P(d* >= 0)), each with 1 added to both counts, so it is never below
    2 / (replicates + 1).

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
    shared = _same_images(pairs)
    sets = [list(pairs)] if shared else [[pair] for pair in pairs]
    found = [one for some in sets for one in draw(some, metric, params, rng, replicates)]
    results = [(len(pair.target), *one) for pair, one in zip(pairs, found, strict=True)]
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


def _same_images(pairs: Sequence[PairedPredictions]) -> bool:
    """Return whether all seeds have the same images."""
    first = pairs[0].images if pairs else None
    return first is not None and all(
        pair.images is not None and np.array_equal(pair.images, first) for pair in pairs
    )


def _paired_counts(
    pairs: Sequence[PairedPredictions],
    metric: Component,
    params: Params,
    rng: np.random.Generator,
    replicates: int,
) -> list[tuple[float, Array]]:
    """Return the difference and its replicates (B,) of a metric of counts, for each seed.

    The seeds have the same images, which are drawn once for all of them.
    """
    cell = 2 * pairs[0].target + pairs[0].protected
    values = np.stack(
        [part for p in pairs for c in (p.chance, p.reference_chance) for part in (1 - c, c)],
        axis=-1,
    )
    point = np.stack([values[cell == k].sum(axis=0) for k in range(4)])
    drawn = resample_sums(cell, values, rng=rng, replicates=replicates)
    every = np.concatenate([point[None], drawn]).reshape(-1, 2, 2, len(pairs), 2, 2)
    method, reference = every[..., 0, :], every[..., 1, :]  # (B + 1, target, protected, seed, 2)
    differences = [
        metric.run(method[:, :, :, i], params) - metric.run(reference[:, :, :, i], params)
        for i in range(len(pairs))
    ]
    # Rounded, so that equal rates reached by different sums do not differ.
    return [(float(d[0]), d[1:]) for d in np.round(differences, 12)]


def _paired_scores(
    pairs: Sequence[PairedPredictions],
    metric: Component,
    params: Params,
    rng: np.random.Generator,
    replicates: int,
) -> list[tuple[float, Array]]:
    """Return the difference and its replicates (B,) of a metric of scores, for each seed.

    The seeds have the same images, and the same draws of them.
    """

    def difference(pair: PairedPredictions, weights: Array) -> Array:
        method = metric.run(pair.target, pair.score, weights, params)
        return method - metric.run(pair.target, pair.reference_score, weights, params)

    strata = 2 * pairs[0].target + pairs[0].protected
    parts = [
        [difference(pair, drawn) for pair in pairs]
        for drawn in resample_weights(strata, rng=rng, replicates=replicates)
    ]
    samples = [np.concatenate(one) for one in zip(*parts, strict=True)]
    once = np.ones(len(strata))
    return [
        (float(difference(pair, once)), sample) for pair, sample in zip(pairs, samples, strict=True)
    ]


def _bootstrap_p(sample: Array) -> float:
    """Return the two-sided p of (B,) replicates of a difference, missing where there are none."""
    known = sample[~np.isnan(sample)]
    if len(known) == 0:
        return np.nan
    below, above = np.count_nonzero(known <= 0), np.count_nonzero(known >= 0)
    return min(1.0, 2 * (min(below, above) + 1) / (len(known) + 1))
