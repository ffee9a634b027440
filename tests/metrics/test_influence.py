"""What each image adds to a metric of decisions."""

from __future__ import annotations

import numpy as np
import pytest

from rightreasons.metrics import METRICS
from rightreasons.metrics.influence import influence

SIZES, RATES = {(0, 0): 40, (0, 1): 25, (1, 0): 30, (1, 1): 50}, (0.2, 0.4, 0.5, 0.9)


def made(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cells = np.repeat(list(SIZES), list(SIZES.values()), axis=0)
    rates = np.repeat(RATES, list(SIZES.values()))
    return cells[:, 0], cells[:, 1], (rng.random(len(cells)) < rates).astype(float)


@pytest.mark.parametrize(
    ("name", "weights"),
    [  # how far the metric goes with the rates of the cells (0, 0), (0, 1), (1, 0), (1, 1)
        ("equalized_odds", (0, 0, -1, 1)),  # the gap of 0.4 counts, that of 0.2 does not
        ("average_abs_odds_difference", (-0.5, 0.5, -0.5, 0.5)),
        ("equal_opportunity_difference", (0, 0, -1, 1)),
        ("demographic_parity_difference", (-4 / 7, 1 / 3, -3 / 7, 2 / 3)),
        ("cell_balanced_accuracy", (-0.25, -0.25, 0.25, 0.25)),
    ],
)
def test_it_is_the_slope_times_the_distance_from_the_rate(
    name: str, weights: tuple[float, ...]
) -> None:
    target, protected, chance = made(np.random.default_rng(1))
    metric = METRICS[name]
    value, added = influence(metric, metric.params(), target, protected, chance)
    rates, slow = {}, np.zeros(len(chance))
    for (cell, size), weight in zip(SIZES.items(), weights, strict=True):
        here = (target == cell[0]) & (protected == cell[1])
        rates[cell] = chance[here].mean()
        slow[here] = weight * (chance[here] - rates[cell]) / size
        assert added[here].sum() == pytest.approx(0, abs=1e-12)
    assert added == pytest.approx(slow, abs=1e-9)
    if name == "equalized_odds":
        assert value == pytest.approx(abs(rates[1, 1] - rates[1, 0]))


def test_its_squares_sum_to_the_variance_over_draws_of_images() -> None:
    metric, rng = METRICS["cell_balanced_accuracy"], np.random.default_rng(2)
    found = [influence(metric, metric.params(), *made(rng)) for _ in range(1000)]
    between = np.var([value for value, _ in found])
    assert np.mean([(added**2).sum() for _, added in found]) == pytest.approx(between, rel=0.12)
