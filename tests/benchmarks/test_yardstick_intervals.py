"""The coverage of the yardstick's intervals is that of what they are about."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats as scipy_stats

from rightreasons.core.seeds import numpy_rng
from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import yardstick_intervals as bench


def test_made_up_studies_have_the_mean_that_is_sought() -> None:
    setting = bench.Setting((1,) * 40_000, 0.3, 0.2, 0.1)
    drawn, which = setting.drawn(numpy_rng(0, "test"))
    assert drawn.mean() == pytest.approx(setting.mean(), abs=0.01)
    assert len(np.unique(which)) == 40_000


def test_weights_of_datasets_with_the_same_variance_are_equal() -> None:
    y, which = np.array([0.1, 0.3, 0.5, 0.7, 0.2, 0.4]), np.repeat([0, 1, 2], 2)
    means = y.reshape(3, 2).mean(axis=1)
    ends = scipy_stats.t.interval(0.95, 2, means.mean(), scipy_stats.sem(means))
    assert bench.weighted(y, which, numpy_rng(0, "test")) == pytest.approx(ends)
    ends = scipy_stats.t.interval(0.95, 5, y.mean(), scipy_stats.sem(y))
    assert bench.tasks_alone(y, which, numpy_rng(0, "test")) == pytest.approx(ends)


def test_coverage_counts_studies() -> None:
    found = bench.coverage(bench.Setting((3, 3, 3), 0.5, 0.1, 0.1), studies=40)
    assert found["tasks as independent"][0] < found["ours"][0] <= 1
