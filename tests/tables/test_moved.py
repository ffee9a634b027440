"""Thresholds that cost no training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rightreasons.tables.moved import base_rate, moved, youden

RNG = np.random.default_rng(4)


def predictions(threshold: float = 0.5) -> pd.DataFrame:
    target = RNG.integers(0, 2, 120)
    score = np.clip(0.3 * target + 0.4 * RNG.random(120), 0, 1)
    twin = np.where(np.arange(120) % 3 == 0, np.nan, RNG.random(120))
    return pd.DataFrame(
        {
            "role": np.repeat(["debias", "select", "test"], 40),
            "target": target,
            "score": score,
            "chance": (score >= threshold).astype(float),
            "twin_score": twin,
            "twin_chance": np.where(np.isnan(twin), np.nan, twin >= threshold),
        }
    )


def test_the_base_rate_is_met_on_debias_images() -> None:
    table = predictions()
    debias, found = table[table["role"] == "debias"], moved(table, "base_rate")
    threshold = base_rate(debias["score"].to_numpy(), debias["target"].to_numpy())
    assert (debias["score"] >= threshold).sum() == debias["target"].sum()
    assert len(found) == 40
    assert (found["chance"] == (found["score"] >= threshold)).all()
    known = found["twin_score"].notna()
    assert (found["twin_chance"] == (found["twin_score"] >= threshold))[known].all()
    assert found["twin_chance"].isna()[~known].all()
    assert base_rate(np.array([0.2, 0.7]), np.array([0, 0])) > 1
    assert base_rate(np.array([0.2, 0.7]), np.array([1, 1])) == 0


def test_youden_is_the_best_of_all_thresholds() -> None:
    table = predictions()
    select = table[table["role"] == "select"]
    score, target = select["score"].to_numpy(), select["target"].to_numpy()

    def balanced(threshold: float) -> float:
        decided = score >= threshold
        return float((decided[target == 1].mean() + (~decided)[target == 0].mean()) / 2)

    threshold = youden(score, target)
    assert balanced(threshold) == pytest.approx(max(map(balanced, np.linspace(0, 1, 3001))))
    chance = moved(table, "youden")["chance"]
    test = table[table["role"] == "test"]
    assert (chance == (test["score"] >= threshold)).all()


@pytest.mark.parametrize("policy", ["base_rate", "youden"])
def test_a_model_that_chose_its_threshold_keeps_it(policy: str) -> None:
    table = predictions(threshold=0.4)
    pd.testing.assert_frame_equal(moved(table, policy), table[table["role"] == "test"])


def test_by_default_nothing_is_moved() -> None:
    table = predictions()
    pd.testing.assert_frame_equal(moved(table, "own"), table[table["role"] == "test"])
