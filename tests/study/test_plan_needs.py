"""The plan: what methods need of their images, and patch classifiers that see no test image."""

from __future__ import annotations

from pathlib import Path

import pytest

from plans import group_of, plan_of
from rightreasons.core.errors import UserError
from rightreasons.study.plan import Plan
from study import tiny

#: A design whose seeds hold out images of their own.
PER_SEED = {"held_out": "per_seed"}


def test_fenced_maps_of_the_protected_attribute_go_to_methods_that_need_them() -> None:
    plan = plan_of(designs={"phi": {**tiny()["designs"]["phi"], **PER_SEED}})
    needs = {m: plan.debias(group_of(plan), m).input.confidence for m in plan.grid.methods()}
    assert needs["finetune"] is None
    assert needs["mask_specific"] == Path(
        "results/tiny/fenced_region/smiling_by_necktie/phi/seed-0/Wearing_Necktie/confidence.npy"
    )


def test_masks_roi_and_twins_go_to_methods_that_need_them() -> None:
    methods = {"vanilla": {}, "finetune": {}, "rrr": {}, "twin_augmentation": {}}
    plan = plan_of(methods=methods)
    jobs = {method: plan.debias(group_of(plan), method) for method in methods}
    assert jobs["finetune"].input.masks is jobs["twin_augmentation"].input.masks is None
    assert jobs["rrr"].input.masks == plan.pool("synthfaces").output.masks
    assert jobs["rrr"].input.pool == plan.pool("synthfaces").output.pool
    assert jobs["rrr"].roi == plan.roi("smiling_by_necktie")
    assert jobs["finetune"].roi is None
    assert not plan.fences


def test_a_roi_that_methods_need_is_found_by_a_fenced_classifier() -> None:
    task = tiny()["tasks"]["smiling_by_necktie"]
    tasks = {"own": {**task, "roi": {"attribution": {"attribute": "Wearing_Hat"}}}}
    plan = plan_of(tasks=tasks, methods={"vanilla": {}, "rrr": {}, "finetune": {}})
    ((task_, design, seeds, region),) = plan.fences
    assert (task_, design, region) == ("own", "phi", "Wearing_Hat")
    group = plan.grid.group("own", "phi", 0.8, 0)
    made = plan.fenced_region(task_, design, seeds, region)
    assert plan.debias(group, "rrr").input.roi_mean == made.output.mean
    assert plan.debias(group, "finetune").input.roi_mean is None
    assert plan.measure(group).input.mean == plan.region_files("synthfaces", "Wearing_Hat").mean


def test_a_method_that_needs_twins_is_refused_where_there_are_none() -> None:
    tasks = tiny()["tasks"]
    tasks["none"] = {**tasks["smiling_by_necktie"], "protected": "not Male"}
    methods = {"vanilla": {}, "twin_augmentation": {}}
    with pytest.raises(UserError, match=r"tasks.none: the method twin_augmentation needs twins"):
        plan_of(tasks=tasks, methods=methods)
    tasks["none"]["methods"] = ["vanilla"]
    assert plan_of(tasks=tasks, methods=methods).grid.needs("twins", "none") == []
    tasks["none"] = {**tasks["smiling_by_necktie"], "protected": "mark"}
    assert plan_of(tasks=tasks, methods=methods, artifacts={"mark": {"kind": "patch"}})


def test_a_fence_is_round_the_test_images_of_all_levels() -> None:
    plan = plan_of(designs={"phi": {**tiny()["designs"]["phi"], **PER_SEED}}, seeds=[3, 4])
    assert {key[2] for key in plan.fences} == {"3", "4"}
    job = plan.fenced_region("smiling_by_necktie", "phi", "4", "Wearing_Necktie")
    assert [str(path) for path in job.input.splits] == [
        f"results/tiny/split/smiling_by_necktie/phi-{level}/seed-4/split.parquet"
        for level in ("0", "0.8")
    ]
    assert job.attribute == "Wearing_Necktie"
    assert job.classifier == plan.region("synthfaces", "Wearing_Necktie").classifier


def test_seeds_that_hold_out_the_same_images_share_a_fence() -> None:
    plan = plan_of(seeds=[3, 4])
    plan.study.designs["phi"]["held_out"] = "fixed"
    plan = Plan(plan.study)
    assert list(plan.fences) == [("smiling_by_necktie", "phi", "all", "Wearing_Necktie")]
    job = plan.fenced_region("smiling_by_necktie", "phi", "all", "Wearing_Necktie")
    assert all("seed-3" in str(path) for path in job.input.splits)
    group = plan.grid.group("smiling_by_necktie", "phi", 0.8, 4)
    assert plan.debias(group, "mask_specific").input.mean == job.output.mean
