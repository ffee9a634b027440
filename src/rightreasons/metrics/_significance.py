"""The one-sided tests of RDDT and DET: whether the mean of one number per image is above zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.statistics.student import t_test, wilcoxon_test

Array = np.ndarray


class TestParams(Params):
    """Parameters of a significance test."""

    __test__ = False  # no test case for pytest

    alpha: float = Field(0.01, gt=0, lt=1, description="Significant where p is below this level.")


@dataclass(frozen=True)
class TestResult:
    """A one-sided one-sample test of mean(d) > 0.

    Parameters
    ----------
    value
        1.0 where p_value < alpha, else 0.0; NaN with fewer than two images.
    statistic, p_value
        Of the t-test.
    n
        Images.
    effect
        The mean of d.
    wilcoxon_statistic, wilcoxon_p
        Of the signed-rank test, one-sided likewise.
    """

    __test__ = False  # no test case for pytest

    value: float
    statistic: float
    p_value: float
    n: int
    effect: float
    wilcoxon_statistic: float
    wilcoxon_p: float


def mean_above_zero(differences: Array, *, alpha: float) -> TestResult:
    """Test whether a mean is above zero.

    Parameters
    ----------
    differences : (N,)
        Missing ones (NaN) are left out.
    alpha : in (0, 1)
        Significant where p is below it.
    """
    d = differences[~np.isnan(differences)]
    statistic, p = t_test(d, alternative="greater")
    rank_sum, rank_p = wilcoxon_test(d, alternative="greater")
    value = float(p < alpha) if len(d) > 1 else np.nan
    effect = float(d.mean()) if len(d) else np.nan
    return TestResult(value, statistic, p, len(d), effect, rank_sum, rank_p)
