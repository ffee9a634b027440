"""The leaderboard: ranks, who has none, means over seeds, and where its columns come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from made_tables import cell_metrics, chosen, compared, one
from rightreasons.core.registry import Component
from rightreasons.metrics import HEADLINE, METRICS
from rightreasons.tables.leaderboard import leaderboard
from rightreasons.tables.parameters import Described
from rightreasons.tables.schema import TABLES, conform

DESCRIBED = {
    name: Described(kind=name, preset="default", control_of=None, uses_protected="never")
    for name in made.METHODS
}
TESTS = compared(made.comparing_of(), made.predictions(), made.images())
ALL = tuple(made.METHODS)


def board_of(
    cells: pd.DataFrame,
    tests: pd.DataFrame | None = None,
    described: dict[str, Described] = DESCRIBED,
) -> pd.DataFrame:
    return leaderboard(cells, means() if tests is None else tests, ALL, "vanilla", described)


def means(low: dict[str, float] | None = None) -> pd.DataFrame:
    """Return the tests, with the lower ends of the utility's interval over images replaced.

    Without, all methods tell more of the target than chance.
    """
    tests = TESTS.copy()
    mine = (tests["test"] == "mean") & (tests["metric"] == "cell_balanced_accuracy")
    mine &= tests["unit"] == "image"
    for method in ALL:
        tests.loc[mine & (tests["method"] == method), "ci_low"] = (low or {}).get(method, 0.6)
    return tests


def standing(board: pd.DataFrame, column: str, level: float = 0.0) -> dict[str, Any]:
    part = chosen(board, level=level, explainer="lrp")
    return dict(zip(part["method"], part[column], strict=True))


def test_the_front_comes_first_and_then_the_fairest() -> None:
    odds = {"vanilla": 0.4, "finetune": 0.1, "same": 0.1, "thropt": 0.2, "worse": 0.5}
    kept = {"vanilla": 0.8, "finetune": 0.7, "same": 0.7, "thropt": 0.6, "worse": 0.9}
    board = board_of(cell_metrics(odds, kept=kept))
    for level in (0.0, 0.5):
        front = standing(board, "front", level)
        # Equal numbers are both on the front; `thropt` is beaten in both numbers by two methods.
        assert list(front.items()) == [
            *(("finetune", True), ("same", True), ("vanilla", True), ("worse", True)),
            ("thropt", False),
        ]
    conform(board, TABLES["leaderboard"])


def test_the_front_by_brute_force() -> None:
    rng = np.random.default_rng(3)
    odds, kept = (dict(zip(ALL, rng.uniform(0.6, 0.9, 5), strict=True)) for _ in "ab")
    front = standing(board_of(cell_metrics(odds, kept=kept)), "front")
    for m in ALL:
        beaten = any(odds[o] < odds[m] and kept[o] > kept[m] for o in ALL)
        assert front[m] == (not beaten)


def test_a_collapsed_method_takes_no_part() -> None:
    """Not even with the best of all numbers, and if it collapsed with one seed only."""
    odds = {"vanilla": 0.4, "finetune": 0.0, "same": 0.0, "thropt": 0.2}
    collapsed = (("finetune", 0), ("finetune", 1), ("same", 1))
    board = board_of(cell_metrics(odds, collapsed))
    assert list(standing(board, "takes_part").items()) == [
        *(("thropt", True), ("vanilla", True), ("finetune", False), ("same", False)),
    ]
    assert standing(board, "front") == {
        **{"thropt": True, "vanilla": False, "finetune": False, "same": False},
    }
    assert standing(board, "n_collapsed") == {"thropt": 0, "vanilla": 0, "finetune": 2, "same": 1}


def test_a_method_without_the_number_takes_no_part() -> None:
    odds = {"vanilla": 0.4, "finetune": np.nan, "thropt": 0.2}
    got = standing(board_of(cell_metrics(odds)), "takes_part")
    assert got == {"thropt": True, "vanilla": True, "finetune": False}


def test_what_tells_no_more_than_chance_takes_no_part() -> None:
    """By its interval over images, or by one seed of several."""
    odds = {"vanilla": 0.4, "finetune": 0.0, "same": 0.01, "thropt": 0.2}
    cells = cell_metrics(odds)
    low_seed = (cells["method"] == "same") & (cells["seed"] == 1)
    low_seed &= cells["metric"] == "cell_balanced_accuracy"
    cells.loc[low_seed, "value"] = 0.49
    board = board_of(cells, means({"finetune": 0.499}))
    assert list(standing(board, "takes_part").items()) == [
        *(("thropt", True), ("vanilla", True), ("finetune", False), ("same", False)),
    ]


def test_a_guesser_and_a_coin_are_not_above_a_method_that_works() -> None:
    """The review's two fakes: P(1) = 0.06 and 0.5, without a look at the image."""
    rng, predictions = np.random.default_rng(0), made.predictions()
    for method, chance in (("finetune", 0.06), ("worse", 0.5)):
        mine = predictions["method"] == method
        decided = (rng.random(mine.sum()) < chance).astype(float)
        predictions.loc[mine, "chance"] = decided
    tests = compared(made.comparing_of(), predictions, made.images())
    board = leaderboard(cells_of(predictions), tests, ALL, "vanilla", DESCRIBED)
    for level in (0.0, 0.5):
        part = standing(board, "takes_part", level)
        assert (part["vanilla"], part["same"]) == (True, True)
        assert (part["finetune"], part["worse"]) == (False, False)
        assert set(list(part)[-2:]) == {"finetune", "worse"}
        odds = standing(board, "equalized_odds", level)
        assert odds["finetune"] < odds["vanilla"]  # as fair as can be, and worth nothing


