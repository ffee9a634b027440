"""Tasks with many groups and classes: what takes them, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS, needs_two_groups
from rightreasons.study.groups import class_count, group_count, surely_two
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.sections import StudyConfig

ROI = [0.2, 0.2, 0.8, 0.8]


def config(**task: Any) -> dict[str, Any]:
    """Return a study of FairFace as it is; keys of the study itself stand before a double dash."""
    study = {key.removeprefix("study__"): task.pop(key) for key in [*task] if "study__" in key}
    return {
        "study": "groups",
        "seeds": [0],
        "datasets": {"fairface": {}},
        "tasks": {
            "faces": {
                "dataset": "fairface",
                "target": "gender == Male",
                "protected": "race",
                "roi": ROI,
                **task,
            }
        },
        "designs": {"as_is": {}},
        "methods": {"vanilla": {}, "finetune": {}},
        "model": {"architecture": "small_cnn"},
        **study,
    }


def loaded(**task: Any) -> StudyConfig:
    return load_config(config(**task))


@pytest.mark.parametrize(
    ("protected", "count"),
    [
        ("race", 7),
        (["race"], 7),
        (["race", "gender"], 14),
        ("race, gender, age", 126),
        (["race == Black", "gender"], 4),
        ("gender", 2),
        ("race == Black", 2),
        ("service_test", 2),
        (["race in [Black, White]", "gender == Male"], 4),
    ],
)
def test_the_number_of_groups_is_known_from_the_config(protected: Any, count: int) -> None:
    study = loaded(protected=protected)
    assert group_count(study, "faces") == count
    assert surely_two(study, "faces", "as_is") == (count == 2)


def test_a_list_is_the_text_of_its_parts_and_is_read_again() -> None:
    study = loaded(protected=["race", "gender"])
    assert study.tasks["faces"].protected == "race, gender"
    assert load_config(study.model_dump()).tasks == study.tasks


def own(folder: Path, rows: str = "a.png,x,1\nb.png,y,0\nc.png,z,1\n") -> dict[str, Any]:
    folder.mkdir()
    (folder / "images").mkdir()
    (folder / "attributes.csv").write_text(f"image_id,kind,flag\n{rows}")
    return {"study__datasets": {"mine": {"kind": "folder", "root": str(folder)}}, "dataset": "mine"}


def test_the_users_own_table_is_read_where_it_is_there(tmp_path: Path) -> None:
    given = own(tmp_path / "mine")
    study = loaded(**given, target="flag", protected="kind")
    assert group_count(study, "faces") == 3
    assert class_count(study, "faces") == 2
    given["study__datasets"]["mine"]["root"] = str(tmp_path / "absent")
    study = loaded(**given, target="flag", protected="kind")
    assert group_count(study, "faces") is None
    assert not surely_two(study, "faces", "as_is")
    phi = loaded(**given, target="flag", protected="kind", study__designs={"phi": {}})
    assert surely_two(phi, "faces", "phi")


@pytest.mark.parametrize("design", ["phi", "agreement", "one_sided"])
def test_a_design_that_needs_two_groups_says_so(design: str) -> None:
    said = rf"tasks\.faces\.protected: race has 7 values \(Black, .*\), and the design {design} "
    said += r"needs two\. Compare it with a value, as in race == White, or .*\(as_is\)"
    with pytest.raises(UserError, match=said):
        loaded(study__designs={design: {}})
    assert loaded(study__designs={design: {}, "as_is": {}}, designs=["as_is"])
    assert loaded(study__designs={design: {}}, protected="race == Black")


def test_the_users_own_table_is_refused_before_anything_runs(tmp_path: Path) -> None:
    given = own(tmp_path / "mine")
    with pytest.raises(UserError, match=r"kind has 3 values \(x, y, z\), and the design phi"):
        loaded(**given, target="flag", protected="kind", study__designs={"phi": {}})


USING = sorted(m.name for m in METHODS if needs_two_groups(m, m.params()))
BLIND = {"vanilla", "finetune", "erm", "jtt", "lff", "random_decision"}


def test_what_never_uses_the_attribute_takes_any_number_of_groups() -> None:
    assert not BLIND & set(USING)
    assert {"zhang", "dfr", "thropt_group", "group_dro", "mask_general", "leace"} <= set(USING)
    chosen = {name: {} for name in sorted(BLIND)}
    assert loaded(study__methods=chosen)


def test_a_predictor_of_the_attribute_tells_two_groups_apart() -> None:
    with pytest.raises(UserError, match=r"measure.witnesses: .* faces has 7"):
        loaded(study__measure={"witnesses": True})
    assert loaded(study__measure={"witnesses": True}, protected="race == Black")


@pytest.mark.parametrize("method", USING)
def test_a_method_that_uses_the_attribute_needs_two_groups(method: str) -> None:
    with pytest.raises(UserError, match=f"the method {method} needs two") as error:
        loaded(study__methods={"vanilla": {}, method: {}})
    assert "tasks.faces.methods" in str(error.value)
    loaded(study__methods={"vanilla": {}, method: {}}, methods=["vanilla"])


def test_a_threshold_for_equalized_odds_needs_two_groups() -> None:
    methods = {"vanilla": {}, "finetune": {"threshold": "equalized_odds"}}
    with pytest.raises(UserError, match="the method finetune needs two"):
        loaded(study__methods=methods)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"protected": "race, race"}, "is there twice"),
        ({"protected": "race, "}, "is empty"),
        ({"protected": ["race", "ink"], "study__artifacts": {"ink": {"kind": "patch"}}}, "by itse"),
        ({"protected": "race, gender, age, service_test"}, "makes 252 groups; at most 127"),
        ({"target": "race"}, r"target: race has 7 values .* a network that is trained here needs"),
        ({"target": "gender, race"}, "unexpected ','"),
        (
            {
                "watched": {"attribute": "ink", "level": 0.5},
                "study__artifacts": {"ink": {"kind": "patch"}},
            },
            "a task that watches a second attribute needs two",
        ),
        ({"study__designs": {"as_is": {"shares": {"test": 1}}}}, "has no `train`, and the task"),
        (
            {"study__designs": {"as_is": {"shares": {"train": 0.5, "test": 0.5}}}},
            "has no `debias`, and the method finetune",
        ),
    ],
)
def test_what_cannot_be_is_refused(task: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        loaded(**task)


def test_train_and_test_alone_will_do_for_the_original() -> None:
    designs = {"as_is": {"shares": {"train": 0.6, "test": 0.4}}}
    study = loaded(study__designs=designs, study__methods={"vanilla": {}})
    assert Plan(study).split(Plan(study).grid.groups()[0]).protected == "race"


def test_level_0_of_data_as_they_are_is_no_level_without_a_shortcut() -> None:
    """No normal model, no table of reliance, though there are twins."""
    task = {"dataset": "synthfaces", "target": "Smiling", "protected": "Eyeglasses"}
    both = {"as_is": {}, "phi": {"levels": [0.0, 0.5]}}
    given = {"study__datasets": {"synthfaces": {}}, "study__designs": both}
    plan = Plan(loaded(**given, **task))
    for group in plan.grid.groups():
        assert bool(plan.measure(group).input.normal_maps) == (group.design == "phi")
    levels = [str(path) for path in TablePlan(plan).reliance().input.map_means]
    assert len(levels) == 2
    assert all("phi" in path for path in levels)
    alone = Plan(loaded(**{**given, "study__designs": {"as_is": {}}}, **task))
    assert "reliance" not in TablePlan(alone).files()


def test_figures_by_cell_are_left_out_for_many_groups() -> None:
    def figures(**task: Any) -> set[str]:
        return {name for name, _ in FigurePlan(Plan(loaded(**task))).pictures.items()}

    two, many = figures(protected="race == Black"), figures()
    assert two - many == {"mean_maps"}
    assert many <= two
