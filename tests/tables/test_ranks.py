"""Methods over tasks, levels and seeds: the tables `ranks`, `improvement` and `profiles`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean

from made_tables import one
from rightreasons.statistics.mixed import COLUMNS
from rightreasons.tables.parameters import Ranking
from rightreasons.tables.ranks import over_blocks, ranked_metrics
from rightreasons.tables.runs import runs_of
from rightreasons.tables.schema import TABLES, conform

METHODS = ("vanilla", "finetune", "zhang", "random_decision")
BLOCKS = [("a", 0.0), ("a", 0.9), ("b", 0.0), ("b", 0.9)]
SEEDS = (3, 5, 8)
WORTH = {"vanilla": 0.5, "finetune": 0.45, "zhang": 0.3, "random_decision": 0.1}


def cells(*, blocks: Any = BLOCKS, seeds: Any = SEEDS, methods: Any = METHODS) -> pd.DataFrame:
    """Return cells whose equalized odds and accuracy are those of WORTH, but for noise."""
    rng, rows = np.random.default_rng(0), []
    for task, level in blocks:
        for seed in seeds:
            for method in methods:
                key = {"study": "s", "dataset": "d", "task": task, "design": "phi", "level": level}
                key |= {"seed": seed, "method": method, "explainer": None}
                value = WORTH.get(method, 0.45) + 0.1 * rng.uniform()
                numbers = {
                    "equalized_odds": value,
                    "worst_group_accuracy": value,
                    "collapsed_prediction": 0.0,
                }
                numbers["cell_balanced_accuracy"] = 0.7
                rows += [
                    {**key, "metric": m, "value": v, "ci_low": v - 0.1} for m, v in numbers.items()
                ]
                rows.append({**key, "explainer": "lrp", "metric": "rrf", "value": 0.5})
    return pd.DataFrame(rows)


def ranking(methods: tuple[str, ...] = METHODS, replicates: int = 60) -> Ranking:
    return Ranking(study="s", methods=methods, noise=("random_decision",), original="vanilla",
                   replicates=replicates)  # fmt: skip


def changed(table: pd.DataFrame, value: float, **where: Any) -> pd.DataFrame:
    """Return the cells with another value in the rows that are chosen."""
    chosen = (table[list(where)] == list(where.values())).all(axis=1)
    assert chosen.any()
    return table.assign(value=table["value"].mask(chosen, value))


@pytest.fixture
def unmodelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the mixed model out, which takes its time."""
    none = pd.DataFrame(columns=COLUMNS)
    monkeypatch.setattr("rightreasons.tables.ranks.method_effects", lambda *_: none)


QUICK = pytest.mark.usefixtures("unmodelled")


@pytest.fixture(scope="module")
def made() -> dict[str, pd.DataFrame]:
    return over_blocks(cells(), ranking())


@pytest.mark.parametrize("name", ["ranks", "improvement", "profiles"])
def test_rows_fit_their_tables(made: dict[str, pd.DataFrame], name: str) -> None:
    conform(made[name], TABLES[name])
    assert set(made[name]["metric"]) == {
        *("cell_balanced_accuracy", "equalized_odds", "worst_group_accuracy")
    }
    assert (made[name]["noise"] == (made[name]["method"] == "random_decision")).all()


def test_metrics_are_the_leaderboards_of_predictions_and_twins() -> None:
    assert {"equalized_odds", "worst_group_accuracy", "twin_flip_rate"} <= set(ranked_metrics())
    assert not {"rrf", "rddt", "auroc"} & set(ranked_metrics())


@QUICK
def test_blocks_are_means_over_seeds_and_seeds_are_no_blocks(made: dict[str, pd.DataFrame]) -> None:
    """Five times the seeds are more runs, and just as many blocks."""
    row = one(made["ranks"], metric="worst_group_accuracy", method="zhang")
    table = cells()
    table = table[table["metric"] == "worst_group_accuracy"]
    means = table.groupby(["task", "level", "method"])["value"].mean().unstack()
    assert row["mean_rank"] == means.rank(axis=1, ascending=False)["zhang"].mean()
    assert (row["blocks"], row["runs"]) == (4, 12)
    many = over_blocks(cells(seeds=range(15)), ranking())["ranks"]
    more = one(many, metric="worst_group_accuracy", method="zhang")
    assert (more["blocks"], more["runs"]) == (4, 60)
    assert more["friedman"] == row["friedman"] == pytest.approx(12)  # the same order everywhere
    assert more["critical_difference"] == row["critical_difference"]


