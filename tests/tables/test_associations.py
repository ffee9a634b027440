"""Associations: the slope that was put in, cells that are left out, other metrics by trait."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from made_tables import cell_metrics, one
from rightreasons.metrics import METRICS
from rightreasons.tables.associations import associations
from rightreasons.tables.schema import TABLES, conform


def random_cells(seeds: int = 6) -> pd.DataFrame:
    """Cells in which equalized odds fall with ADR: change = -ADR / 2 + noise."""
    rng = np.random.default_rng(1)
    parts = []
    for seed in range(seeds):
        odds = {m: float(rng.random()) for m in ("vanilla", "finetune", "same")}
        part = cell_metrics(odds, seeds=1).assign(seed=seed)
        for method in ("finetune", "same"):
            shift = float(rng.random())
            mine = part["method"] == method
            noise = float(rng.normal(0, 0.02))
            part.loc[mine & (part["metric"] == "adr"), "value"] = shift
            part.loc[mine & (part["metric"] == "equalized_odds"), "value"] = (
                odds["vanilla"] - shift / 2 + noise
            )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


CELLS = random_cells()


def test_associations_find_the_slope() -> None:
    table = associations(CELLS, "vanilla")
    row = one(table, explainer="lrp", predictor="adr", model="regression")
    assert row["estimate"] == pytest.approx(-0.5, abs=0.1)
    assert row["n"] == 6 * 2 * 2  # seeds, levels, methods without vanilla
    spearman = one(table, explainer="lrp", predictor="adr", model="spearman")
    assert spearman["estimate"] < -0.9
    assert table["predictor"].drop_duplicates().tolist() == ["adr", "rrf_change"]
    assert set(table["outcome"]) == {"equalized_odds_change"}
    assert set(table["explainer"]) == {"lrp", "ig"}
    conform(table, TABLES["associations"])


def test_changes_are_against_the_original_whatever_it_is_called() -> None:
    renamed = CELLS.replace({"method": {"vanilla": "plain"}})
    pd.testing.assert_frame_equal(associations(renamed, "plain"), associations(CELLS, "vanilla"))


@pytest.mark.parametrize(("method", "left"), [("same", 22), ("vanilla", 20)])
def test_associations_leave_out_collapsed_cells(method: str, left: int) -> None:
    """Where vanilla collapsed, nothing can be compared with it."""
    broken = CELLS.copy()
    place = (broken["method"] == method) & (broken["seed"] == 2)
    broken.loc[place & (broken["metric"] == "collapsed_prediction"), "value"] = 1.0
    broken.loc[place & broken["metric"].isin(["adr", "equalized_odds"]), "value"] = 50.0
    table = associations(broken, "vanilla")
    row = one(table, explainer="lrp", predictor="adr", model="regression")
    assert row["n"] == left
    assert row["estimate"] == pytest.approx(-0.5, abs=0.1)


def test_associations_of_the_original_alone_are_none() -> None:
    table = associations(cell_metrics({"vanilla": 0.3}), "vanilla")
    assert len(table) == 0
    conform(table, TABLES["associations"])


def test_a_metric_that_plays_an_outcome_is_related_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plays = METRICS["accuracy"].traits["plays"]
    monkeypatch.setitem(METRICS["accuracy"].traits, "plays", (*plays, "outcome"))
    cells = CELLS.copy()
    odds = cells.loc[cells["metric"] == "equalized_odds", "value"].to_numpy()
    cells.loc[cells["metric"] == "accuracy", "value"] = -3 * odds
    table = associations(cells, "vanilla")
    own = {"explainer": "ig", "predictor": "adr", "model": "regression"}
    one_slope, other = (
        one(table, outcome=f"{name}_change", **own)["estimate"]
        for name in ("equalized_odds", "accuracy")
    )
    assert other == pytest.approx(-3 * one_slope)
