"""Region ranks beside a baseline without the shortcut and a predictor of the protected attribute.

After OSCAR: each image's regions are ranked by relevance, ranks are averaged over the images, and
these profiles of three models are correlated. A model that takes the shortcut looks where the
predictor looks. Mean ranks are correlated as they are: ranked anew, a region that stands out would
be one rank above the next, and noise would decide.

Each metric is one number of a whole set of images, here of those with and of those without the
protected attribute. An image's own number is its jackknife pseudo-value: n times the value of all n
images, less n - 1 times that of all but this one. Their mean is the jackknife's estimate, which
corrects for the noise of few images to the first order, and their spread is that of the estimate.
So single numbers can lie outside of [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import Field

from rightreasons.metrics import METRICS, WitnessedMaps
from rightreasons.metrics._located import SignParams

Array = np.ndarray
PAPER = "Achara et al. 2025 (OSCAR)"
FEWEST = 3  # images of a profile, of which each is left out once


class RegionRankParams(SignParams):
    """How regions are ranked."""

    grid: int = Field(
        8, ge=2, le=64, description="regions along each side of the image, at most its pixels"
    )


@METRICS.register(
    "region_rank_predictor",
    title="Region ranks shared with a predictor of the attribute",
    short="ranks with predictor",
    paper=PAPER,
    params=RegionRankParams,
    needs="witnesses",
    unit="similarity",
    claims=1,
    formula=r"\rho(\bar r^{\text{model}}, \bar r^{\text{predictor}})",
)
def region_rank_predictor(maps: WitnessedMaps, params: RegionRankParams) -> Array:
    """Correlation of the model's profile with the predictor's, pseudo-values (N,).

    Missing for an image that one of the three has no map of or one that is the same everywhere, and
    with fewer than 3 such images.
    """
    return _pseudo(maps, params, lambda model, baseline, predictor: _rho(model, predictor))


@METRICS.register(
    "region_rank_baseline",
    title="Region ranks shared with a baseline without the shortcut",
    short="ranks with baseline",
    paper=PAPER,
    params=RegionRankParams,
    needs="witnesses",
    unit="similarity",
    claims=-1,
    formula=r"\rho(\bar r^{\text{model}}, \bar r^{\text{baseline}})",
)
def region_rank_baseline(maps: WitnessedMaps, params: RegionRankParams) -> Array:
    """Correlation of the model's profile with the baseline's, pseudo-values (N,).

    Missing as `region_rank_predictor`.
    """
    return _pseudo(maps, params, lambda model, baseline, predictor: _rho(model, baseline))


@METRICS.register(
    "region_rank_partial",
    title="Region ranks shared with a predictor, less what the baseline shares",
    short="ranks with predictor, partial",
    paper=PAPER,
    params=RegionRankParams,
    needs="witnesses",
    unit="similarity",
    claims=1,
    formula=r"\rho_{MP \cdot B} = \frac{\rho_{MP} - \rho_{MB} \rho_{PB}}"
    r"{\sqrt{(1 - \rho_{MB}^2)(1 - \rho_{PB}^2)}}",
)
def region_rank_partial(maps: WitnessedMaps, params: RegionRankParams) -> Array:
    """Partial correlation of model and predictor given the baseline, pseudo-values (N,).

    Missing as `region_rank_predictor`, and where the baseline's profile is that of the model or of
    the predictor (of an explainer that sees no network).
    """

    def partial(model: Array, baseline: Array, predictor: Array) -> Array:
        mp, mb, pb = _rho(model, predictor), _rho(model, baseline), _rho(predictor, baseline)
        return _over(mp - mb * pb, np.sqrt((1 - mb**2) * (1 - pb**2)))

    return _pseudo(maps, params, partial)


@METRICS.register(
    "region_rank_deviation",
    title="Deviations from the baseline's region ranks shared with a predictor",
    short="rank deviations with predictor",
    paper=PAPER,
    params=RegionRankParams,
    needs="witnesses",
    unit="similarity",
    claims=1,
    formula=r"\rho(\bar r^{\text{model}} - \bar r^{\text{baseline}}, "
    r"\bar r^{\text{predictor}} - \bar r^{\text{baseline}})",
)
def region_rank_deviation(maps: WitnessedMaps, params: RegionRankParams) -> Array:
    """Correlation of both profiles' differences from the baseline's, pseudo-values (N,).

    Missing as `region_rank_partial`. Both differences share the baseline's noise, which alone
    makes the correlation positive: a value means something beside that of a level-0 model only.
    """
    return _pseudo(
        maps,
        params,
        lambda model, baseline, predictor: _rho(model - baseline, predictor - baseline),
    )


def _pseudo(
    maps: WitnessedMaps, params: RegionRankParams, statistic: Callable[[Array, Array, Array], Array]
) -> Array:
    """Return the jackknife's pseudo-values of a statistic of three profiles.

    statistic: from profiles (K, regions) of model, baseline and predictor to K numbers.
    """
    ranks, known = maps.ranks(params.grid, params.sign)
    values = np.full(len(known), np.nan)
    for group in np.unique(maps.protected):
        which = np.flatnonzero(known & (maps.protected == group))
        n = len(which)
        if n < FEWEST:
            continue
        total = ranks[:, which].sum(axis=1, keepdims=True)
        whole = statistic(*(total / n))
        without = statistic(*((total - ranks[:, which]) / (n - 1)))
        values[which] = n * whole - (n - 1) * without
    return values


def _rho(one: Array, other: Array) -> Array:
    """Return the correlations of rows (K, R), NaN where a row is constant."""
    a, b = (rows - rows.mean(axis=1, keepdims=True) for rows in (one, other))
    return _over((a * b).sum(axis=1), np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


def _over(numerator: Array, denominator: Array) -> Array:
    """Return quotients, NaN where the denominator is 0 but for rounding."""
    ratio = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=ratio, where=denominator > 1e-9)
