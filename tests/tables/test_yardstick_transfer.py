"""What is best in one half of the tasks, against loops over pairs."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from made_yardstick import DATASETS, rows_of
from rightreasons.tables.yardstick_transfer import yardstick_transfer

EXPLAINERS, METRICS = ("lrp", "gradient", "edges"), ("rrf", "mrr", "top_fraction")
KINDS = {
    task: {"network": "a" if dataset == "faces" else "b", "shortcut": task}
    for dataset, tasks in DATASETS.items()
    for task in tasks
}


@cache
def tasks() -> pd.DataFrame:
    """Each pair's numbers in each task; edges are always the best."""
    rng = np.random.default_rng(3)
    rows = []
    for dataset, names in DATASETS.items():
        for task, explainer, metric in itertools.product(names, EXPLAINERS, METRICS):
            for truth, shown in (("flips", "with"), ("flips", "without"), ("logit_change", "with")):
                value = 1.0 if explainer == "edges" else rng.random()
                names_ = {"dataset": dataset, "task": task, "design": "phi", "truth": truth}
                own = {"explainer": explainer, "metric": metric, "shown": shown}
                rows.append({**names_, **own, "estimate": value, "area": value / 2 + 0.5})
    return pd.DataFrame(rows)


def mean(table: pd.DataFrame, datasets: tuple[str, ...], pair: tuple[str, str]) -> float:
    means = []
    for dataset in datasets:
        rows = rows_of(table, dataset=dataset, explainer=pair[0], metric=pair[1])
        rows = rows[(rows["truth"] == "flips") & (rows["shown"] == "with")]
        means.append(rows["estimate"].mean())
    return float(np.mean(means))


def test_what_is_chosen_in_one_half_is_judged_on_the_other() -> None:
    table = tasks()
    found = yardstick_transfer(table, KINDS, ("edges",))
    by_dataset = rows_of(found, by="dataset", measure="spearman")
    halves = [
        *itertools.combinations(sorted(DATASETS), 1),
        *itertools.combinations(sorted(DATASETS), 2),
    ]
    assert set(by_dataset["half"]) == {" + ".join(half) for half in halves}
    pairs = list(itertools.product(("lrp", "gradient"), METRICS))
    for half in halves:
        rest = tuple(name for name in sorted(DATASETS) if name not in half)
        here, there = ([mean(table, part, pair) for pair in pairs] for part in (half, rest))
        row = rows_of(by_dataset, half=" + ".join(half)).iloc[0]
        chosen = int(np.argmax(here))
        assert (row["explainer"], row["metric"]) == pairs[chosen]
        assert row["agreement"] == pytest.approx(spearmanr(here, there).statistic)
        assert row["worth"] == pytest.approx(there[chosen])
        assert row["regret"] == pytest.approx(max(there) - there[chosen])
        assert row["regret_blind"] == pytest.approx(max(there) - np.mean(there))
        assert row["rank"] == sorted(there, reverse=True).index(there[chosen]) + 1
        assert (row["best_explainer"], row["best_metric"]) == pairs[int(np.argmax(there))]
        assert row["pairs"] == 6


def test_networks_shortcuts_and_tasks_are_cut_too() -> None:
    found = yardstick_transfer(tasks(), KINDS, ("edges",))
    spearman = rows_of(found, measure="spearman")
    assert spearman.groupby("by").size().to_dict() == {
        "dataset": 6, "network": 2, "shortcut": 20, "task": 20,
    }  # fmt: skip
    many = pd.concat([tasks().assign(task=tasks()["task"] + str(i)) for i in range(2)])
    kinds = {f"{task}{i}": kind for task, kind in KINDS.items() for i in range(2)}
    left_out = rows_of(yardstick_transfer(many, kinds, ()), by="task", measure="area")
    assert (left_out["others"].str.contains(" + ", regex=False)).sum() == 0
    assert len(left_out) == 10


def test_pairs_without_a_number_in_every_task_take_no_part() -> None:
    table = tasks()
    gone = (table["task"] == "mark") & (table["explainer"] == "lrp") & (table["metric"] == "rrf")
    found = yardstick_transfer(table[~gone], KINDS, ("edges",))
    assert set(found["pairs"]) == {5}
    assert yardstick_transfer(rows_of(table, task="mark"), KINDS, ()).empty
    assert yardstick_transfer(table[table["metric"] == "none"], KINDS, ()).empty
