"""The networks of the region-rank audit: who trains them, on what, and who reads their maps."""

from __future__ import annotations

from typing import Any

import pytest

from rightreasons.metrics import WITNESSES
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_witness import WitnessPlan
from study import tiny


def plan_of(levels: list[float], **measure: Any) -> Plan:
    raw = tiny(measure={"replicates": 50, **measure})
    raw["designs"]["phi"]["levels"] = levels
    return Plan(load_config(raw))


def test_they_learn_from_level_0_and_every_level_is_measured_beside_them() -> None:
    plan = plan_of([0.0, 0.8], witnesses=True)
    made = WitnessPlan(plan)
    [group, *others] = made.groups()
    assert {one.level for one in (group, *others)} == {0.0}
    sets = plan.grid.sets(group.task)
    for name, column in WITNESSES.items():
        job = made.train(group, name)
        assert (job.predicts, job.witness) == (column, name)
        assert job.stream != plan.train(group).stream
        assert job.input == plan.train(group).input
        maps = [made.explain(group, name, one) for one in sets]
        assert {(one.method, one.predicts) for one in maps} == {(name, column)}
        assert {one.input.model for one in maps} == {job.output.model}
        for cell in (g for g in plan.grid.groups() if (g.task, g.seed) == (group.task, group.seed)):
            read = plan.measure(cell).input.named()
            assert read[f"{name}_maps"] == [str(one.output.maps) for one in maps]
            assert read[f"{name}_index"] == [str(one.output.index) for one in maps]


@pytest.mark.parametrize(
    ("levels", "asked"), [([0.0, 0.8], {}), ([0.8], {"witnesses": True})], ids=["off", "no level 0"]
)
def test_there_are_none_without_a_level_0_or_where_nobody_asks(
    levels: list[float], asked: dict[str, Any]
) -> None:
    plan = plan_of(levels, **asked)
    assert WitnessPlan(plan).groups() == []
    assert all(not plan.measure(group).input.baseline_maps for group in plan.grid.groups())
