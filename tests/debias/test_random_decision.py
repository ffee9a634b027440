"""Random decision: a coin at vanilla's rate, and what measures make of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.debias import METHODS, Debiased
from rightreasons.learning.predictions import collapsed, decide

METHOD = METHODS["random_decision"]


def run(scores: np.ndarray, seed: int = 1, **params: Any) -> Debiased:
    known = pd.DataFrame({"score": scores})
    context = SimpleNamespace(predictions=known, seed_of=lambda stream: seed)
    return METHOD.run(context, METHOD.params(**params))


def images(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "role": "test",
            "target": np.arange(n) % 2,
            "protected": np.arange(n) // 2 % 2,
            "score": rng.random(n),
            "twin_score": rng.random(n),
        }
    )


def test_the_coin_has_vanillas_rate_and_sees_nothing() -> None:
    result = run(np.array([0.1, 0.2, 0.5, 0.9, 0.45]))
    assert result.notes == {"share": pytest.approx(0.4)}
    assert result.model is None
    test = images(20_000)
    got = decide(test, result.decision)
    assert got["chance"].tolist() == got["decision"].tolist()
    for _, part in got.groupby(["target", "protected"]):
        assert part["decision"].mean() == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / 5000))
    assert (got["twin_decision"] == got["decision"]).all()
    assert abs(np.corrcoef(got["score"], got["decision"])[0, 1]) < 0.03
    other = decide(test.assign(score=1 - test["score"], protected=0), result.decision)
    assert other["decision"].tolist() == got["decision"].tolist()


def test_seeds_toss_other_coins() -> None:
    one, two = (decide(images(1000), run(np.array([0.4, 0.6]), s).decision) for s in (1, 2))
    assert 0.4 < (one["decision"] == two["decision"]).mean() < 0.6


def test_its_expectation_is_the_rate_itself() -> None:
    got = decide(images(100), run(np.array([0.4, 0.6, 0.7, 0.1]), lottery="expected").decision)
    assert set(got["chance"]) == set(got["twin_chance"]) == {0.5}
    assert set(got["decision"]) == {0, 1}
    assert not collapsed(got)


@pytest.mark.parametrize(("score", "always"), [(0.9, 1), (0.1, 0)])
def test_a_constant_vanilla_gives_a_constant_coin(score: float, always: int) -> None:
    got = decide(images(50), run(np.full(4, score)).decision)
    assert set(got["decision"]) == {always}
    assert collapsed(got)


def test_it_is_known_to_be_noise() -> None:
    assert [method.name for method in METHODS if method.traits["noise"]] == ["random_decision"]
