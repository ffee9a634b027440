"""The grid of a study: its cells, their folders, whose maps a method has."""

from __future__ import annotations

from typing import Any

import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.job import Group
from rightreasons.study.grid import Grid
from rightreasons.study.load import load_config
from rightreasons.study.paths import Paths
from rightreasons.study.sections import StudyConfig
from study import demo


def make_study(**changes: Any) -> StudyConfig:
    raw = demo()
    raw["tasks"] = {
        "tie": raw["tasks"]["smiling_by_necktie"],
        "smile": {**raw["tasks"]["smiling_by_necktie"], "protected": "Smiling == 1"},
    }
    raw |= {"seeds": [0, 7], "controls": False}
    raw["designs"] = {"phi": {"levels": [0.0, 0.25, -0.5]}}
    raw["methods"] = {
        "vanilla": {},
        "thropt": {},
        "tuned": {"kind": "finetune"},
        "groups": {"kind": "thropt_group"},
    }
    raw["explain"]["sets"] = {"a": {"lrp": {}}, "b": {"ig": {"kind": "integrated_gradients"}}}
    return load_config({**raw, **changes})


GRID = Grid(make_study())


def group_of(task: str, design: str, level: float, seed: int) -> Group:
    return Group(dataset="synthfaces", task=task, design=design, level=level, seed=seed)


def test_every_cell_once() -> None:
    groups = GRID.groups()
    assert len(groups) == len(set(groups)) == 2 * 3 * 2
    assert groups[0] == group_of("tie", "phi", 0.0, 0)
    assert {group.level for group in groups} == {0.0, 0.25, -0.5}
    assert {group.seed for group in groups} == {0, 7}
    assert len({group.folder for group in groups}) == 12


@pytest.mark.parametrize("level", [0.0, 0.25, -0.5, 1e-5, 0.123456789])
def test_a_group_is_read_back_from_the_name_of_its_folder(level: float) -> None:
    group = GRID.group("tie", "phi", level, 7)
    task, rest, seed = group.folder.split("/")
    design, _, text = rest.partition("-")
    assert GRID.group(task, design, text, seed.removeprefix("seed-")) == group
    assert group.level == pytest.approx(level, rel=1e-5)


@pytest.mark.parametrize("zero", [-0.0, "-0", "-0.0"])
def test_minus_zero_is_no_group_of_its_own(zero: float | str) -> None:
    assert GRID.group("tie", "phi", zero, 7).folder == "tie/phi-0/seed-7"


def test_whose_maps_a_method_has() -> None:
    assert GRID.methods() == ["vanilla", "thropt", "tuned", "groups"]
    assert GRID.methods(changes="weights") == ["tuned"]
    assert GRID.methods(changes="decision") == ["thropt", "groups"]
    assert GRID.methods(changes="nothing") == [GRID.original] == ["vanilla"]
    explained = {method: GRID.explained(method) for method in GRID.methods()}
    assert explained == {
        "vanilla": "vanilla",
        "thropt": "vanilla",
        "tuned": "tuned",
        "groups": "vanilla",
    }
    assert GRID.explainers("tie") == ["lrp", "ig"]


def test_twins_exist_where_the_dataset_can_switch_the_attribute() -> None:
    assert GRID.twins("tie") == "Wearing_Necktie"
    assert GRID.twins("smile") is None
    assert GRID.dataset("smile") == "synthfaces"


def test_the_original_and_the_references_are_known_by_what_they_are() -> None:
    methods = {"tuned": {"kind": "finetune"}, "erm": {"kind": "vanilla"}, "thropt": {}}
    grid = Grid(make_study(methods=methods))
    assert grid.original == "erm"
    assert grid.references() == ["erm", "tuned"]
    assert grid.models("tie") == ["erm", "tuned"]
    assert grid.explained("thropt") == "erm"
    assert grid.roles.original == "erm"
    assert grid.roles.methods == {"tuned": "finetune", "erm": "vanilla", "thropt": "thropt"}


def test_controls_and_noise_are_told_apart() -> None:
    sets = {"sets": {"main": {"lrp": {}, "dice": {"kind": "random"}, "edges": {}}}}
    roles = Grid(make_study(explain=sets)).roles
    assert roles.noise == ("dice",)
    assert roles.controls == ("dice", "edges")
    assert roles.chance == ()
    assert Grid(make_study(controls=True)).roles.chance == ("random_decision",)


