"""Which level-0 models judge a claim, and how: rows made up, the rule written slowly."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from rightreasons.tables.claims import Calling, call, of_itself

KEY = {"study": "s", "dataset": "d", "design": "phi", "explainer": "lrp", "metric": "rrf"}
METHODS = ("vanilla", "tuned")


def cells(
    seeds: int = 3, levels: tuple[float, ...] = (0.0, 1.0), task: str = "a", **changes: Any
) -> pd.DataFrame:
    rng = np.random.default_rng(seeds)
    rows = [
        {**KEY, "task": task, "level": level, "seed": seed, "method": method, "shown": "with"}
        for level, seed, method in itertools.product(levels, range(seeds), METHODS)
    ]
    value = changes.pop("value", rng.uniform(0.1, 0.3, len(rows)))
    bounds = {"ci_low": value - 0.05, "ci_high": value + 0.05, "n": 20, "collapsed": False}
    return pd.DataFrame(rows).assign(value=value, **bounds, **changes)


def called(
    rows: pd.DataFrame, null: Any = "conformal", rate: float = 0.25, **regions: str
) -> pd.DataFrame:
    return call(
        rows, original="vanilla", controls=["random"], regions=regions, calling=Calling(rate, null)
    )


def slow_p(rows: pd.DataFrame, row: Any, sign: int = 1) -> float:
    """Count the level-0 models of other seeds (for a model above level 0: of all)."""
    said = []
    for other in rows.itertuples():
        if other.level == 0 and (row.level != 0 or other.seed != row.seed):
            said.append(sign * other.value >= sign * row.value)
    return (1 + sum(said)) / (len(said) + 1)


def test_a_level_0_model_is_judged_by_other_seeds_and_the_rest_by_all() -> None:
    rows = cells(5)
    got = called(rows)
    for before, after in zip(rows.itertuples(), got.itertuples(), strict=True):
        assert after.p_value == pytest.approx(slow_p(rows, before))
        assert after.null_models == (8 if before.level == 0 else 10)
        assert after.null_seeds == (4 if before.level == 0 else 5)
        assert after.called == (after.p_value <= 0.25)
    assert 0 < got["called"].sum() < len(got)


def test_metrics_that_claim_the_opposite_are_turned() -> None:
    rows = cells(5, metric="ccm", value=np.random.default_rng(0).uniform(0.1, 0.9, 20))
    got = called(rows)
    for before, after in zip(rows.itertuples(), got.itertuples(), strict=True):
        assert after.p_value == pytest.approx(slow_p(rows, before, -1))


def test_explainers_metrics_kinds_of_images_and_tasks_have_nulls_of_their_own() -> None:
    parts = [cells(4)]
    for name, other in [("explainer", "gradient"), ("metric", "mrr"), ("shown", "without")]:
        parts.append(cells(4).assign(**{name: other, "value": 9.0}))
    parts.append(cells(4, task="b").assign(value=9.0))
    alone, together = called(cells(4)), called(pd.concat(parts))
    assert together["p_value"].head(16).tolist() == alone["p_value"].tolist()


def test_a_task_without_level_0_borrows_from_its_region() -> None:
    rows = pd.concat([cells(4), cells(4, (1.0,), task="b"), cells(4, (1.0,), task="c")])
    got = called(rows, a="here", b="here", c="there").set_index("task")
    assert set(got.loc["b", "null_models"]) == {8}
    assert got.loc["b", "called"].notna().all()
    assert got.loc["c", "called"].isna().all()
    assert set(got.loc["c", "uncalled"]) == {"0 of 2 level-0 seeds"}
    own = called(cells(4))["p_value"].tolist()
    assert got.loc["a", "p_value"].tolist() == own


def test_auto_counts_ranks_where_seeds_are_enough_for_every_model() -> None:
    assert set(called(cells(3), "auto")["null"]) == {"student"}
    assert set(called(cells(4), "auto")["null"]) == {"conformal"}  # each has three others
    short = called(cells(3))
    assert short[short["level"] == 0]["called"].isna().all()
    assert set(short[short["level"] == 0]["uncalled"]) == {"2 of 3 level-0 seeds"}
    assert short[short["level"] == 1]["called"].notna().all()


def test_students_null_by_hand() -> None:
    rows = cells(4)
    rows = rows[rows["method"] == "vanilla"].reset_index(drop=True)
    got = called(rows, "student", 0.1)
    for row in got.itertuples():
        own = (row.level != 0) | (rows["seed"] != row.seed)
        null = rows[(rows["level"] == 0) & own]["value"]
        width = null.std() * np.sqrt(1 + 1 / len(null))
        assert row.p_value == pytest.approx(t.sf((row.value - null.mean()) / width, len(null) - 1))


def test_null_values_that_agree_leave_the_images_error() -> None:
    rows = cells(3)
    rows = rows[rows["method"] == "vanilla"].assign(value=0.0, ci_low=0.0, ci_high=0.0)
    rows = rows.reset_index(drop=True)
    rows.loc[3:, ["value", "ci_low", "ci_high"]] = [[0.05, -0.05, 0.15], [0.5, 0.3, 0.7], [1, 1, 1]]
    got = called(rows, "student", 0.1)
    assert got["called"].tolist() == [False, False, False, False, True, True]
    error = np.hypot(0.1 / 1.96, 0.05 / 21)  # its images', and one more at 0
    assert got["p_value"][3] == pytest.approx(t.sf(0.05 / error, 2))


def test_what_cannot_be_called_says_why() -> None:
    rows = cells(4)
    rows.loc[0, "value"] = np.nan
    got = called(rows)
    assert got.loc[0, "uncalled"] == "no value"
    assert pd.isna(got.loc[0, "called"])
    assert (got["uncalled"][1:] == "").all()
    assert (got["called"].notna() == (got["uncalled"] == "")).all()


def test_constant_classifiers_are_no_null() -> None:
    rows = cells(5)
    rows.loc[rows["method"] == "tuned", "collapsed"] = True
    assert set(called(rows)[lambda r: r["level"] == 1]["null_models"]) == {5}


def test_what_leaves_maps_alone_is_no_null_of_pairs_and_claims_nothing() -> None:
    rows = cells(5, metric="adr")
    rows = pd.concat([rows, rows[rows["method"] == "tuned"].assign(method="thresholds", value=0)])
    rows = rows.reset_index(drop=True)
    still = rows["method"] == "thresholds"
    rows.loc[still, ["ci_low", "ci_high"]] = 0.0
    rows.loc[rows["method"] == "tuned", "value"] -= 9  # all look there more
    got = called(rows)
    assert set(got[(got["level"] == 1) & ~still]["null_models"]) == {5}
    assert (got[still]["p_value"] == 1).all()
    assert not got[still]["called"].any()
    assert (got[got["method"] == "tuned"]["p_value"] == 1).all()  # more, not less
    assert set(got[got["method"] == "vanilla"]["uncalled"]) == {"compared with itself"}


def test_the_normal_model_beside_itself_says_nothing() -> None:
    rows = cells(4, metric="fam")
    rows.loc[(rows["level"] == 0) & (rows["method"] == "vanilla"), "value"] = 1.0
    assert of_itself(rows, "vanilla").sum() == 4
    got = called(rows)
    assert set(got[got["level"] == 1]["null_models"]) == {4}


def test_the_control_explainers_value_stands_beside() -> None:
    rows = pd.concat([cells(2), cells(2).assign(explainer="random", value=np.arange(8.0))])
    got = called(rows)
    assert got["chance"].tolist() == [*range(8), *range(8)]


@pytest.mark.parametrize(("seeds", "null"), [(4, "student"), (12, "conformal")])
def test_level_0_models_are_called_at_the_nominal_rate(seeds: int, null: str) -> None:
    """Made-up values with a part that models of a seed share, in 60 tasks."""
    rng = np.random.default_rng(seeds)
    parts = []
    for task in range(60):
        rows = cells(seeds, (0.0,), task=str(task))
        shared = rng.normal(size=seeds)[rows["seed"]]
        parts.append(rows.assign(value=shared + rng.normal(size=len(rows))))
    got = called(pd.concat(parts), null, 0.1)
    share, error = got["called"].mean(), np.sqrt(0.1 * 0.9 / (60 * seeds))
    assert abs(share - 0.1) < 3 * error
