"""Numbers of single seeds with what each image adds to them, and their mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightreasons.statistics.seeds import SeedEffect, seed_effect, shared_by_images

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number of one seed.

    Parameters
    ----------
    value
        The number, NaN where it does not exist.
    images : int (N,)
        The images that it rests on, counted from 0 over all seeds; one may occur twice.
    added : float64 (N,)
        What each adds; they sum to 0, and their squares to the variance that images cause.
    """

    value: float
    images: Array
    added: Array


def mean_of(images: Array, values: Array) -> Estimate:
    """Return the mean of numbers per image (N,); missing ones are left out."""
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(np.nan, images[known], values[known])
    mean = float(values[known].mean())
    return Estimate(mean, images[known], (values[known] - mean) / np.count_nonzero(known))


def over_seeds(estimates: Sequence[Estimate]) -> SeedEffect:
    """Return the mean of estimates, one a seed, as a claim about new seeds and new test images.

    Seeds in which the number does not exist are left out. Values are rounded to 12 digits, so that
    equal rates reached by different sums do not differ.
    """
    known = [one for one in estimates if not np.isnan(one.value)]
    values = np.round([one.value for one in known], 12)
    return seed_effect(values, shared_by_images(_by_image(known)) if len(known) > 1 else 0.0)


def _by_image(estimates: Sequence[Estimate]) -> Array:
    """Return numbers (seeds, images) whose means are moved by an image as the estimates are."""
    count = 1 + max((int(one.images.max(initial=0)) for one in estimates), default=0)
    values = np.full((len(estimates), count), np.nan)
    for row, one in zip(values, estimates, strict=True):
        seen = np.bincount(one.images, minlength=count) > 0
        added = np.bincount(one.images, weights=one.added, minlength=count)
        row[seen] = added[seen] * np.count_nonzero(seen)
    return values