def cells_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of predictions: fairness and utility by their definitions, and one map."""
    rows = []
    for key, part in predictions.groupby(["level", "seed", "method"]):
        cell = {**made.KEY, **dict(zip(("level", "seed", "method"), key, strict=True))}
        rate = part.groupby(["target", "protected"])["chance"].mean()
        odds = max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))
        kept = np.mean([rate[1, 0], rate[1, 1], 1 - rate[0, 0], 1 - rate[0, 1]])
        for metric, value in (("equalized_odds", odds), ("cell_balanced_accuracy", kept)):
            rows.append({**cell, "explainer": None, "metric": metric, "value": value})
        rows.append({**cell, "explainer": "lrp", "metric": "rrf", "value": 0.1})
    return pd.DataFrame(rows)


def test_controls_and_noise_take_no_part() -> None:
    described = {
        **DESCRIBED,
        "same": DESCRIBED["same"].model_copy(update={"control_of": "worse", "preset": "tuned"}),
        "thropt": DESCRIBED["thropt"].model_copy(update={"noise": True}),
    }
    odds = {"vanilla": 0.4, "finetune": 0.1, "same": 0.0, "thropt": 0.05, "worse": 0.5}
    board = board_of(cell_metrics(odds), described=described)
    got = standing(board, "takes_part")
    assert list(got.items()) == [
        *((m, True) for m in ("finetune", "vanilla", "worse")),
        *(("same", False), ("thropt", False)),
    ]
    assert standing(board, "front")["finetune"]
    control = one(board, level=0.5, explainer="lrp", method="same")
    assert (control["control_of"], control["preset"]) == ("worse", "tuned")
    assert control["equalized_odds"] == pytest.approx(0.005)
    conform(board, TABLES["leaderboard"])


def test_rows_are_means_over_seeds() -> None:
    board = board_of(cell_metrics({"vanilla": 0.4, "worse": 0.5}))
    row = one(board, level=0.5, explainer="lrp", method="worse")
    assert row["equalized_odds"] == pytest.approx(0.505)
    mean = one(TESTS, test="mean", unit="seed", level=0.5, method="worse", metric="equalized_odds")
    assert row["equalized_odds_low"] == max(mean["ci_low"], 0)
    assert row["equalized_odds_high"] == min(mean["ci_high"], 1)
    assert (row["rrf"], row["adr"], row["rddt"]) == pytest.approx((0.8, 1.0, 0.5))
    assert row["n_seeds"] == 2
    assert np.isnan(row["twin_flip_rate"])
    wanted = {"level": 0.5, "method": "worse", "reference": "vanilla", "unit": "seed"}
    paired = one(chosen(TESTS, test="paired"), metric="equalized_odds", **wanted)
    assert row["equalized_odds_change"] == paired["effect"]
    assert row["equalized_odds_change_low"] == paired["ci_low"]
    assert row["equalized_odds_change_p"] == paired["p_holm"]
    first = one(board, level=0.5, explainer="lrp", method="vanilla")
    assert np.isnan(first["equalized_odds_change"])


def test_one_seed_has_the_interval_over_images_and_nothing_by_seed() -> None:
    predictions, images = (chosen(t, seed=0) for t in (made.predictions(), made.images()))
    tests = compared(made.comparing_of(), predictions, images)
    board = board_of(cell_metrics({"vanilla": 0.02, "worse": 0.3}, seeds=1), tests)
    row = one(board, level=0.0, explainer="ig", method="vanilla")
    wanted = {"test": "mean", "method": "vanilla", "metric": "equalized_odds", "level": 0.0}
    by_image = one(tests, unit="image", **wanted)
    assert row["equalized_odds_low"] == by_image["ci_low"]
    assert row["equalized_odds_high"] == by_image["ci_high"]
    assert board["alike"].isna().all()
    assert board["equalized_odds_change_p"].isna().all()


def test_letters_are_those_of_pairs_that_differ() -> None:
    odds = {"vanilla": 0.4, "finetune": 0.1, "same": 0.2, "thropt": 0.3, "worse": 0.5}
    tests = means()
    every = (tests["test"] == "all pairs") & (tests["level"] == 0.0)
    tests.loc[every, "p_holm"] = 1.0
    apart = every & (tests["method"] == "finetune") & (tests["reference"] == "worse")
    tests.loc[apart, "p_holm"] = 0.01
    alike = standing(board_of(cell_metrics(odds), tests), "alike")
    assert alike == {"finetune": "a", "same": "ab", "thropt": "ab", "vanilla": "ab", "worse": "b"}


COLUMNS = [
    *("kind", "preset", "control_of", "uses_protected", "noise"),
    *("takes_part", "front", "alike"),
    *("equalized_odds", "equalized_odds_low", "equalized_odds_high"),
    *(f"cell_balanced_accuracy{end}" for end in ("", "_low", "_high")),
    *("worst_group_accuracy", "watched_equalized_odds"),
    *("rrf", "adr", "dif", "rddt", "twin_flip_rate", "watched_flip_rate"),
    *(f"equalized_odds_change{end}" for end in ("", "_low", "_high", "_p")),
    *("n_seeds", "n_collapsed", "run"),
]


def columns() -> list[str]:
    """Return the leaderboard's columns after the cell key."""
    names = [column.name for column in TABLES["leaderboard"].columns]
    return names[names.index("explainer") + 1 :]


