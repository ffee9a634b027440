"""The grid of a study: its cells, their folders, whose maps a method has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rightreasons.core.errors import UserError
from rightreasons.study.grid import Grid, Group, Paths
from rightreasons.study.load import load_config
from rightreasons.study.sections import StudyConfig
from study import demo


def make_study(**changes: Any) -> StudyConfig:
    raw = demo()
    raw["tasks"] = {
        "tie": raw["tasks"]["smiling_by_necktie"],
        "smile": {**raw["tasks"]["smiling_by_necktie"], "protected": "Smiling == 1"},
    }
    raw["seeds"] = [0, 7]
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


def test_every_cell_once() -> None:
    groups = GRID.groups()
    assert len(groups) == len(set(groups)) == 2 * 3 * 2
    assert groups[0] == Group("tie", "phi", "0", "0")
    assert {group.level for group in groups} == {"0", "0.25", "-0.5"}
    assert {group.seed for group in groups} == {"0", "7"}
    assert len({group.folder for group in groups}) == 12


def test_a_level_is_read_back_as_it_was() -> None:
    for group, level in zip(GRID.groups()[::2], [0.0, 0.25, -0.5] * 2, strict=True):
        assert float(group.level) == level


def test_whose_maps_a_method_has() -> None:
    assert GRID.methods() == ["vanilla", "thropt", "tuned", "groups"]
    assert GRID.methods(changes="weights") == ["tuned"]
    assert GRID.methods(changes="decision") == ["vanilla", "thropt", "groups"]
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


def test_wildcards_of_a_group() -> None:
    group = GRID.groups()[3]
    assert Grid.group(SimpleNamespace(**group.as_dict(), method="thropt")) == group.as_dict()


def test_folders() -> None:
    paths = Paths(make_study(study="mine", results="out"))
    group = Group("tie", "phi", "0.25", "7").as_dict()
    cell = "tie/phi-0.25/seed-7"
    assert paths.stage("logs") == "out/mine/logs"
    assert paths.pool("synthfaces") == "out/mine/pool/synthfaces"
    assert paths.split(**group) == f"out/mine/split/{cell}/split.parquet"
    assert paths.model("vanilla", **group) == f"out/mine/train/{cell}"
    assert paths.model("tuned", **group) == f"out/mine/debias/{cell}/tuned"
    assert paths.maps("tuned", "a", **group) == f"out/mine/explain/{cell}/tuned/a"
    assert paths.measures(**group) == f"out/mine/measure/{cell}"
    assert paths.sanity("a", **group) == f"out/mine/sanity/{cell}/a"


def test_no_two_results_share_a_folder() -> None:
    paths = Paths(GRID.study)
    folders = [
        folder
        for group in GRID.groups()
        for method in GRID.methods()
        for folder in (
            paths.model(method, **group.as_dict()),
            *(paths.maps(method, s, **group.as_dict()) for s in ("a", "b")),
        )
    ]
    assert len(folders) == len(set(folders)) == 12 * 4 * 3


def test_a_group_needs_all_its_parts() -> None:
    with pytest.raises(TypeError):
        Paths(GRID.study).split(task="tie", design="phi", level="0")


def test_a_task_may_have_designs_methods_and_sets_of_its_own() -> None:
    raw = make_study().model_dump()
    raw["designs"]["artifact_fraction"] = {"levels": [1.0]}
    raw["artifacts"] = {"mark": {"kind": "watermark"}}
    smile = {"protected": "mark", "roi": {"artifact": "mark"}, "designs": ["artifact_fraction"]}
    raw["tasks"]["smile"].update({**smile, "methods": ["tuned"], "sets": ["b"]})
    grid = Grid(load_config(raw))
    assert [g for g in grid.groups() if g.task == "smile"] == [
        Group("smile", "artifact_fraction", "1", seed) for seed in ("0", "7")
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
