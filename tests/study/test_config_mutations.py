"""Configs with a mistake: each loads, or is refused in one line that names the key."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from mutations import mutation
from rightreasons.core.errors import UserError
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.plan import Plan
from rightreasons.study.sections import StudyConfig
from rightreasons.study.yaml_keys import check_keys
from study import demo

ROOT = Path(__file__).parents[2]
BASES = {
    path.name: read_yaml(path)
    for path in (ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml")))
}
COUNT = 200


def plan(config: dict[str, Any]) -> StudyConfig:
    """Do what the workflow does before its first job."""
    study = load_config(config)
    planned = Plan(study)
    grid, groups = planned.grid, planned.grid.groups()
    folders = [planned.paths.model(group, grid.original) for group in groups]
    assert len(set(folders)) == len(groups)
    assert all(folder.isprintable() and not set(folder) & set("{}") for folder in folders)
    for task in study.tasks:
        assert grid.models(task)[0] == grid.original
        grid.explainers(task)
        grid.twins(task)
    return study


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """The first config of a process imports the components."""
    for config in BASES.values():
        plan(config)


@pytest.mark.parametrize("number", range(COUNT))
def test_a_mistake_is_named_or_harmless(number: int) -> None:
    rng = random.Random(number)
    changed = mutation(BASES[rng.choice(sorted(BASES))], rng)
    started = time.process_time()
    try:
        study = plan(changed.config)
    except UserError as error:
        message = str(error)
        assert message.isprintable(), changed.what
        assert len(message) < 1500, changed.what
        assert any(key in message for key in changed.keys), (changed.what, message)
    else:
        assert load_config(study.model_dump(mode="json")) == study
    assert time.process_time() - started < 1, changed.what


def test_most_mutations_are_mistakes() -> None:
    """Were nearly all refused or nearly all harmless, the test above would say little."""
    refused = 0
    for number in range(0, COUNT, 4):
        rng = random.Random(number)
        try:
            plan(mutation(BASES[rng.choice(sorted(BASES))], rng).config)
        except UserError:
            refused += 1
    assert COUNT / 4 * 0.6 < refused < COUNT / 4 * 0.97


def changed(**parts: Any) -> dict[str, Any]:
    return {**demo(), **parts}


def refused(config: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        plan(config)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize(
    ("config", "part"),
    [
        (changed(seeds=[2**63]), "seeds.0 = 9223372036854775808: Input should be less than"),
        (changed(seeds=[16**6000]), "seeds.0 = a huge number"),
        (changed(study="A" * 101), "at most 100"),
        (changed(results=""), "results = '': must be the name of a folder"),
        (changed(data="two\nlines"), r"data = 'two\nlines': must be the name of a folder"),
        (changed(results="{dataset}"), "results = '{dataset}': must be the name of a folder"),
        (changed(methods={"vanilla": {}, "x": {"kind": 16**6000}}), "methods.x: unknown method a"),
        (
            changed(methods={"vanilla": {}, "zhang": {"learning_rate": float("inf")}}),
            "methods.zhang.learning_rate = inf: Input should be a finite number",
        ),
        (
            changed(designs={"phi": {"levels": [0.5, 0.5000001]}}),
            "designs.phi.levels = [0.5, 0.5000001]: levels are named twice",
        ),
        (
            changed(regions={"attributes": {"synthfaces": {"Smiling": [0.5, 0.5, 0.1, 0.9]}}}),
            "regions.attributes.synthfaces.Smiling = [0.5, 0.5, 0.1, 0.9]: allowed are a rectangle",
        ),
        (
            changed(regions={"attributes": {"synthfaces": {"Smiling": {"mask": 3}}}}),
            "regions.attributes.synthfaces.Smiling = {'mask': 3}: allowed are a rectangle",
        ),
        (
            changed(regions={"attributes": {"synthfaces": {"": None}}}),
            "regions.attributes.synthfaces.: the attribute expression '': expected an attribute",
        ),
    ],
)
def test_mistakes_that_mutations_found(config: dict[str, Any], part: str) -> None:
    assert part in refused(config)


@pytest.mark.parametrize("key", ["target", "protected"])
@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("gender = Male", "unexpected '='"),
        ("race in Black", "expected '['"),
        ("", "expected an attribute"),
        ("(" * 5000 + "x", "it is nested too deeply"),
    ],
)
def test_attribute_expressions_are_parsed_before_the_first_job(
    key: str, expression: str, part: str
) -> None:
    (name, task), *_ = BASES["config.yaml"]["tasks"].items()
    message = refused(changed(tasks={name: {**task, key: expression}}))
    assert message.startswith(f"config: tasks.{name}.{key}: the attribute expression ")
    assert part in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("study: a\nseeds: [0]\nstudy: b\n", "the key study is named twice, in the lines 1 and 3"),
        ("methods:\n  zhang: {}\n  thropt: {}\n  zhang: {steps: 3}\n", "methods.zhang is named"),
        ("a: {b: {c: 1, d: 2, 'c': 3}}\n", "a.b.c is named twice, in the lines 1 and 1"),
        ("a:\n  - {b: 1}\n  - {b: 1, b: 2}\n", "a.1.b is named twice, in the lines 3 and 3"),
        ("study: [demo\n", "is no YAML"),
        ("\tstudy: demo\n", "is no YAML"),
        ("seeds: [2024-02-31]\n", "is no YAML: day is out of range"),
        ("- study\n", "must hold a mapping of keys to values"),
        ("", "must hold a mapping of keys to values"),
    ],
)
def test_files_that_are_no_configs(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    assert part in str(error.value)
    assert str(error.value).startswith(str(path))
    assert str(error.value).isprintable()


def test_aliases_and_other_types_are_no_repetition(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("a: &x {b: 1}\nc: *x\nd: {3: 1, '3': 2}\ne: &y [*y]\n")
    check_keys(path)
    assert yaml.safe_load(path.read_text())["d"] == {3: 1, "3": 2}


@pytest.mark.parametrize("name", sorted(BASES))
def test_shipped_configs_name_no_key_twice(name: str) -> None:
    check_keys(ROOT / name if name == "config.yaml" else ROOT / "studies" / name)
