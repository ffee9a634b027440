"""Intervals of shares and gaps against slow derivations, and how often they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import confint_proportions_2indep

from rightreasons.statistics.intervals import (
    ALLOWANCE,
    binomial_band,
    folded,
    largest_gap,
    lowest_share,
    newcombe,
    restricted_shares,
    unbiased_largest_gap,
    weighted_shares,
    wilson,
)

Z = scipy_stats.norm.ppf(0.975)
normal = scipy_stats.norm.cdf


@pytest.mark.parametrize(("k", "n"), [(0, 300), (3, 25), (17, 40), (25, 25), (2.5, 7)])
def test_wilson_holds_what_the_score_test_does_not_refuse(k: float, n: int) -> None:
    def refused(pi: float) -> float:
        return (k / n - pi) ** 2 - Z**2 * pi * (1 - pi) / n

    low, high = wilson(k, n)
    share = k / n
    near = min(max(share, 1e-9), 1 - 1e-9)
    assert low == (0 if k == 0 else pytest.approx(optimize.brentq(refused, 1e-12, near)))
    assert high == (1 if k == n else pytest.approx(optimize.brentq(refused, near, 1 - 1e-12)))


@pytest.mark.parametrize(("n", "rate"), [(1, 0.1), (40, 0.1), (333, 0.03)])
def test_the_binomial_band_is_its_quantiles(n: int, rate: float) -> None:
    low, high = binomial_band(n, rate)
    expected = scipy_stats.binom.ppf([0.025, 0.975], n, rate)
    np.testing.assert_allclose([low * n, high * n], expected)


def test_newcombe_against_statsmodels() -> None:
    for (k1, n1), (k2, n2) in [((7, 30), (21, 28)), ((0, 25), (3, 50)), ((40, 40), (39, 40))]:
        low, high = newcombe(np.array([k1, k2]), np.array([n1, n2]))
        expected = confint_proportions_2indep(k2, n2, k1, n1, method="newcomb")
        assert (low, high) == pytest.approx(expected, abs=1e-10)


def test_weighted_shares_by_hand_and_without_images() -> None:
    k, n, w = [3, 20, 9, 0], [25, 25, 10, 0], [0.5, -0.25, 1.5, 0.0]
    value, low, high = weighted_shares(*map(np.array, (k, n, w)))
    down = up = total = 0.0
    for hits, images, weight in list(zip(k, n, w, strict=True))[:3]:
        ends = wilson(hits, images)
        share = hits / images
        nearer = sorted(weight * (end - share) for end in ends)
        down, up, total = down + nearer[0] ** 2, up + nearer[1] ** 2, total + weight * share
    assert value == pytest.approx(total)
    assert (low, high) == pytest.approx((total - math.sqrt(down), total + math.sqrt(up)))
    one = weighted_shares(np.array([4]), np.array([9]), np.array([1.0]))
    assert list(map(float, one[1:])) == pytest.approx(list(map(float, wilson(4, 9))))
    assert np.isnan(weighted_shares(np.array(k), np.array(n), np.ones(4))).all()


def test_folding_at_zero() -> None:
    low, high = folded(np.array([-0.2, 0.1, -0.5, 0.0]), np.array([0.1, 0.4, -0.3, 0.2]))
    assert low.tolist() == [0, 0.1, 0.3, 0]
    assert high.tolist() == [0.2, 0.4, 0.5, 0.2]


def test_no_images_have_no_interval() -> None:
    none = np.array([[3, 0], [2, 2]]), np.array([[9, 0], [5, 5]])
    assert np.isnan([*wilson(0, 0), *newcombe(none[0][0], none[1][0])]).all()
    assert np.isnan([*largest_gap(*none), unbiased_largest_gap(*none)]).all()
    assert np.isnan(lowest_share(none[0].ravel(), none[1].ravel())).all()


# The largest of several


def likeliest(k: list[float], n: list[float], d: float) -> tuple[float, float]:
    """Shares with p2 - p1 = d under which the counts are likeliest, by a search."""

    def surprise(p1: float) -> float:
        total = 0.0
        for p, hits, images in zip((p1, p1 + d), k, n, strict=True):
            for count, chance in ((hits, p), (images - hits, 1 - p)):
                if count > 0:
                    total -= count * math.log(min(max(chance, 1e-300), 1))
        return total

    grid = np.linspace(max(0, -d), min(1, 1 - d), 201)
    at = grid[int(np.argmin([surprise(p) for p in grid]))]
    step = grid[1] - grid[0]
    bounds = (max(grid[0], at - step), min(grid[-1], at + step))
    found = optimize.minimize_scalar(surprise, bounds=bounds, options={"xatol": 1e-10}).x
    best = min((found, grid[0], grid[-1]), key=surprise)
    return best, best + d


@pytest.mark.parametrize(
    ("k", "n"), [([5, 16], [25, 20]), ([0, 3], [30, 30]), ([24, 25], [25, 25]), ([2.5, 9], [9, 9])]
)
def test_restricted_shares_are_the_likeliest(k: list[float], n: list[float]) -> None:
    shares = np.array(k) / n
    for d in (-0.4, 0.0, 0.05, 0.3, 0.6, 0.95):
        got = restricted_shares(shares, np.array(n, dtype=float), np.array(d))
        assert got == pytest.approx(likeliest(k, n, d), abs=1e-5)


class Slow:
    """One table of two gaps, a candidate at a time."""

    def __init__(self, k: list[list[float]], n: list[list[float]]) -> None:
        gaps = [b / m - a / j for (a, b), (j, m) in zip(k, n, strict=True)]
        order = sorted(range(2), key=lambda i: -abs(gaps[i]))
        self.k = [k[i] if gaps[i] >= 0 else k[i][::-1] for i in order]
        self.n = [n[i] if gaps[i] >= 0 else n[i][::-1] for i in order]
        self.m, self.other = (abs(gaps[i]) for i in order)

    def error(self, i: int, d: float) -> float:
        p1, p2 = likeliest(self.k[i], self.n[i], d)
        (n1, n2) = self.n[i]
        variance = p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2
        return max(math.sqrt(max(variance * (n1 + n2) / (n1 + n2 - 1), 0)), 1e-12)

    def at_most(self, m: float, theta: float, other: float) -> float:
        second = min(other, theta)
        first = normal((m - theta) / self.error(0, theta))
        return first * normal((m - second) / self.error(1, second))

    def at_least(self, theta: float) -> float:
        spread = math.hypot(self.error(0, self.m), self.error(1, self.other))
        within = 1.0
        for i, true in enumerate((theta, min(theta, self.m, self.other + ALLOWANCE * spread))):
            s = self.error(i, true)
            within *= normal((self.m - true) / s) - normal((-self.m - true) / s)
        return 1 - within

    def held(self, grid: np.ndarray) -> tuple[list[float], list[float]]:
        """Candidates below and above the estimate that are not refused."""
        low, high = [], []
        for theta in grid:
            if theta >= self.m and self.at_most(self.m, theta, self.other) >= 0.025:
                high.append(theta)
            if theta <= self.m:
                second = min(self.other, theta)
                d = (theta - second) / math.hypot(self.error(0, theta), self.error(1, second))
                out_of_reach = self.at_most(0, theta, 0) >= 0.025
                level = 0.05 if out_of_reach else 0.05 - 0.025 * (2 * normal(d) - 1)
                if self.at_least(theta) >= level:
                    low.append(theta)
        return low, high


TABLES = [
    ([[5, 9], [20, 14]], [[25, 25], [25, 20]]),
    ([[30, 53], [6, 44]], [[56, 56], [56, 60]]),
    ([[0, 0], [1, 0]], [[25, 25], [25, 25]]),
    ([[2, 24], [1, 9]], [[25, 25], [25, 25]]),
    ([[12.5, 20.25], [3, 4]], [[40, 40], [40, 40]]),
]


@pytest.mark.parametrize(("k", "n"), TABLES)
def test_largest_gap_holds_what_is_not_refused(k: list[list[float]], n: list[list[float]]) -> None:
    slow, step = Slow(k, n), 0.02
    low, high = slow.held(np.arange(0, 1 + step / 2, step))
    got = largest_gap(np.array(k), np.array(n))
    assert got[0] <= min(low, default=slow.m) + 1e-8
    assert got[1] >= max(high, default=slow.m) - 1e-9
    assert got[0] == pytest.approx(min(low, default=slow.m), abs=step)
    assert got[1] == pytest.approx(max(high, default=slow.m), abs=step)
    middle = unbiased_largest_gap(np.array(k), np.array(n))
    assert middle == 0 or slow.at_least(float(middle)) == pytest.approx(0.5, abs=1e-4)
    assert middle > 0 or slow.at_least(0.0) > 0.5


def test_lowest_share_holds_what_is_not_refused() -> None:
    k, n = [22, 15, 25, 17], [25, 20, 25, 25]
    wrong = [1 - a / b for a, b in zip(k, n, strict=True)]
    m, worst = max(wrong), int(np.argmax(wrong))

    def at_most(m: float, theta: float, others: list[float]) -> float:
        product = 1.0
        for i in range(4):
            true = theta if i == worst else min(others[i], theta)
            error = max(math.sqrt(true * (1 - true) / n[i]), 1e-12)
            product *= normal((m - true) / error)
        return product

    def spread(i: int, a: float, b: float) -> float:
        return math.sqrt(a * (1 - a) / n[i] + b * (1 - b) / n[worst])

    near = [min(m, wrong[i] + ALLOWANCE * spread(i, wrong[i], m)) for i in range(4)]
    low, high = [], []
    for theta in np.arange(0.001, 1, 0.001):
        if theta >= m and at_most(m, theta, wrong) >= 0.025:
            high.append(theta)
        if theta <= m and 1 - at_most(m, theta, near) >= 0.025:
            low.append(theta)
    got = lowest_share(np.array(k), np.array(n))
    assert got == pytest.approx((1 - max(high), 1 - min(low)), abs=0.001)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = np.array(draw(st.lists(st.integers(1, 200), min_size=4, max_size=4)))
    share = np.array(draw(st.lists(st.floats(0, 1), min_size=4, max_size=4)))
    whole = draw(st.booleans())
    share = share.round(3)
    return (np.floor(share * n) if whole else share * n).reshape(2, 2), n.reshape(2, 2)


@given(tables())
@example((np.zeros((2, 2)), np.array([[1, 1], [1, 5]])))
@settings(max_examples=25, deadline=None)
def test_intervals_lie_around_the_estimate_and_know_no_order(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    k, n = table
    share = k / n
    gap, worst = np.abs(np.diff(share)).max(), share.min()
    low, high = largest_gap(k, n)
    assert 0 <= low <= gap + 1e-12
    assert gap - 1e-12 <= high <= 1
    assert 0 <= unbiased_largest_gap(k, n) <= gap + 1e-12
    np.testing.assert_allclose(largest_gap(k[:, ::-1], n[:, ::-1]), (low, high), atol=1e-3)
    np.testing.assert_allclose(largest_gap(n - k, n), (low, high), atol=1e-3)
    low, high = lowest_share(k.ravel(), n.ravel())
    assert -1e-12 <= low <= worst + 1e-12
    assert worst - 1e-12 <= high <= 1
    low, high = wilson(k, n)
    assert ((low >= 0) & (low <= share) & (share <= high) & (high <= 1)).all()
    assert ((low == 0) == (k == 0)).all() or not (k % 1 == 0).all()


@given(tables())
@settings(max_examples=25, deadline=None)
def test_more_images_narrow_the_interval(table: tuple[np.ndarray, np.ndarray]) -> None:
    k, n = table
    once, more = largest_gap(k, n), largest_gap(9 * k, 9 * n)
    assert more[1] - more[0] <= once[1] - once[0] + 1e-8
    once, more = lowest_share(k.ravel(), n.ravel()), lowest_share(9 * k.ravel(), 9 * n.ravel())
    assert more[1] - more[0] <= once[1] - once[0] + 1e-8


def test_many_tables_at_once_are_the_same_as_one_at_a_time() -> None:
    k, n = (np.array(part, dtype=float) for part in zip(*TABLES, strict=True))
    together = np.array(largest_gap(k, n))
    for i in range(len(k)):
        np.testing.assert_allclose(together[:, i], largest_gap(k[i], n[i]), atol=1e-12)


@pytest.mark.parametrize(
    ("rates", "images"),
    [
        ([[0.8, 0.8], [0.2, 0.2]], 150),
        ([[0.8, 0.9], [0.2, 0.3]], 56),
        ([[0.3, 0.9], [0.1, 0.7]], 56),
        ([[0.8, 0.8], [0.2, 0.3]], 25),
    ],
)
def test_how_often_equalized_odds_is_covered(rates: list[list[float]], images: int) -> None:
    """93 to 97 % give or take three standard errors; percentiles of the bootstrap cover 0 to 89."""
    true = np.abs(np.diff(rates)).max()
    k = np.random.default_rng(4).binomial(images, rates, (1000, 2, 2))
    n = np.full(k.shape, images)
    low, high = largest_gap(k, n)
    covered = np.mean((low <= true + 1e-9) & (high >= true - 1e-9))
    assert 0.91 < covered < 0.985
    estimate = np.abs(np.diff(k / n)).max(axis=(1, 2))
    better = unbiased_largest_gap(k, n)
    assert abs(better.mean() - true) < estimate.mean() - true
