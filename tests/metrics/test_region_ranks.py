"""Region ranks of three models against a slow derivation: loops, residuals, one image left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata

from rightreasons.core.errors import UserError
from rightreasons.metrics import METRICS, ReferenceMaps, WitnessedMaps
from rightreasons.metrics._witnessed import region_means

GRID, SIDE, N = 4, 10, 9
NAMES = ("predictor", "baseline", "partial", "deviation")


def witnessed(*maps: np.ndarray, protected: np.ndarray | None = None) -> WitnessedMaps:
    model, *others = maps
    every = np.arange(len(model))
    groups = np.ones(len(model), int) if protected is None else protected
    return WitnessedMaps(model, groups, *(ReferenceMaps(other, every) for other in others))


def value(name: str, maps: WitnessedMaps, **params: object) -> np.ndarray:
    metric = METRICS[f"region_rank_{name}"]
    got = metric.run(maps, metric.params(**{"grid": GRID, **params}))
    assert isinstance(got, np.ndarray)
    return got


def noise(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, SIDE, SIDE)).astype(np.float32)


def looking(where: list[tuple[int, int]], seed: int, n: int = N, strength: float = 3) -> np.ndarray:
    """Noise with more relevance in some regions of the grid."""
    maps = noise(seed, n)
    edges = np.arange(GRID + 1) * SIDE // GRID
    for row, column in where:
        rows, columns = (slice(edges[i], edges[i + 1]) for i in (row, column))
        maps[:, rows, columns] *= strength
    return maps


def slow_means(one: np.ndarray, grid: int) -> list[float]:
    edges = [i * side // grid for side in one.shape for i in range(grid + 1)]
    rows, columns = edges[: grid + 1], edges[grid + 1 :]
    return [
        np.mean([
            abs(float(one[y, x]))
            for y in range(rows[i], rows[i + 1])
            for x in range(columns[j], columns[j + 1])
        ])
        for i in range(grid)
        for j in range(grid)
    ]  # fmt: skip


def slow_value(name: str, profiles: list[np.ndarray]) -> float:
    model, baseline, predictor = profiles
    if name == "predictor":
        return pearsonr(model, predictor).statistic
    if name == "baseline":
        return pearsonr(model, baseline).statistic
    if name == "deviation":
        return pearsonr(model - baseline, predictor - baseline).statistic
    # What is left of two profiles when the baseline's explains all that a straight line can.
    fits = [np.polyfit(baseline, y, 1) for y in (model, predictor)]
    left = [y - np.polyval(fit, baseline) for y, fit in zip((model, predictor), fits, strict=True)]
    return pearsonr(*left).statistic


def slow(name: str, three: list[np.ndarray], which: np.ndarray) -> dict[int, float]:
    """Return the pseudo-values of some images."""

    def of(images: list[int]) -> float:
        ranks = [[rankdata(slow_means(maps[i], GRID)) for i in images] for maps in three]
        return slow_value(name, [np.mean(one, axis=0) for one in ranks])

    every = list(which)
    n, whole = len(every), of(every)
    return {i: n * whole - (n - 1) * of([j for j in every if j != i]) for i in every}


@pytest.mark.parametrize("name", NAMES)
def test_pseudo_values_are_those_of_profiles_with_one_image_left_out(name: str) -> None:
    three = [looking([(0, 0)], 1), looking([(2, 1)], 2), looking([(0, 0), (3, 3)], 3)]
    protected = np.array([0, 1, 1, 0, 0, 1, 1, 0, 1])
    got = value(name, witnessed(*three, protected=protected))
    for group in (0, 1):
        for i, expected in slow(name, three, np.flatnonzero(protected == group)).items():
            assert got[i] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width", "grid"), [(10, 10, 4), (7, 12, 5), (3, 9, 8)])
def test_regions_divide_the_image(height: int, width: int, grid: int) -> None:
    maps = np.random.default_rng(0).normal(size=(2, height, width)).astype(np.float32)
    got = region_means(maps, grid, "absolute")
    assert got.shape == (2, min(grid, height) * min(grid, width))
    if grid <= height:
        np.testing.assert_allclose(got[1], slow_means(maps[1], grid))
    positive = region_means(maps, grid, "positive")
    np.testing.assert_allclose(positive + region_means(-maps, grid, "positive"), got)


def test_a_model_that_takes_the_shortcut_is_told_from_one_that_does_not() -> None:
    n = 60
    baseline, predictor = looking([(1, 1)], 1, n), looking([(3, 3)], 2, n)
    honest, fooled = looking([(1, 1)], 3, n), looking([(3, 3), (1, 1)], 4, n)
    for name in ("predictor", "partial", "deviation"):
        said = [value(name, witnessed(m, baseline, predictor)).mean() for m in (fooled, honest)]
        assert said[0] > said[1] + 0.15, name
    alike = value("baseline", witnessed(honest, baseline, predictor)).mean()
    assert alike > value("baseline", witnessed(fooled, baseline, predictor)).mean()


def test_networks_that_know_nothing_of_each_other_share_nothing_but_the_baselines_noise() -> None:
    means = {
        name: np.mean([
            value(name, witnessed(*(noise(3 * seed + k, 20) for k in range(3)))).mean()
            for seed in range(150)
        ])
        for name in NAMES
    }  # fmt: skip
    assert abs(means["predictor"]) < 0.1
    assert abs(means["partial"]) < 0.1
    assert means["deviation"] > 0.3, "both differences hold the baseline's noise"


def test_an_explainer_that_sees_no_network_has_no_partial_correlation() -> None:
    same = noise(0)
    maps = witnessed(same, same, same)
    assert np.allclose(value("predictor", maps), 1)
    assert np.isnan(value("partial", maps)).all()
    assert np.isnan(value("deviation", maps)).all()


def test_what_is_missing() -> None:
    three = [noise(k) for k in range(3)]
    three[0][0] = 0
    three[2][1] = 5
    whole = witnessed(*three)
    absent = np.arange(N)
    absent[2] = -1
    maps = WitnessedMaps(
        whole.maps, whole.protected, ReferenceMaps(three[1], absent), whole.predictor
    )
    got = value("predictor", maps)
    assert list(np.flatnonzero(np.isnan(got))) == [0, 1, 2]
    rest = witnessed(*(one[3:] for one in three))
    np.testing.assert_allclose(got[3:], value("predictor", rest))
    few = np.zeros(N, int)
    few[:5] = 1  # two of them have three maps
    got = value("predictor", WitnessedMaps(maps.maps, few, maps.baseline, maps.predictor))
    assert np.isnan(got[:5]).all()
    assert not np.isnan(got[5:]).any()


def test_places_match_images() -> None:
    three = [noise(k) for k in range(3)]
    order = np.random.default_rng(0).permutation(N)
    back = np.argsort(order)
    moved = WitnessedMaps(
        three[0],
        np.ones(N, int),
        ReferenceMaps(three[1][order], back),
        ReferenceMaps(three[2][order], back),
    )
    np.testing.assert_allclose(value("partial", moved), value("partial", witnessed(*three)))


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match="one size"):
        value("predictor", witnessed(noise(0), noise(1), noise(2)[:, 1:]))
