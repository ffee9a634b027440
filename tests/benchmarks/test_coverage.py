"""The coverage tables are about the intervals that the suite reports."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rightreasons.core.seeds import numpy_rng
from rightreasons.statistics.bootstrap import percentile_interval, resample_counts
from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import coverage


def test_intervals_are_those_of_the_traits() -> None:
    rates = coverage.rates_of(coverage.SETTINGS[5])
    counts = coverage.drawn(rates, 25, 6, numpy_rng(0, "test"))
    assert counts.sum(axis=-1).tolist() == [[[25, 25], [25, 25]]] * 6
    for name, ends in {**coverage.OTHERS, "equalized_odds": coverage.of_odds}.items():
        np.testing.assert_allclose(coverage.one_by_one(name, counts), ends(counts), atol=1e-7)


def test_before_is_the_percentile_bootstrap() -> None:
    counts = coverage.drawn(coverage.rates_of(coverage.SETTINGS[5]), 25, 3, numpy_rng(0, "test"))
    (ends,) = coverage.percentiles(["equalized_odds"], counts, numpy_rng(1, "test"))
    sample = resample_counts(counts, rng=numpy_rng(1, "test"), replicates=coverage.REPLICATES)
    for i, drawn in enumerate(coverage.value("equalized_odds", sample).T):
        one = percentile_interval(0.5, drawn, n=100)
        assert (ends[0][i], ends[1][i]) == pytest.approx((one.low, one.high))


def test_coverage_counts_both_sides() -> None:
    low, high = np.array([0.1, 0.3, 0.0, 0.2]), np.array([0.3, 0.5, 0.1, 0.2])
    assert coverage.coverage((low, high), 0.2) == pytest.approx((0.5, 0.25, 0.25, 0.125))
