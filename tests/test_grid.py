"""The grid of a study: its cells, their folders, whose maps a method has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rightreasons.config import StudyConfig, load_config, read_yaml
from rightreasons.grid import Grid, Group, Paths

ROOT = Path(__file__).parent.parent


def make_study(**changes: Any) -> StudyConfig:
    raw = {**read_yaml(ROOT / "config.yaml"), "seeds": [0, 1]}
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
    assert GRID.methods("weights") == ["tuned"]
    assert GRID.methods("decision") == ["vanilla", "thropt", "groups"]
    explained = {method: GRID.explained(method) for method in GRID.methods()}
    assert explained == {
        "vanilla": "vanilla",
        "thropt": "vanilla",
        "tuned": "tuned",
        "groups": "vanilla",
    }
    assert GRID.explainers() == ["lrp", "ig"]


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
