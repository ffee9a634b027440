"""A method against its reference on the same images and seeds.

A comparison is tested in two ways, which answer two questions:

- by seed: would the method differ from its reference in other training runs, on other images?
  The unit is the seed (`statistics/seeds.py`).
- by image: do *these* models differ, on other images? Seeds are pooled, images are drawn. A
  retrained copy of one method differs from it in this sense, too: it says nothing of methods.

What cannot be computed is missing (NaN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rightreasons.statistics.bootstrap import ImageDraws, percentile_interval
from rightreasons.statistics.seeds import seed_effect, shared_by_images, shared_by_replicates
from rightreasons.statistics.student import t_interval, t_statistic, wilcoxon_test

if TYPE_CHECKING:
    from rightreasons.core.registry import Component, Params

Array = np.ndarray
Unit = Literal["seed", "image"]


@dataclass(frozen=True)
class Comparison:
    """A method minus its reference.

    Parameters
    ----------
    unit
        What the claim generalises over: "seed" (training runs and images) or "image".
    effect
        The mean difference over seeds.
    ci_low, ci_high
        Its 95 % interval.
    statistic, df
        Student's t and its degrees of freedom, NaN for a bootstrap.
    p_value
        Two-sided, of no difference.
    at_floor
        Whether p is the smallest that a bootstrap of this size can give: a bound.
    n
        Images, of all seeds together.
    seeds
        Number of seeds.
    wilcoxon_statistic, wilcoxon_p
        Signed-rank test of the images' means over seeds; NaN by seed and for a bootstrap.
    """

    unit: Unit
    effect: float
    ci_low: float
    ci_high: float
    statistic: float
    df: float
    p_value: float
    at_floor: bool
    n: int
    seeds: int
    wilcoxon_statistic: float = np.nan
    wilcoxon_p: float = np.nan


def compare_images(differences: Array) -> tuple[Comparison, Comparison]:
    """Test the differences of a metric per image, method minus reference, against 0.

    Parameters
    ----------
    differences : (S, N)
        A row per seed and a column per image; missing where a seed lacks the image or the image
        the number.

    Returns
    -------
    by seed, by image : Comparison
        By image, an image's differences are one cluster (cluster-robust t-test), as they are no
        independent observations; with one seed this is the paired t-test. Missing for fewer than
        two images. By seed, missing for fewer than two seeds.
    """
    known = ~np.isnan(differences)
    n = known.sum(axis=1)
    means = np.full(len(n), np.nan)
    np.divide(np.where(known, differences, 0).sum(axis=1), n, out=means, where=n > 0)
    by_seed = _by_seed(means, shared_by_images(differences), int(n.sum()))
    return by_seed, _clustered(differences, known)


def _clustered(differences: Array, known: Array) -> Comparison:
    """Return the cluster-robust t-test of the mean of (S, N), a cluster per image."""
    size = known.sum(axis=0)
    total = np.where(known, differences, 0).sum(axis=0)[size > 0]
    size, count = size[size > 0], int(known.sum())
    mean, error = float(total.sum() / max(count, 1)), np.nan
    if len(size) > 1:
        spread = ((total - size * mean) ** 2).sum() * len(size) / (len(size) - 1)
        error = float(np.sqrt(spread) / count) if np.ptp(differences[known]) else 0.0
    df = len(size) - 1
    t, p = t_statistic(mean, error, df, "two-sided")
    interval = t_interval(mean, error, len(size))
    rank_sum, rank_p = wilcoxon_test(total / size)
    return Comparison(
        unit="image",
        effect=mean if count else np.nan,
        ci_low=interval.low,
        ci_high=interval.high,
        statistic=t,
        df=df if len(size) > 1 else np.nan,
        p_value=p,
        at_floor=False,
        n=count,
        seeds=int(known.any(axis=1).sum()),
        wilcoxon_statistic=rank_sum,
        wilcoxon_p=rank_p,
    )


@dataclass(frozen=True, eq=False)
class Judged:
    """One seed's predictions on N test images.

    Parameters
    ----------
    target : int (N,)
        0 or 1.
    protected : int (N,)
        0 or 1, or the number of the group.
    chance : (N,), in [0, 1]
        How often 1 is decided: 0 or 1 unless a lottery decides, of which the expectation counts.
    score : (N,), in [0, 1]
        P(target = 1).
    images : (N,)
        Their ids.
    """

    target: Array
    protected: Array
    chance: Array
    score: Array
    images: Array


@dataclass(frozen=True, eq=False)
class Resampled:
    """A metric of predictions by seed, and what it is in other samples of the test images.

    Parameters
    ----------
    points : (S,)
        One per seed, NaN where it is missing.
    samples : (S, B)
        The same draws of images for all seeds, methods and metrics.
    n : int (S,)
        Images.
    """

    points: Array
    samples: Array
    n: Array

    def __sub__(self, other: Resampled) -> Resampled:
        """Return the differences on the same images.

        Rounded, so that equal rates reached by different sums do not differ.
        """
        points = np.round(self.points - other.points, 12)
        return Resampled(points, np.round(self.samples - other.samples, 12), self.n)


def draws_of(models: Sequence[Judged], *, seed: int, replicates: int) -> ImageDraws:
    """Return draws of all seeds' test images, within target x protected."""
    return ImageDraws(
        np.concatenate([one.images for one in models]),
        np.concatenate([_cells(one, _groups(models)) for one in models]),
        seed=seed,
        replicates=replicates,
    )


