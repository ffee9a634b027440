"""The leaderboard: ranks, who has none, means over seeds, and where its columns come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from made_tables import cell_metrics, chosen, compared, one
from rightreasons.core.registry import Component
from rightreasons.metrics import METRICS
from rightreasons.tables.leaderboard import leaderboard
from rightreasons.tables.parameters import Described
from rightreasons.tables.schema import TABLES, conform

DESCRIBED = {
    name: Described(kind=name, preset="default", control_of=None, uses_protected="never")
    for name in made.METHODS
}
TESTS = compared(made.comparing_of(), made.predictions(), made.images())


def board_of(cells: pd.DataFrame) -> pd.DataFrame:
    return leaderboard(cells, TESTS, tuple(made.METHODS), "vanilla", DESCRIBED)


def ranks(board: pd.DataFrame, level: float = 0.0, explainer: str = "lrp") -> dict[str, Any]:
    part = chosen(board, level=level, explainer=explainer)
    return dict(zip(part["method"], part["rank"].astype(object), strict=True))


def test_rank_is_by_equalized_odds_with_ties() -> None:
    odds = {"vanilla": 0.4, "finetune": 0.1, "same": 0.1, "thropt": 0.2, "worse": 0.5}
    board = board_of(cell_metrics(odds))
    for level in (0.0, 0.5):
        for explainer in ("lrp", "ig"):
            got = ranks(board, level, explainer)
            assert got == {"finetune": 1, "same": 1, "thropt": 3, "vanilla": 4, "worse": 5}
            assert list(got) == ["finetune", "same", "thropt", "vanilla", "worse"]
    conform(board, TABLES["leaderboard"])


def test_a_collapsed_method_is_never_ranked() -> None:
    """Not even with the best of all equalized odds, and if it collapsed with one seed only."""
    odds = {"vanilla": 0.4, "finetune": 0.0, "same": 0.0, "thropt": 0.2}
    collapsed = (("finetune", 0), ("finetune", 1), ("same", 1))
    board = board_of(cell_metrics(odds, collapsed))
    got = ranks(board)
    assert got["thropt"] == 1
    assert got["vanilla"] == 2
    assert got["finetune"] is pd.NA
    assert got["same"] is pd.NA
    assert list(got) == ["thropt", "vanilla", "finetune", "same"]
    row = chosen(board, level=0.0, explainer="lrp").set_index("method")
    assert row["n_collapsed"].to_dict() == {"thropt": 0, "vanilla": 0, "finetune": 2, "same": 1}


def test_a_method_without_the_number_that_ranks_is_not_ranked() -> None:
    odds = {"vanilla": 0.4, "finetune": np.nan, "thropt": 0.2}
    got = ranks(board_of(cell_metrics(odds)))
    assert got["finetune"] is pd.NA
    assert got["vanilla"] == 2


def test_controls_and_noise_have_no_rank_and_take_none() -> None:
    """Not even with the best of all equalized odds: methods are ranked as if they were not."""
    described = {
        **DESCRIBED,
        "same": DESCRIBED["same"].model_copy(update={"control_of": "worse", "preset": "tuned"}),
        "thropt": DESCRIBED["thropt"].model_copy(update={"noise": True}),
    }
    odds = {"vanilla": 0.4, "finetune": 0.1, "same": 0.0, "thropt": 0.05, "worse": 0.5}
    board = leaderboard(cell_metrics(odds), TESTS, tuple(made.METHODS), "vanilla", described)
    got = ranks(board)
    assert {m: got[m] for m in ("finetune", "vanilla", "worse")} == {
        "finetune": 1,
        "vanilla": 2,
        "worse": 3,
    }
    assert got["same"] is pd.NA
    assert got["thropt"] is pd.NA
    assert list(got) == ["finetune", "vanilla", "worse", "same", "thropt"]
    control = one(board, level=0.5, explainer="lrp", method="same")
    assert (control["control_of"], control["preset"]) == ("worse", "tuned")
    assert control["equalized_odds"] == pytest.approx(0.005)
    conform(board, TABLES["leaderboard"])


def test_rows_are_means_over_seeds() -> None:
    board = board_of(cell_metrics({"vanilla": 0.4, "worse": 0.5}))
    row = one(board, level=0.5, explainer="lrp", method="worse")
    assert row["equalized_odds"] == pytest.approx(0.505)
    margin = 12.7062 * 0.01 / 2  # t quantile with 1 degree of freedom times sd / sqrt 2
    assert row["equalized_odds_low"] == pytest.approx(0.505 - margin, abs=1e-4)
    assert row["equalized_odds_high"] == pytest.approx(0.505 + margin, abs=1e-4)
    assert (row["rrf"], row["adr"], row["rddt"]) == pytest.approx((0.8, 1.0, 0.5))
    assert row["n_seeds"] == 2
    assert np.isnan(row["twin_flip_rate"])
    paired = one(TESTS, level=0.5, method="worse", reference="vanilla", metric="equalized_odds")
    assert row["equalized_odds_change"] == paired["effect"]
    assert row["equalized_odds_change_p"] == paired["p_holm"]
    first = one(board, level=0.5, explainer="lrp", method="vanilla")
    assert np.isnan(first["equalized_odds_change"])


def test_one_seed_keeps_its_bootstrap_interval_within_bounds() -> None:
    board = board_of(cell_metrics({"vanilla": 0.02}, seeds=1))
    row = one(board, level=0.0, explainer="ig")
    assert row["equalized_odds_low"] == 0
    assert row["equalized_odds_high"] == pytest.approx(0.07)


COLUMNS = [
    *("kind", "preset", "control_of", "uses_protected", "noise"),
    *("rank", "equalized_odds", "equalized_odds_low", "equalized_odds_high"),
    *("accuracy", "worst_group_accuracy", "rrf", "adr", "dif", "rddt", "twin_flip_rate"),
    *("equalized_odds_change", "equalized_odds_change_p", "n_seeds", "n_collapsed", "run"),
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
    register(monkeypatch, "precision", "accuracy", order=12)
    register(monkeypatch, "peak", "rrf", order=13)
    register(monkeypatch, "flips", "twin_flip_rate", order=14)
    assert columns()[9:17] == [
        *("accuracy", "worst_group_accuracy", "precision"),
        *("rrf", "adr", "dif", "rddt", "peak"),
    ]
    images = pd.concat([made.images(), made.images("peak")], ignore_index=True)
    first = chosen(made.predictions(), level=0.0)
    tests = compared(made.comparing_of(), first, images)
    for name, like in {"precision": "accuracy", "peak": "rrf", "flips": "twin_flip_rate"}.items():
        new, old = (chosen(tests, metric=metric)["effect"].tolist() for metric in (name, like))
        assert new == old
        assert len(new) == 7
    cells = cell_metrics({"vanilla": 0.4, "worse": 0.5})
    more = [
        cells[cells["metric"] == like].assign(metric=name)
        for name, like in (("precision", "accuracy"), ("peak", "rrf"))
    ]
    board = leaderboard(
        pd.concat([cells, *more], ignore_index=True),
        tests,
        tuple(made.METHODS),
        "vanilla",
        DESCRIBED,
    )
    assert board["precision"].tolist() == board["accuracy"].tolist()
    assert board["peak"].tolist() == board["rrf"].tolist()
    assert conform(board, TABLES["leaderboard"])["flips"].null_count == len(board)


def test_another_metric_may_rank_and_higher_may_be_better(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "wellness", "accuracy", order=0, plays=("rank",), bounds=(0, 2))
    cells = cell_metrics({"vanilla": 0.4, "finetune": 0.1, "worse": 0.5})
    mine = cells[cells["metric"] == "equalized_odds"].assign(metric="wellness")
    board = board_of(pd.concat([cells, mine], ignore_index=True))
    assert ranks(board) == {"worse": 1, "vanilla": 2, "finetune": 3}
    assert columns()[5:10] == [
        *("rank", "wellness", "wellness_low", "wellness_high", "equalized_odds"),
    ]
    assert set(columns()[-5:-3]) == {"wellness_change", "wellness_change_p"}
