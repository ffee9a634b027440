"""What the multiverse asks of a study: of whom, where, and by which choices."""

from __future__ import annotations

from typing import Any

import pytest

from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.study.plan_tables import TablePlan
from study import demo


def planned(multiverse: Any = True, **changes: Any) -> MultiversePlan:
    return MultiversePlan(Plan(load_config({**demo(), "multiverse": multiverse, **changes})))


@pytest.mark.parametrize("off", [False, None])
def test_it_is_off_unless_asked_for(off: bool | None) -> None:
    assert planned(off).groups() == planned(off).measured() == []
    assert "robustness" not in TablePlan(planned(off).plan).files()
    assert "robustness" in TablePlan(planned().plan).files()
    assert planned({}).asked == planned().asked
    assert MultiversePlan(Plan(load_config(demo()))).groups() == []


def test_conclusions_are_about_methods_where_there_is_bias() -> None:
    plan = planned()
    assert {(g.task, g.design, g.level) for g in plan.groups()} == {
        ("smiling_by_necktie", "phi", 0.6)  # other tasks have vanilla alone
    }
    asked = plan.asked.tasks["smiling_by_necktie"]
    assert not {"vanilla", "random_decision", "dfr_control"} & set(asked.methods)
    assert set(asked.models) <= {"vanilla", *asked.methods}
    assert not {"thropt", "thropt_group"} & set(asked.models)
    assert {"thropt", "thropt_group"} <= set(plan.asked.keep)
    assert asked.explainers[0] == "lrp"
    assert not {"random", "edges"} & set(asked.explainers)


def test_levels_are_all_but_zero_and_the_strongest_counts() -> None:
    designs = {"phi": {"levels": [0.0, -0.6, 0.3, 0.6]}}
    tasks = {"t": demo()["tasks"]["smiling_by_necktie"]}
    assert planned(designs=designs, tasks=tasks).asked.levels["phi"] == (0.6, -0.6, 0.3)
    some = planned({"level": [0.0, 0.3, 2.0]}, designs=designs, tasks=tasks)
    assert some.asked.levels["phi"] == (0.3, 0.0)
    alone = planned(designs={"phi": {"levels": [0.0]}}, tasks=tasks)
    assert {group.level for group in alone.groups()} == {0}


def test_regions_are_the_tasks_wider_ones_and_masks() -> None:
    task = "smiling_by_necktie"
    rois = {task: {"top": [0, 0, 1, 0.5]}}
    places = planned({"margin": [0.1], "rois": rois}).places(task)
    own = places["task"].roi.region
    assert {name: (place.roi.region, place.margin) for name, place in places.items()} == {
        "task": (own, 0),
        "margin_0.1": (own, 0.1),
        "mask": ({"mask": "Wearing_Necktie"}, 0),
        "top": ([0, 0, 1, 0.5], 0),
    }
    assert "mask" not in planned({"masks": False}).places(task)


def test_explainers_that_see_no_network_say_nothing() -> None:
    sets = {"main": {"random": {}, "gradient": {}, "edges": {}, "lrp": {}}}
    changes = {"explain": {"sets": sets}, "report": {"explainers": ["random", "lrp"]}}
    changes["tasks"] = {"t": {**demo()["tasks"]["smiling_by_necktie"], "sets": ["main"]}}
    assert planned(**changes).asked.tasks["t"].explainers == ("lrp", "gradient")
    chosen = planned({"explainer": ["gradient", "edges"]}, **changes)
    assert chosen.asked.tasks["t"].explainers == ("gradient", "edges")