def _groups(models: Sequence[Judged]) -> int:
    """Return the number of protected groups, at least 2."""
    return max(2, *(int(one.protected.max(initial=0)) + 1 for one in models))


def _cells(model: Judged, groups: int) -> Array:
    return groups * model.target + model.protected


def resampled(
    models: Sequence[Judged], *, metric: Component, params: Params, draws: ImageDraws
) -> Resampled:
    """Return a metric of predictions of one method's models and its bootstrap samples.

    Parameters
    ----------
    models
        One per seed.
    metric
        A registered metric that needs counts or scores.
    params
        Its parameters.
    draws
        Of the images of all seeds. An image that several seeds have is drawn for all of them at
        once: they are no independent samples.
    """
    of_metric = _of_counts if metric.traits["needs"] == "counts" else _of_scores
    points, samples = of_metric(models, metric, params, draws)
    return Resampled(points, samples, np.array([len(one.target) for one in models]))


def compare_predictions(values: Resampled) -> tuple[Comparison, Comparison]:
    """Test numbers of predictions, such as differences of two methods, against 0.

    By image the two-sided p is 2 min(P(d* <= 0), P(d* >= 0)), each with 1 added to both counts, so
    it is never below 2 / (B + 1).

    Parameters
    ----------
    values
        Seeds where the metric is missing are left out.

    Returns
    -------
    by seed, by image : Comparison
        By image with a percentile interval; missing where no seed has the metric. By seed, missing
        for fewer than two seeds.

    References
    ----------
    Davison and Hinkley 1997.
    """
    used = ~np.isnan(values.points)
    n, points, samples = int(values.n[used].sum()), values.points[used], values.samples[used]
    by_seed = _by_seed(points, shared_by_replicates(samples), n)
    effect = float(points.mean()) if len(points) else np.nan
    sample = samples.mean(axis=0) if len(points) else np.empty(0)
    interval = percentile_interval(effect, sample, n=n)
    p, at_floor = _bootstrap_p(sample)
    by_image = Comparison(
        unit="image",
        effect=effect,
        ci_low=interval.low,
        ci_high=interval.high,
        statistic=np.nan,
        df=np.nan,
        p_value=p,
        at_floor=at_floor,
        n=n,
        seeds=len(points),
    )
    return by_seed, by_image


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

    References
    ----------
    Holm 1979.
    """
    labels = np.zeros(len(p_values)) if families is None else np.asarray(families)
    corrected = np.full(len(p_values), np.nan)
    for family in np.unique(labels):
        member = np.flatnonzero((labels == family) & ~np.isnan(p_values))
        rising = member[np.argsort(p_values[member], kind="stable")]
        times = len(rising) - np.arange(len(rising))
        corrected[rising] = np.minimum(np.maximum.accumulate(times * p_values[rising]), 1)
    return corrected


def _by_seed(differences: Array, shared: float, n: int) -> Comparison:
    """Return the test of a difference per seed (S,)."""
    found = seed_effect(differences, shared)
    return Comparison(
        unit="seed",
        effect=found.value,
        ci_low=found.low,
        ci_high=found.high,
        statistic=found.statistic,
        df=found.df,
        p_value=found.p_value,
        at_floor=False,
        n=n,
        seeds=found.seeds,
    )


def _of_counts(
    models: Sequence[Judged], metric: Component, params: Params, draws: ImageDraws
) -> tuple[Array, Array]:
    """Return a metric of counts for each seed (S,), and its replicates (S, B)."""
    groups = _groups(models)
    values = np.zeros(
        (len(draws.images), 2 * groups, len(models), 2)
    )  # image, cell, seed, decision
    for i, one in enumerate(models):
        place = draws.columns(one.images), _cells(one, groups), i
        values[place] = np.stack([1 - one.chance, one.chance], axis=-1)
    flat = values.reshape(len(values), -1)
    whole = [np.ones((1, len(flat))), *draws]
    counts = np.concatenate([weights @ flat for weights in whole])
    by_seed = np.moveaxis(counts.reshape(-1, 2, groups, len(models), 2), 3, 0)
    found = metric.run(by_seed, params)
    return found[:, 0], found[:, 1:]


def _of_scores(
    models: Sequence[Judged], metric: Component, params: Params, draws: ImageDraws
) -> tuple[Array, Array]:
    """Return a metric of scores for each seed (S,), and its replicates (S, B)."""
    columns = [draws.columns(one.images) for one in models]
    whole = [np.ones((1, len(draws.images))), *draws]
    parts = [
        np.stack(
            [
                metric.run(one.target, one.score, weights[:, own], params)
                for one, own in zip(models, columns, strict=True)
            ]
        )
        for weights in whole
    ]
    found = np.concatenate(parts, axis=1)
    return found[:, 0], found[:, 1:]


def _bootstrap_p(sample: Array) -> tuple[float, bool]:
    """Return the two-sided p of (B,) replicates of a difference, and whether it is the smallest.

    Missing where there are none.
    """
    known = sample[~np.isnan(sample)]
    if len(known) == 0:
        return np.nan, False
    rarer = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    return min(1.0, 2 * (rarer + 1) / (len(known) + 1)), rarer == 0
