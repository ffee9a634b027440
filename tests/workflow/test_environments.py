"""The Conda environments, the project's dependencies and the pins name the same packages."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from study import ROOT

OTHER_NAMES = {"pytorch-cpu": "torch", "pytorch-gpu": "torch", "matplotlib-base": "matplotlib"}
GPU_RULES = {"train", "debias", "explain", "region", "sanity"}


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = map(Requirement, project["dependencies"])
    return {requirement.name.lower(): requirement for requirement in found}


def conda(name: str) -> dict[str, str]:
    """Return the version of each package of an environment, as it is written."""
    listed = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    lines = [line for line in listed if isinstance(line, str)]
    lines += [line for entry in listed if isinstance(entry, dict) for line in entry["pip"]]
    parts = [re.match(r"([\w-]+)\s*(.*)", line) for line in lines]
    return {OTHER_NAMES.get(p[1], p[1]): p[2] for p in parts if p}


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_an_environment_has_the_project_s_dependencies(name: str) -> None:
    project = {key: str(r.specifier) for key, r in declared().items() if key != "snakemake"}
    found = {key: value for key, value in conda(name).items() if key not in ("python", "pip")}
    assert found == project


def test_the_pins_meet_the_project_s_dependencies() -> None:
    lines = (ROOT / "envs/pins.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, requirement in declared().items():
        assert Version(pins[name]) in requirement.specifier, name


def test_rules_that_ask_for_a_gpu_have_the_environment_with_cuda() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    asking = {rule for rule, own in profile["set-resources"].items() if own.get("gres")}
    assert asking == GPU_RULES
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = re.findall(r'^rule (\w+):(?:(?!^rule ).)*?"\.\./envs/(\w+)\.yaml"', text, re.M | re.S)
    assert {name for name, environment in rules if environment == "gpu"} == GPU_RULES
    assert len(rules) == len(re.findall(r"^rule (?!all)\w+:", text, re.M))


def test_every_figure_is_drawn_in_a_group() -> None:
    groups = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["groups"]
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("report*.smk"))
    rules = set(re.findall(r"^rule (\w+):", text, re.M))
    assert rules == {rule for rule, group in groups.items() if group == "figures"}
