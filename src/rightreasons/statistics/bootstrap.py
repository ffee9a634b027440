"""The bootstrap: percentile intervals, and drawing images with replacement within strata.

Intervals are 95 % unless `level` says otherwise. What cannot be computed is missing (NaN). Random
numbers come from the generator that is passed, and memory stays bounded whatever the sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

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


def percentile_interval(
    value: float, replicates: Array, *, n: int, level: float = 0.95
) -> Interval:
    """Return `value` with the percentile interval of its bootstrap replicates.

    Parameters
    ----------
    value
        The estimate; a missing one has no interval.
    replicates
        Floats (B,); missing ones are left out.
    n
        How many observations the estimate rests on.
    level
        Share of the replicates in the interval, in (0, 1).
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


def resample_sums(
    strata: Array, values: Array, *, rng: np.random.Generator, replicates: int, cells: int = 4
) -> Array:
    """Return bootstrap sums of numbers per image, within strata.

    Images with the same numbers are one outcome, so that a replicate is one multinomial draw per
    stratum (`resample_counts`), however many images there are.

    Parameters
    ----------
    strata : int (N,)
        From 0 to `cells` - 1; images are drawn with replacement within their stratum.
    values : (N, M)
        What is summed.
    rng
        Draws the replicates.
    replicates
        B.
    cells
        The number C of strata.

    Returns
    -------
    ndarray
        float64 (B, C, M); an empty stratum has sums of 0.
    """
    outcomes, which = np.unique(values, axis=0, return_inverse=True)
    outcomes, which = outcomes.reshape(-1, values.shape[1]), which.ravel()
    kinds = max(len(outcomes), 1)
    counts = np.bincount(strata * kinds + which, minlength=cells * kinds).reshape(cells, kinds)
    parts = [
        resample_counts(counts, rng=rng, replicates=size) @ outcomes.astype(np.float64)
        for size in chunks(replicates, counts.size)
    ]
    return np.concatenate(parts)


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


class ImageDraws:
    """Bootstrap draws of test images, the same for every model that is judged on them.

    Images are drawn with replacement within their strata. Each loop over the draws gives the same
    ones, so that models, seeds and metrics are compared on equal samples.

    Parameters
    ----------
    images : (N,)
        Ids; the order of the draws' columns is that of the sorted ids.
    strata : (N,)
        An integer per image.
    seed
        Of the draws.
    replicates
        B.

    Raises
    ------
    ValueError
        Where an image has two strata.
    """

    def __init__(self, images: Array, strata: Array, *, seed: int, replicates: int) -> None:
        self.images, first = np.unique(images, return_index=True)
        self.replicates, self._seed, self._strata = replicates, seed, strata[first]
        if (self._strata[self.columns(images)] != strata).any():
            raise ValueError("an image is in two strata")
        self._kept: list[Array] = []

    def columns(self, images: Array) -> Array:
        """Return the columns of some images, (n,)."""
        return np.searchsorted(self.images, images)

    def __iter__(self) -> Iterator[Array]:
        """Yield how often each image is drawn, float64 (b, N); the b add up to `replicates`."""
        if self._kept:
            yield from self._kept
            return
        keep = self.replicates * len(self.images) <= 4 * CHUNK
        rng = np.random.default_rng(self._seed)
        made = []
        for weights in resample_weights(self._strata, rng=rng, replicates=self.replicates):
            part = weights.astype(np.float64)
            if keep:
                made.append(part)
            yield part
        self._kept = made


def chunks(replicates: int, size: int) -> list[int]:
    """Split `replicates` rows of `size` numbers into chunks of at most CHUNK numbers."""
    rows = max(1, CHUNK // max(size, 1))
    return [min(rows, replicates - start) for start in range(0, replicates, rows)]
