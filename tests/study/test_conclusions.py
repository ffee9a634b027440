"""What is said at planning about what a study can conclude."""

from __future__ import annotations

from typing import Any

import pytest

from rightreasons.study.conclusions import conclusions
from rightreasons.study.grid import Grid
from rightreasons.study.load import load_config
from study import demo


def said(**changes: Any) -> str:
    """Return what is said of the demo with some keys changed, all methods in all tasks."""
    tasks = {name: {**task, "methods": None} for name, task in demo()["tasks"].items()}
    return conclusions(Grid(load_config({**demo(), "tasks": tasks, **changes})))


def test_one_run_allows_no_conclusion() -> None:
    assert said(seeds=[3]) == "one run: no conclusion about methods (docs/statistics.md)"


def test_seeds_and_methods_say_which_difference_is_found() -> None:
    from statsmodels.stats.power import TTestPower

    methods = {"vanilla": {}, "finetune": {}, "zhang": {}, "random_decision": {}}
    smallest = TTestPower().solve_power(nobs=4, alpha=0.05 / 2, power=0.8)
    line = said(seeds=[0, 1, 2, 3], methods=methods, controls=True)
    assert line.startswith(
        "4 seeds, 2 methods beside vanilla: a difference is found with power 0.8"
    )
    assert f" from {smallest:.2g} standard deviations over seeds up" in line


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_nothing_is_said_where_nothing_is_compared(seeds: list[int]) -> None:
    assert said(seeds=seeds, methods={"vanilla": {}}) == ""
