"""Power: against simulation, against the noncentral t of another library, and against itself."""

from __future__ import annotations

import numpy as np
import pytest

from rightreasons.statistics.paired import Resampled
from rightreasons.statistics.power import (
    MOST_SEEDS,
    Spread,
    found,
    seeds_needed,
    smallest_effect,
    spread_of,
)
from rightreasons.statistics.seeds import seed_effect


@pytest.mark.parametrize("seeds", [2, 3, 10])
@pytest.mark.parametrize("family", [1, 12])
@pytest.mark.parametrize("effect", [0.02, 0.1, 0.2])
def test_without_shared_variance_it_is_that_of_the_t_test(
    seeds: int, family: int, effect: float
) -> None:
    from statsmodels.stats.power import TTestPower

    theirs = TTestPower().power(effect / 0.1, seeds, 0.05 / family)
    assert found(effect, Spread(0.1), seeds, family=family) == pytest.approx(theirs, abs=5e-5)


@pytest.mark.parametrize(("seeds", "effect", "images"), [(4, 0.3, 0.05), (8, 0.15, 0.03)])
def test_it_is_how_often_the_test_by_seed_finds_the_effect(
    seeds: int, effect: float, images: float
) -> None:
    rng, studies = np.random.default_rng(seeds), 3000
    shared = rng.normal(0, images, (studies, 1))
    differences = effect + rng.normal(0, 0.1, (studies, seeds)) + shared
    p_values = np.array([seed_effect(row, images**2).p_value for row in differences])
    for family in (1, 3):
        power = found(effect, Spread(0.1, images), seeds, family=family)
        error = np.sqrt(power * (1 - power) / studies)
        assert 0.05 < power < 0.95
        assert abs((p_values < 0.05 / family).mean() - power) < 4 * error


def test_one_seed_finds_nothing_and_no_variance_everything() -> None:
    assert found(10.0, Spread(0.1), 1) == 0
    assert np.isnan(smallest_effect(Spread(0.1), 1))
    assert found(0.001, Spread(0.0), 2) == 1
    assert found(0.0, Spread(0.0), 2) == 0


@pytest.mark.parametrize("power", [0.5, 0.8])
def test_the_smallest_effect_is_found_with_that_power(power: float) -> None:
    spread = Spread(0.1, 0.02)
    smallest = smallest_effect(spread, 6, power=power, family=9)
    assert found(smallest, spread, 6, family=9) == pytest.approx(power, abs=1e-4)


def test_as_many_seeds_as_needed_suffice_and_one_fewer_do_not() -> None:
    spread = Spread(0.1, 0.02)
    seeds = seeds_needed(0.12, spread, family=9)
    assert seeds is not None
    assert found(0.12, spread, seeds, family=9) >= 0.8 > found(0.12, spread, seeds - 1, family=9)
    assert seeds_needed(0.12, spread, family=1) < seeds


def test_seeds_do_not_help_where_the_images_leave_the_effect_open() -> None:
    assert seeds_needed(0.1, Spread(0.1, 0.05)) is None
    assert found(0.1, Spread(0.1, 0.05), MOST_SEEDS) < 0.6
    assert seeds_needed(0.1, Spread(0.1, 0.0)) is not None


def test_the_spread_is_pooled_over_pairs_that_differ() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2, 3))
    samples = rng.normal(size=(2, 3, 400)) + rng.normal(size=(2, 1, 400))
    same = Resampled(np.zeros(3), np.zeros((3, 400)), np.full(3, 9))
    made = [Resampled(p, s, np.full(3, 9)) for p, s in zip(points, samples, strict=True)]
    variances = [sum((x - sum(p) / 3) ** 2 for x in p) / 2 for p in points]
    pairs = [(0, 1), (0, 2), (1, 2)]
    covariances = [
        np.mean((s[i] - s[i].mean()) * (s[j] - s[j].mean())) * 400 / 399
        for s in samples
        for i, j in pairs
    ]
    spread = spread_of([*made, same])
    assert spread.seeds == pytest.approx(np.sqrt(np.mean(variances)))
    assert spread.images == pytest.approx(np.sqrt(np.mean(covariances)))
    assert np.isnan(spread_of([same]).seeds)