def test_the_direction_of_better_decides_who_is_first(made: dict[str, pd.DataFrame]) -> None:
    for metric, first in (
        ("equalized_odds", "random_decision"),
        ("worst_group_accuracy", "vanilla"),
    ):
        rows = made["ranks"][made["ranks"]["metric"] == metric]
        assert rows["method"].iloc[0] == first
        assert rows["mean_rank"].iloc[0] == 1
        assert rows["mean_rank"].is_monotonic_increasing


def test_middle_pairs_and_profile_are_of_all_runs(made: dict[str, pd.DataFrame]) -> None:
    table = cells().query("metric == 'equalized_odds'").set_index(["task", "level"])
    ours, theirs = (table[table["method"] == m] for m in ("finetune", "vanilla"))
    row = one(made["ranks"], metric="equalized_odds", method="finetune")
    assert row["iqm"] == pytest.approx(trim_mean(ours["value"], 0.25))
    assert row["iqm_low"] < row["iqm"] < row["iqm_high"]
    wins = [
        np.less.outer(*(t.loc[b, "value"].to_numpy() for t in (ours, theirs))).mean()
        for b in BLOCKS
    ]
    pair = one(made["improvement"], metric="equalized_odds", method="finetune", other="vanilla")
    assert pair["probability"] == pytest.approx(np.mean(wins))
    other = one(made["improvement"], metric="equalized_odds", method="vanilla", other="finetune")
    assert other["probability"] == pytest.approx(1 - pair["probability"])
    assert other["wilcoxon_p"] == pair["wilcoxon_p"]
    lines = made["profiles"].query("metric == 'equalized_odds' and method == 'finetune'")
    expected = [(ours["value"] < tau).mean() for tau in lines["tau"]]
    assert lines["share"].tolist() == pytest.approx(expected)
    assert (lines["share_low"] <= lines["share"]).all()


@QUICK
def test_chance_ranks_last_in_fairness_however_fair_it_is() -> None:
    """The review's coin, in two ways: one seed at chance, or intervals that reach it."""
    fair = {"method": "random_decision", "metric": "cell_balanced_accuracy"}
    for table in (
        changed(changed(cells(), 0.5, **fair, seed=5), 0.49, **fair, seed=3),
        cells().assign(ci_low=lambda t: t["ci_low"].mask(t["method"] == fair["method"], 0.49)),
    ):
        found = over_blocks(table, ranking())["ranks"]
        coin = one(found, metric="equalized_odds", method="random_decision")
        assert coin["mean_rank"] == 4
        assert coin["collapsed"] == len(BLOCKS) * len(SEEDS)
        assert one(found, metric="equalized_odds", method="zhang")["mean_rank"] == 1


def test_a_collapsed_method_ranks_last_where_less_is_better_and_as_it_is_elsewhere() -> None:
    """Zhang's gap is 0 with one seed of one block, as it always decides the same."""
    where = {"method": "zhang", "task": "a", "level": 0.9, "seed": 5}
    table = changed(cells(), 0.0, **where, metric="equalized_odds")
    fair = over_blocks(table, ranking())["ranks"]
    table = changed(table, 1.0, **where, metric="collapsed_prediction")
    found = over_blocks(table, ranking())
    before, after = (
        one(t, metric="equalized_odds", method="zhang") for t in (fair, found["ranks"])
    )
    assert before["mean_rank"] == 2
    assert after["mean_rank"] == (2 + 2 + 2 + 4) / 4
    assert (before["collapsed"], after["collapsed"]) == (0, 1)
    assert after["iqm"] > before["iqm"]
    assert after["effect_model"] == "none: it collapsed in some runs"
    assert np.isnan(after["effect"])
    assert np.isfinite(one(found["ranks"], metric="worst_group_accuracy", method="zhang")["effect"])
    same = [
        one(t, metric="worst_group_accuracy", method="zhang")["mean_rank"]
        for t in (fair, found["ranks"])
    ]
    assert same[0] == same[1]
    runs = runs_of(table, "equalized_odds", ranking())
    assert runs is not None
    assert runs.values[2, 1].tolist()[1] == runs.worst == 1.0