def test_the_suites_own_columns() -> None:
    assert columns() == COLUMNS


def register(monkeypatch: pytest.MonkeyPatch, name: str, like: str, **traits: Any) -> None:
    """Register a metric that differs from another in its name and some traits."""
    METRICS.names()
    known = METRICS[like]
    metric = Component(
        name, known.run, known.params, name.title(), "none", {**known.traits, **traits}
    )
    monkeypatch.setitem(METRICS._components, name, metric)


def test_a_registered_headline_metric_has_its_column_and_its_tests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One file: `precision` is a copy of accuracy, `peak` one of rrf, `flips` of twins."""
    everywhere = {"headline": HEADLINE}
    register(monkeypatch, "precision", "accuracy", order=12, **everywhere)
    register(monkeypatch, "peak", "rrf", order=13)
    register(monkeypatch, "flips", "twin_flip_rate", order=14)
    assert columns()[14:22] == [
        *("worst_group_accuracy", "precision", "watched_equalized_odds"),
        *("rrf", "adr", "dif", "rddt", "peak"),
    ]
    images = pd.concat([made.images(), made.images("peak")], ignore_index=True)
    first = chosen(made.predictions(), level=0.0)
    tests = compared(made.comparing_of(), first, images)
    paired = chosen(tests, test="paired", unit="image")
    for name, like in {"precision": "accuracy", "peak": "rrf", "flips": "twin_flip_rate"}.items():
        new, old = (chosen(paired, metric=m)["effect"].tolist() for m in (name, like))
        assert new == old
        assert len(new) == 7
    cells = cell_metrics({"vanilla": 0.4, "worse": 0.5})
    more = [
        cells[cells["metric"] == like].assign(metric=name)
        for name, like in (("precision", "worst_group_accuracy"), ("peak", "rrf"))
    ]
    board = leaderboard(
        pd.concat([cells, *more], ignore_index=True),
        tests,
        tuple(made.METHODS),
        "vanilla",
        DESCRIBED,
    )
    assert board["precision"].tolist() == board["worst_group_accuracy"].tolist()
    assert board["peak"].tolist() == board["rrf"].tolist()
    assert conform(board, TABLES["leaderboard"])["flips"].null_count == len(board)


def test_another_metric_may_be_the_fairness_and_higher_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traits = {"order": 0, "plays": ("rank",), "bounds": (0, 2), "headline": HEADLINE}
    register(monkeypatch, "wellness", "accuracy", **traits)
    cells = cell_metrics({"vanilla": 0.4, "finetune": 0.1, "worse": 0.5})
    mine = cells[cells["metric"] == "equalized_odds"].assign(metric="wellness")
    tests = pd.concat([means(), means().replace({"metric": {"equalized_odds": "wellness"}})])
    board = board_of(pd.concat([cells, mine], ignore_index=True), tests)
    assert list(standing(board, "front").items()) == [
        *(("worse", True), ("vanilla", False), ("finetune", False)),
    ]
    assert columns()[8:11] == ["wellness", "wellness_low", "wellness_high"]
    assert "wellness_change_p" in columns()
