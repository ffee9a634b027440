"""Numbers of single seeds, and their mean over seeds that share test images."""

from __future__ import annotations

import numpy as np
import pytest

from rightreasons.statistics.estimates import Estimate, mean_of, over_seeds
from rightreasons.statistics.seeds import seed_effect, shared_by_images

RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=(4, 30)) + RNG.normal(size=30)  # what is hard is hard for all seeds


def test_means_over_the_same_images_share_their_covariance() -> None:
    images = np.arange(30)
    found = over_seeds([mean_of(images, row) for row in VALUES])
    slow = seed_effect(VALUES.mean(axis=1), shared_by_images(VALUES))
    assert found.p_value == pytest.approx(slow.p_value)
    assert (found.low, found.high) == pytest.approx((slow.low, slow.high))
    alone = over_seeds([mean_of(images + 30 * i, row) for i, row in enumerate(VALUES)])
    assert alone.high - alone.low < found.high - found.low


def test_missing_images_and_missing_seeds_are_left_out() -> None:
    values = VALUES.copy()
    values[0, :5] = np.nan
    values[3] = np.nan
    found = over_seeds([mean_of(np.arange(30), row) for row in values])
    slow = seed_effect(np.nanmean(values[:3], axis=1), shared_by_images(values))
    assert found.seeds == 3
    assert (found.value, found.p_value) == pytest.approx((slow.value, slow.p_value))


def test_an_image_that_is_there_twice_is_one() -> None:
    """Half of the images with and without an artifact: their sums are what an image adds."""
    twice = np.repeat(np.arange(15), 2)
    found = over_seeds([mean_of(twice, row) for row in VALUES])
    added = np.array([(row - row.mean()) / 30 for row in VALUES]).reshape(4, 15, 2).sum(axis=2)
    pairs = [added[i] @ added[j] * 15 / 14 for i in range(4) for j in range(4) if i != j]
    slow = seed_effect(VALUES.mean(axis=1), float(np.mean(pairs)))
    assert found.p_value == pytest.approx(slow.p_value)


def test_one_seed_has_a_value_alone() -> None:
    found = over_seeds([Estimate(0.25, np.arange(3), np.zeros(3))])
    assert (found.value, found.seeds) == (0.25, 1)
    assert np.isnan(found.p_value)