@QUICK
@pytest.mark.parametrize(
    ("blocks", "methods", "said"),
    [
        (BLOCKS[:2], METHODS, "no tests over blocks: 2 blocks and 4 methods, 3 of each are needed"),
        (BLOCKS, METHODS[:2], "no tests over blocks: 4 blocks and 2 methods, 3 of each are needed"),
        (BLOCKS, METHODS, "Wilcoxon with Holm cannot tell any pair apart: 4 blocks and 4 methods "
         "give p >= 0.75"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_is_missing_and_said(blocks: Any, methods: Any, said: str) -> None:
    found = over_blocks(cells(blocks=blocks), ranking(methods, replicates=5))
    assert (found["ranks"]["note"] == said).all()
    tested = "Wilcoxon" in said
    for column in ("friedman", "friedman_p", "critical_difference"):
        assert found["ranks"][column].notna().all() == tested
    assert found["improvement"]["nemenyi_p"].notna().all() == tested
    assert found["ranks"][["mean_rank", "iqm", "iqm_low"]].notna().all(axis=None)


@QUICK
def test_one_seed_has_no_intervals_over_runs() -> None:
    found = over_blocks(cells(seeds=(3,)), ranking())
    assert found["ranks"]["note"].str.contains("no intervals over runs: a task has one seed").all()
    assert found["ranks"]["iqm"].notna().all()
    assert found["ranks"]["iqm_low"].isna().all()
    assert found["improvement"]["probability_low"].isna().all()
    assert found["profiles"]["share_high"].isna().all()


@pytest.mark.filterwarnings("error")
def test_a_study_of_one_cell_has_numbers_and_no_tests() -> None:
    found = over_blocks(cells(blocks=BLOCKS[:1], seeds=(3,)), ranking())["ranks"]
    assert found["effect"].notna().sum() == 3 * 3
    assert found[["effect_low", "effect_p"]].isna().all(axis=None)
    only = over_blocks(cells(methods=("vanilla",)), ranking())
    assert all(table.empty for table in only.values())


@QUICK
def test_a_method_that_is_not_in_every_block_is_named_and_not_ranked() -> None:
    """Zhang is of one task only; a third task, of vanilla alone, has nothing to rank."""
    table = cells(blocks=[*BLOCKS, ("c", 0.0)])
    table = table[(table["method"] != "zhang") | (table["task"] == "a")]
    table = table[(table["method"] == "vanilla") | (table["task"] != "c")]
    found = over_blocks(table, ranking())
    row = one(found["ranks"], metric="worst_group_accuracy", method="zhang")
    assert row["note"] == "not ranked: no number in 2 of 4 blocks"
    assert np.isnan(row["mean_rank"])
    assert one(found["ranks"], metric="worst_group_accuracy", method="finetune")["blocks"] == 4
    assert "zhang" not in set(found["improvement"]["method"]) | set(found["profiles"]["method"])


def test_a_run_that_one_method_lacks_is_left_out_for_all() -> None:
    where = {
        "method": "zhang",
        "task": "b",
        "level": 0.0,
        "seed": 8,
        "metric": "worst_group_accuracy",
    }
    runs = runs_of(changed(cells(), np.nan, **where), "worst_group_accuracy", ranking())
    assert runs is not None
    assert runs.known.sum() == 11
    assert not runs.known[2, 2]
    assert np.isnan(runs.values[:, 2, 2]).all()


@QUICK
def test_matched_controls_take_no_part(made: dict[str, pd.DataFrame]) -> None:
    table = pd.concat([cells(), cells(methods=("zhang_control",))])
    found = over_blocks(table, ranking())
    for name in ("improvement", "profiles"):
        pd.testing.assert_frame_equal(found[name], made[name])
