"""A second attribute that a task watches: its twins, its artifact, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from plans import group_of, plan_of
from rightreasons.core.errors import UserError
from rightreasons.study.plan_probes import ProbePlan
from rightreasons.study.plan_tables import TablePlan
from study import tiny


def watching(**watched: Any) -> dict[str, Any]:
    task = tiny()["tasks"]["smiling_by_necktie"]
    return {"smiling_by_necktie": {**task, "watched": watched}}


INK = {"ink": {"kind": "watermark"}, "mark": {"kind": "patch"}}


def test_a_watched_attribute_of_the_dataset_has_a_file_of_twins() -> None:
    plan = plan_of(tasks=watching(attribute="Eyeglasses"))
    assert plan.switched() == [("synthfaces", "Wearing_Necktie"), ("synthfaces", "Eyeglasses")]
    job = plan.train(group_of(plan))
    assert job.input.watched_twins == plan.twins("synthfaces", "Eyeglasses").output.twins
    assert job.watched is None
    assert plan.split(group_of(plan)).watched.level is None


def test_a_watched_artifact_goes_to_every_job_that_reads_images() -> None:
    plan = plan_of(tasks=watching(attribute="ink", level=0.8), artifacts=INK)
    group = group_of(plan)
    jobs = [plan.train(group), plan.measure(group), plan.debias(group, "finetune")]
    jobs += [plan.explain(group, "vanilla", "main"), ProbePlan(plan).sanity(group, "main")]
    for job in jobs:
        assert (job.watched.name, job.artifact) == ("ink", None)
        assert "rightreasons.artifacts.watermark" in job.modules()
    assert jobs[0].input.watched_twins is None
    assert plan.split(group).watched.level == 0.8
    assert "two_shortcuts" in TablePlan(plan).files()
    assert "two_shortcuts" not in TablePlan(plan_of()).files()


@pytest.mark.parametrize(
    ("watched", "protected", "said"),
    [
        ({"attribute": "Wearing_Necktie"}, "Wearing_Necktie", "is the protected attribute already"),
        ({"attribute": "Male"}, "not Male", "is the protected attribute already"),
        ({"attribute": "mark", "level": 0.5}, "mark", "is the protected attribute already"),
        ({"attribute": "Smiling"}, "mark", "is the target"),
        ({"attribute": "Eyeglass"}, "mark", r"no twins of it \(did you mean 'Eyeglasses'\?\)"),
        ({"attribute": "ink"}, "mark", "level is missing"),
        ({"attribute": "Eyeglasses", "level": 0.5}, "mark", "watched as it is found"),
        ({"attribute": "ink", "level": 1.5}, "mark", "less than or equal to 1"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    watched: dict[str, Any], protected: str, said: str
) -> None:
    tasks = watching(**watched)
    tasks["smiling_by_necktie"] |= {"protected": protected, "roi": [0, 0, 1, 1]}
    with pytest.raises(UserError, match=said):
        plan_of(tasks=tasks, artifacts=INK)


def test_nothing_is_watched_where_the_pool_holds_both_versions() -> None:
    parts = {"foreground": {"kind": "synthfaces"}, "backgrounds": {"kind": "textures"}}
    faces = {"kind": "composite", **parts, "mask": "Person", "attribute": "texture == waves"}
    tasks = watching(attribute="ink", level=0.8)
    tasks["smiling_by_necktie"] |= {
        "dataset": "faces",
        "protected": "background",
        "roi": [0, 0, 1, 1],
    }
    datasets = {**tiny()["datasets"], "faces": faces}
    with pytest.raises(UserError, match=r"two versions of each image already, by its background"):
        plan_of(tasks=tasks, artifacts=INK, datasets=datasets)
