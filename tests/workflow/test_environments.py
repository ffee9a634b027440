"""The Conda environments, the project's dependencies, its imports and the pins are of one mind."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from rightreasons.figures import FIGURES
from study import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OTHER_NAMES = {"pytorch-cpu": "torch", "pytorch-gpu": "torch", "matplotlib-base": "matplotlib"}
# Snakemake runs the jobs, outside their environments; torchvision downloads CelebA by gdown.
NOT_IMPORTED = {"snakemake", "gdown"}
OPTIONAL = {"timm", "transformers", "huggingface-hub"}  # extras, imported where they are asked for
GPU_RULES = {
    *("train", "tune", "debias", "explain", "region", "fenced_region", "sanity", "probe"),
    *("witness", "explain_witness"),
}


def declared(*extras: str) -> dict[str, SpecifierSet]:
    """Return the bounds of the project's dependencies, with those of its extras."""
    lines = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    found = map(Requirement, [*PROJECT["dependencies"], *lines])
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in found}


def conda(name: str) -> dict[str, SpecifierSet]:
    """Return the bounds of the packages of an environment. `=3.12` is Conda's for `==3.12.*`."""
    listed = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    parts = [re.fullmatch(r"([\w-]+) *(.*)", line).groups() for line in listed]
    return {OTHER_NAMES.get(k, k): SpecifierSet(re.sub(r"^=(.*)", r"==\1.*", v)) for k, v in parts}


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_an_environment_has_the_project_s_dependencies_and_bounds(name: str) -> None:
    found = conda(name)
    assert str(found.pop("python")) == "==3.12.*"
    assert "3.12" in SpecifierSet(PROJECT["requires-python"])
    assert found == {key: bounds for key, bounds in declared().items() if key != "snakemake"}


def test_the_library_imports_what_the_project_depends_on_and_nothing_else() -> None:
    names = set()
    library = ROOT / "src/rightreasons"
    for path in [*library.rglob("*.py"), *(ROOT / "workflow_scripts").glob("*.py")]:
        if library / "contracts" not in path.parents:  # tests, which need pytest and hypothesis
            names |= imported(ast.parse(path.read_text()))
    own = {"rightreasons", *(path.stem for path in (ROOT / "workflow_scripts").glob("*.py"))}
    distributions = packages_distributions()
    others = names - own - sys.stdlib_module_names
    used = {canonicalize_name(d) for name in others for d in distributions.get(name, [name])}
    assert used >= OPTIONAL
    assert (used - OPTIONAL) | NOT_IMPORTED == set(declared())


def imported(module: ast.Module) -> set[str]:
    """Return the packages that a module imports, anywhere in it."""
    nodes = list(ast.walk(module))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    whole = [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    return {name.partition(".")[0] for name in [*plain, *whole]}


def test_the_pins_meet_the_project_s_dependencies() -> None:
    lines = (ROOT / "envs/pins.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, bounds in declared("dev").items():
        assert Version(pins[name]) in bounds, name


def test_rules_that_ask_for_a_gpu_have_the_environment_with_cuda() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    asking = {rule for rule, own in profile["set-resources"].items() if own.get("gres")}
    assert asking == GPU_RULES
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = re.findall(r'^rule (\w+):(?:(?!^rule ).)*?"\.\./envs/(\w+)\.yaml"', text, re.M | re.S)
    assert {name for name, environment in rules if environment == "gpu"} == GPU_RULES
    assert len(rules) == len(re.findall(r"^rule (?!all)\w+:", text, re.M))


def test_grouped_figures_are_those_that_there_are() -> None:
    """A figure that is not among them has a SLURM job of its own."""
    groups = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["groups"]
    rules = {rule for rule, group in groups.items() if group == "figures"}
    assert rules <= {f"figure_{name}" for name in FIGURES.names()}
    assert len(rules) > 20
