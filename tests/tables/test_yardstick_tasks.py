"""The yardstick within tasks, and over tasks and datasets, against loops over models."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem, spearmanr, t

from made_yardstick import DATASETS, LEVELS, SEEDS, rows_of, table
from rightreasons.tables.yardstick import yardstick
from rightreasons.tables.yardstick_tasks import by_task, held, over_tasks


def spearman(part: pd.DataFrame, sign: int = 1) -> float:
    return float(spearmanr(sign * part["value"], part["flips"]).statistic)


def area(part: pd.DataFrame, sign: int = 1) -> float:
    yes, no = (sign * part[part["reliant"] == which]["value"] for which in (True, False))
    return float(np.mean([(a > b) + 0.5 * (a == b) for a, b in itertools.product(yes, no)]))


def jackknife(part: pd.DataFrame, number: Any) -> float:
    without = [number(part[part["seed"] != seed]) for seed in SEEDS]
    return float(np.sqrt(2 / 3 * sum((x - np.mean(without)) ** 2 for x in without)))


@pytest.mark.parametrize(("metric", "sign"), [("rrf", 1), ("fam", -1)])
def test_each_task_has_its_own_correlation_and_area(metric: str, sign: int) -> None:
    tasks = by_task(held(table(), "vanilla"))
    for dataset, names in DATASETS.items():
        for task in names:
            part = rows_of(table(), task=task, explainer="good", metric=metric)
            row = rows_of(tasks, task=task, explainer="good", metric=metric, truth="flips").iloc[0]
            assert row["dataset"] == dataset
            assert row["estimate"] == pytest.approx(spearman(part, sign))
            assert row["estimate_error"] == pytest.approx(jackknife(part, spearman))
            assert row["area"] == pytest.approx(area(part, sign))
            assert row["area_error"] == pytest.approx(jackknife(part, lambda p: area(p, sign)))
            assert (row["models"], row["seeds"]) == (27, 3)
            assert row["n_reliant"] + row["n_not_reliant"] == 27


def test_pairs_are_held_against_the_change_within_a_task() -> None:
    rows = held(table(), "vanilla")
    part = rows_of(rows, task="mark", explainer="good", metric="adr")
    assert set(part["method"]) == {"tuned", "thropt"}
    original = {
        (one["level"], one["seed"]): one["flips"]
        for one in rows_of(table(), task="mark", method="vanilla", metric="rrf").to_dict("records")
    }
    changes = [
        one["flips"] - original[one["level"], one["seed"]] for one in part.to_dict("records")
    ]
    found = rows_of(by_task(rows), task="mark", metric="adr", truth="flips").iloc[0]
    assert found["estimate"] == pytest.approx(spearmanr(-part["value"], changes).statistic)


def test_levels_apart_are_means_over_levels() -> None:
    rows = held(table(), "vanilla")
    tasks = by_task(rows, ("level",))
    part = rows_of(table(), task="hat", explainer="good", metric="rrf")

    def number(some: pd.DataFrame) -> float:
        return float(np.mean([spearman(rows_of(some, level=level)) for level in LEVELS]))

    row = rows_of(tasks, task="hat", explainer="good", metric="rrf", truth="flips").iloc[0]
    assert row["estimate"] == pytest.approx(number(part))
    assert row["estimate_error"] == pytest.approx(jackknife(part, number))
    levels = [rows_of(part, level=level) for level in LEVELS]
    areas = [area(one) for one in levels if one["reliant"].nunique() == 2]
    assert row["area"] == (
        pytest.approx(np.mean(areas)) if areas else pytest.approx(np.nan, nan_ok=True)
    )


def test_what_is_the_same_of_all_models_follows_nothing() -> None:
    rows = by_task(held(table(), "vanilla"))
    blind = rows_of(rows, explainer="blind", truth="flips")
    assert (blind["estimate"] == 0).all()
    assert (blind["area"] == 0.5).all()
    constant = table().assign(flips=0.3)
    blind = rows_of(by_task(held(constant, "vanilla")), explainer="blind", truth="flips")
    assert blind["estimate"].isna().all()  # nothing to follow


def test_the_mean_is_over_datasets_of_means_over_tasks() -> None:
    rows = held(table(), "vanilla")
    tasks = by_task(rows)
    found = yardstick(rows, tasks, replicates=50)
    row = rows_of(found, explainer="good", metric="rrf", truth="flips").iloc[0]
    by_name = {
        name: spearman(rows_of(table(), task=name, explainer="good", metric="rrf"))
        for names in DATASETS.values()
        for name in names
    }
    means = [np.mean([by_name[name] for name in names]) for names in DATASETS.values()]
    assert row["within"] == pytest.approx(np.mean(means))
    pairs = [[by_name[name] for name in names] for names in DATASETS.values() if len(names) == 2]
    pooled = sum(np.var(pair) * 2 for pair in pairs) / 2
    of_tasks = pooled * (1 / 2 + 1 / 2 + 1) / 9
    margin = t.ppf(0.975, 2) * np.sqrt(of_tasks)
    assert row["within_tasks_low"] == pytest.approx(row["within"] - margin)
    margin = t.ppf(0.975, 2) * np.sqrt(max(sem(means) ** 2, of_tasks))
    assert row["within_datasets_low"] == pytest.approx(row["within"] - margin)
    assert (row["tasks"], row["datasets"]) == (5, 3)
    assert row["within"] > row["estimate"] + 0.2  # a scale per task spoils what is pooled
    areas = over_tasks(rows_of(tasks, explainer="good", metric="rrf", truth="flips"), "area")
    assert row["area_within"] == areas.value


def test_level_0_models_are_counted_once_per_map_beside_the_band() -> None:
    rows = held(table(), "vanilla")
    tasks = by_task(rows)
    called = (rows["level"] == 0) & (rows["seed"] == 0) & (rows["method"] == "tuned")
    rows = rows.assign(called=pd.array(called, dtype="boolean"))
    found = yardstick(rows, tasks, rate=0.1, copies=("thropt",), replicates=50)
    row = rows_of(found, explainer="good", metric="rrf", truth="flips").iloc[0]
    assert row["level_0_models"] == 5 * 3 * 2
    assert row["level_0_rate"] == pytest.approx(5 / 30)
    draws = np.random.default_rng(0).binomial(30, 0.1, 200_000) / 30
    assert (draws < row["level_0_low"]).mean() <= 0.025
    assert (draws > row["level_0_high"]).mean() <= 0.025
    assert (draws <= row["level_0_low"]).mean() > 0.025
    assert (draws >= row["level_0_high"]).mean() > 0.025
    assert row["level_0_inside"]
    everything = rows.assign(called=pd.array([True] * len(rows), dtype="boolean"))
    found = yardstick(everything, tasks, rate=0.1, replicates=50)
    assert not found["level_0_inside"].any()
    own = rows.assign(null="own test")  # whose rate is not the calls'
    assert yardstick(own, tasks, replicates=50)["level_0_low"].isna().all()
