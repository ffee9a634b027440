"""What is asked of maps beside their regions: sanity checks and probes."""

from __future__ import annotations

from typing import Any

import pytest

from plans import group_of, plan_of
from rightreasons.probes import PROBES, in_order
from rightreasons.saliency import EXPLAINERS
from rightreasons.study.plan import Plan
from rightreasons.study.plan_probes import ProbePlan
from study import tiny


@pytest.mark.parametrize(("levels", "count"), [("strongest", 1), ("all", 2)])
def test_which_cells_have_a_sanity_check(levels: str, count: int) -> None:
    plan = plan_of(sanity={"images": 8, "levels": levels})
    assert len(ProbePlan(plan).sanity_cells()) == count
    assert ProbePlan(plan_of()).sanity_cells() == []


SETS = {"main": {"lrp": {}}, "more": {"gradient": {}, "dice": {"kind": "random"}}}


def probing(**probe: Any) -> Plan:
    return plan_of(probe={"images": 8, **probe}, explain={**tiny()["explain"], "sets": SETS})


@pytest.mark.parametrize(
    ("probe", "count"),
    [
        ({}, 2),
        ({"levels": "all"}, 4),
        ({"methods": ["vanilla", "finetune"]}, 4),
        ({"sets": ["more"]}, 1),
        ({"tasks": ["smiling_by_necktie"]}, 2),
        ({"images": 0}, 0),
    ],
)
def test_which_maps_are_probed(probe: dict[str, Any], count: int) -> None:
    cells = ProbePlan(probing(**probe)).probed_cells()
    assert len(cells) == count
    assert {cell.method for cell, _ in cells} <= set(probe.get("methods", ["vanilla"]))
    assert ProbePlan(plan_of()).probed_cells() == []


def test_controls_that_no_set_has_are_made_with_the_first_set_alone() -> None:
    """One job makes them: in the table no control is there twice."""
    plan = probing()
    group = group_of(plan)
    floors = [[e.kind for e in ProbePlan(plan).probe(group, "vanilla", s).floor] for s in SETS]
    assert floors == [["edges"], []]
    alone = probing(sets=["main"])
    assert [e.kind for e in ProbePlan(alone).probe(group, "vanilla", "main").floor] == [
        "edges",
        "random",
    ]


def test_a_study_that_names_no_probes_has_all() -> None:
    every = ProbePlan(probing()).probe(group_of(probing()), "vanilla", "main").probes
    assert [chosen.name for chosen in every] == [one.name for one in in_order()]
    assert all(chosen.params == PROBES[chosen.kind].params().model_dump() for chosen in every)
    few = probing(probes={"few": {"kind": "deletion", "steps": 3}})
    [one] = ProbePlan(few).probe(group_of(few), "vanilla", "main").probes
    assert (one.name, one.kind, one.params["steps"]) == ("few", "deletion", 3)


def test_a_probe_takes_the_maps_that_explain_leaves() -> None:
    plan = probing(methods=["finetune"])
    group = group_of(plan)
    job, made = (
        ProbePlan(plan).probe(group, "finetune", "more"),
        plan.map_files(group, "finetune", "more"),
    )
    assert (job.input.maps, job.input.index) == (made.maps, made.index)
    assert job.input.model == plan.model_files(group, "finetune").model
    assert PROBES["deletion"].module in job.modules()
    assert EXPLAINERS["edges"].module in ProbePlan(plan).probe(group, "finetune", "main").modules()
