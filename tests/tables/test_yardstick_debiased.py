"""Which map can be believed after debiasing, against loops over debiased models."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from made_yardstick import DATASETS, SEEDS, rows_of, table
from rightreasons.tables.yardstick_debiased import yardstick_debiased
from rightreasons.tables.yardstick_tasks import held

ABOVE = (0.5, 1.0)


@cache
def made(copies: tuple[str, ...] = ("thropt",)) -> pd.DataFrame:
    return yardstick_debiased(held(table(), "vanilla"), "vanilla", copies)


def debiased(task: str, level: float, methods: tuple[str, ...]) -> pd.DataFrame:
    """Return the debiased models of a level, of those seeds whose original relies."""
    rows = rows_of(table(), task=task, level=level, explainer="good", metric="rrf")
    relied = set(rows[(rows["method"] == "vanilla") & rows["reliant"]]["seed"])
    return rows[rows["method"].isin(methods) & rows["seed"].isin(relied)]


@pytest.mark.parametrize(("maps", "methods"), [("own", ("tuned",)), ("any", ("tuned", "thropt"))])
def test_debiased_models_are_ranked_within_a_level(maps: str, methods: tuple[str, ...]) -> None:
    row = rows_of(made(), explainer="good", metric="rrf", truth="flips", maps=maps).iloc[0]
    means, areas, models = [], [], []
    for names in DATASETS.values():
        of_tasks, of_areas = [], []
        for task in names:
            levels = [debiased(task, level, methods) for level in ABOVE]
            models += levels
            rho = [spearmanr(one["value"], one["flips"]).statistic for one in levels]
            of_tasks.append(np.mean(rho))
            mixed = [_area(one) for one in levels if one["reliant"].nunique() == 2]
            of_areas += [np.mean(mixed)] if mixed else []
        means.append(np.mean(of_tasks))
        areas.append(of_areas)
    assert row["within"] == pytest.approx(np.mean(means))
    every = pd.concat(models)
    assert row["models"] == len(every) == 5 * 2 * len(SEEDS) * len(methods)
    assert row["n_reliant"] == every["reliant"].sum()
    called = every["called"].astype(bool)
    assert row["n_made"] == called.sum()
    assert row["hit_rate"] == pytest.approx(called[every["reliant"]].mean())
    assert row["true_if_made"] == pytest.approx(every["reliant"][called].mean(), nan_ok=True)
    assert row["untrue_if_not"] == pytest.approx(1 - every["reliant"][~called].mean())
    known = [np.mean(one) for one in areas if one]
    assert known
    assert row["area_within"] == pytest.approx(np.mean(known))


def _area(part: pd.DataFrame) -> float:
    yes, no = (part[part["reliant"] == which]["value"] for which in (True, False))
    return float(np.mean([(a > b) + 0.5 * (a == b) for a, b in itertools.product(yes, no)]))


def test_groups_whose_original_does_not_rely_say_nothing() -> None:
    rows = held(table(), "vanilla")
    spared = (rows["seed"] == 2) & (rows["method"] == "vanilla")
    rows = rows.assign(reliant=rows["reliant"] & ~spared)
    found = yardstick_debiased(rows, "vanilla", ("thropt",))
    row = rows_of(found, explainer="good", metric="rrf", truth="flips", maps="own").iloc[0]
    assert row["models"] == 0  # two models a level are too few to be ranked
    assert row["n_reliant"] + row["n_not_reliant"] == 5 * 2 * 2
    nobody = rows.assign(reliant=False)
    assert yardstick_debiased(nobody, "vanilla").empty


def test_without_copies_there_is_one_kind_of_row_and_only_maps_of_their_own_are_ranked() -> None:
    assert set(made(())["maps"]) == {"own"}
    both = made()
    assert set(both["maps"]) == {"own", "any"}
    assert set(both[both["rank"].notna()]["maps"]) == {"own"}
    assert set(both[both["rank"].notna()]["truth"]) == {"flips"}
