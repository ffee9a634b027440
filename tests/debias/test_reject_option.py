"""Reject option: the band image by image, its width by trying all, and who is deprived."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.debias import METHODS, Debiased
from rightreasons.learning.decisions import Decision

METHOD = METHODS["reject_option"]


def sample(seed: int, bias: float = 1.5, n: int = 120) -> pd.DataFrame:
    """Scores that favour group 1 where `bias` is above 0; group 1 has more positives."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    protected = np.where(rng.random(n) < 0.8, target, 1 - target)
    margin = 2 * target - 1 + bias * (protected - 0.5) + rng.normal(size=n)
    score = 1 / (1 + np.exp(-margin))
    return pd.DataFrame({"target": target, "protected": protected, "score": score})


def run(table: pd.DataFrame, **params: Any) -> Debiased:
    return METHOD.run(SimpleNamespace(predictions=table), METHOD.params(**params))


def decided(table: pd.DataFrame, result: Debiased) -> np.ndarray:
    ids = [str(k) for k in range(len(table))]
    return result.decision.decide(table["score"].to_numpy(), table["protected"].to_numpy(), ids)


def by_hand(table: pd.DataFrame, width: float, deprived: int) -> list[int]:
    """In the band the deprived group gets 1 and the other 0, outside all is as it was."""
    decisions = []
    for row in table.itertuples():
        if abs(row.score - 0.5) < width:
            decisions.append(int(row.protected == deprived))
        else:
            decisions.append(int(row.score >= 0.5))
    return decisions


def numbers(table: pd.DataFrame, decisions: list[int]) -> tuple[float, float]:
    """Return equalized odds and the mean accuracy of the cells."""
    rate = table.assign(d=decisions).groupby(["target", "protected"])["d"].mean()
    gap = max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))
    return gap, (rate[1, 0] + rate[1, 1] + 2 - rate[0, 0] - rate[0, 1]) / 4


@pytest.mark.parametrize("bias", [2.5, -2.5])
@pytest.mark.parametrize("width", [0.0, 0.05, 0.3])
def test_decisions_in_the_band_favour_the_deprived_group(width: float, bias: float) -> None:
    table = sample(0, bias)
    result = run(table, width=width)
    assert result.notes["deprived"] == (0 if bias > 0 else 1)
    assert decided(table, result).tolist() == by_hand(table, width, result.notes["deprived"])


def test_no_band_is_vanilla() -> None:
    table = sample(1)
    score = table["score"].to_numpy()
    vanilla = Decision().decide(score, score, [])
    assert decided(table, run(table, width=0.0)).tolist() == vanilla.tolist()


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_the_width_is_the_best_by_exhaustion(seed: int, tolerance: float) -> None:
    table = sample(seed)
    result = run(table, tolerance=tolerance, least_cell=1)
    deprived = result.notes["deprived"]
    distances = sorted({0.0, *(table["score"] - 0.5).abs()})
    widths = [0.0, *((low + high) / 2 for low, high in itertools.pairwise(distances))]
    tried = [(*numbers(table, by_hand(table, width, deprived)), width) for width in widths]
    floor = max(accuracy for _, accuracy, _ in tried) - tolerance
    gap, accuracy, width = min(
        (one for one in tried if one[1] >= floor - 1e-9),
        key=lambda one: (round(one[0], 9), -round(one[1], 9), one[2]),
    )
    assert result.notes["width"] == pytest.approx(width)
    assert result.notes["equalized_odds"] == pytest.approx(gap)
    assert result.notes["cell_accuracy"] == pytest.approx(accuracy)
    assert decided(table, result).tolist() == by_hand(table, width, deprived)


def test_who_is_deprived_is_no_matter_of_how_many_positives_a_group_has() -> None:
    """Group 1 has nearly all positives and is decided 1 more often, but less in each class."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 4000)
    protected = np.where(rng.random(4000) < 0.95, target, 1 - target)
    margin = 2 * target - 1 - 0.5 * protected + rng.normal(size=4000)
    score = 1 / (1 + np.exp(-margin))
    table = pd.DataFrame({"target": target, "protected": protected, "score": score})
    ones = (table["score"] >= 0.5).groupby(protected).mean()
    assert ones[1] > ones[0]
    assert run(table).notes["deprived"] == 1


def test_too_few_images_choose_no_width() -> None:
    table = sample(2)
    result = run(table, least_cell=1000)
    assert result.notes["too_few"]
    assert result.notes["width"] == 0
    assert run(table, least_cell=1000, width=0.2).notes["width"] == 0.2