def test_folders() -> None:
    paths = Paths("out/mine", "vanilla")
    group = GRID.group("tie", "phi", 0.25, 7)
    cell = "tie/phi-0.25/seed-7"
    assert paths.folder("pool", dataset="synthfaces") == "out/mine/pool/synthfaces"
    assert paths.folder("split", group) == f"out/mine/split/{cell}"
    assert paths.model(group, "vanilla") == f"out/mine/train/{cell}"
    assert paths.model(group, "tuned") == f"out/mine/debias/{cell}/tuned"
    maps = paths.folder("explain", group, method="tuned", explainers="a")
    assert maps == f"out/mine/explain/{cell}/tuned/a"
    assert paths.folder("measure", group) == f"out/mine/measure/{cell}"
    assert paths.folder("sanity", group, explainers="a") == f"out/mine/sanity/{cell}/a"
    probes = paths.folder("probe", group, method="tuned", explainers="a")
    assert probes == f"out/mine/probe/{cell}/tuned/a"
    assert paths.region("faces", "gender == Male") == "out/mine/region/faces/gender_Male"
    assert paths.timed("train", group).as_posix() == f"out/mine/benchmarks/train/{cell}.tsv"
    assert paths.table("tests") == "out/mine/tables/tests.parquet"


def test_no_two_results_share_a_folder() -> None:
    paths = Paths("out", GRID.original)
    folders = [
        folder
        for group in GRID.groups()
        for method in GRID.methods()
        for folder in (
            paths.model(group, method),
            *(paths.folder("explain", group, method=method, explainers=s) for s in ("a", "b")),
        )
    ]
    assert len(folders) == len(set(folders)) == 12 * 4 * 3


def test_a_folder_needs_all_its_parts() -> None:
    with pytest.raises(KeyError, match="task"):
        Paths("out", "vanilla").folder("split")


def test_a_task_may_have_designs_methods_and_sets_of_its_own() -> None:
    raw = make_study().model_dump()
    raw["designs"]["artifact_fraction"] = {"levels": [1.0]}
    raw["artifacts"] = {"mark": {"kind": "watermark"}}
    smile = {"protected": "mark", "roi": {"artifact": "mark"}, "designs": ["artifact_fraction"]}
    raw["tasks"]["smile"].update({**smile, "methods": ["tuned"], "sets": ["b"]})
    grid = Grid(load_config(raw))
    assert [g for g in grid.groups() if g.task == "smile"] == [
        group_of("smile", "artifact_fraction", 1.0, seed) for seed in (0, 7)
    ]
    assert ("tie", "artifact_fraction") in grid.pairs()
    assert grid.methods("smile") == ["vanilla", "tuned"]
    assert grid.models("smile") == ["vanilla", "tuned"]
    assert grid.explainers("smile") == ["ig"]
    assert (grid.artifact("smile"), grid.artifact("tie")) == ("mark", None)
    assert grid.twins("smile") is None
    assert grid.known_roi("synthfaces", "mark") == {"artifact": "mark"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("designs", ["phy"], r"tasks.smile.designs: unknown design 'phy' \(did you mean 'phi'"),
        ("methods", ["tunes"], r"tasks.smile.methods: unknown method 'tunes'"),
        ("sets", ["c"], r"tasks.smile.sets: unknown set of explainers 'c'"),
        (
            "roi",
            {"artifact": "mark"},
            r"tasks.smile.roi.artifact: unknown key of `artifacts` 'mark'.*none",
        ),
    ],
)
def test_a_task_names_what_there_is(key: str, value: Any, said: str) -> None:
    raw = make_study().model_dump()
    raw["tasks"]["smile"][key] = value
    with pytest.raises(UserError, match=said):
        load_config(raw)


def test_single_images_are_of_rendered_faces_or_of_what_the_config_names() -> None:
    datasets = {"synthfaces": {}, "mine": {"kind": "synthfaces"}, "celeba": {}}
    assert [
        name for name in datasets if Grid(make_study(datasets=datasets)).shows_images(name)
    ] == [
        "synthfaces",
        "mine",
    ]
    for chosen in ([], ["celeba"], ["synthfaces"]):
        grid = Grid(make_study(datasets=datasets, report={"show_images": chosen}))
        assert [name for name in datasets if grid.shows_images(name)] == chosen


def test_a_page_has_four_explainers_or_those_of_the_config() -> None:
    names = [f"lrp_{i}" for i in range(6)]
    sets = {"sets": {"main": {name: {"kind": "lrp"} for name in names}}}
    assert Grid(make_study(explain=sets)).shown_explainers("tie") == names[:4]
    chosen = {"explainers": ["lrp_5", "lrp_2"]}
    assert Grid(make_study(explain=sets, report=chosen)).shown_explainers("tie") == [
        "lrp_5",
        "lrp_2",
    ]
