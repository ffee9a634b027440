"""What every component says of itself, of whatever kind it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rightreasons.contracts.chosen import sections
from rightreasons.core.registry import Component
from rightreasons.study.load import registries

#: Libraries that a component imports in its function, since planning a study reads all components.
SLOW = (
    *("captum", "matplotlib", "scipy.stats", "skimage", "sklearn", "statsmodels"),
    *("torch", "torchvision", "zennit"),
)
CASES = [(section, name) for section, names in sections().items() for name in names]


def found(section: str, name: str) -> Component:
    return registries()[section][name]


@pytest.mark.parametrize(("section", "name"), CASES)
def test_it_says_what_it_is(section: str, name: str) -> None:
    component = found(section, name)
    assert component.title, "no title"
    assert component.paper, "no source"
    for key, field in component.params.model_fields.items():
        assert field.description, f"the parameter {key} has no description"


@pytest.mark.parametrize(("section", "name"), CASES)
def test_its_parameters_have_defaults_that_json_can_hold(section: str, name: str) -> None:
    params = found(section, name).params
    required = [key for key, field in params.model_fields.items() if field.is_required()]
    assert not required, "without a default"
    stored = json.loads(json.dumps(params().model_dump(mode="json"), allow_nan=False))
    assert params(**stored) == params()


@pytest.mark.parametrize(("section", "name"), CASES)
def test_an_unknown_parameter_is_refused(section: str, name: str) -> None:
    with pytest.raises(ValueError, match="no_such_key"):
        found(section, name).params.model_validate({"no_such_key": 1})


@pytest.mark.parametrize(("section", "name"), CASES)
def test_its_parameters_for_tests_are_allowed(section: str, name: str) -> None:
    component = found(section, name)
    assert component.params.model_validate(component.traits.get("small", {})) is not None


@pytest.mark.parametrize(("section", "name"), CASES)
def test_what_it_is_exempt_from_are_tests_with_a_reason(section: str, name: str) -> None:
    files = Path(__file__).parent.glob(f"test_{section}*.py")
    tests = {
        test for file in files for test in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    for test, reason in found(section, name).traits.get("exempt", {}).items():
        assert test in tests, f"{test} is no test"
        assert reason, f"why is {test} not for it?"


def test_importing_it_imports_no_slow_library() -> None:
    modules = sorted({found(*case).run.__module__ for case in CASES})
    code = (
        "import importlib, json, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    slow = [name for name in {SLOW} if name in sys.modules]\n"
        "    if slow:\n"
        "        sys.exit(f'{module} imports {slow}: import them in the function')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
