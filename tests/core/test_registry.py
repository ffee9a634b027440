from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rightreasons
from rightreasons.core.errors import UserError
from rightreasons.core.registry import Registry
from rightreasons.debias import METHODS
from rightreasons.study.load import registries

ALL = pytest.mark.parametrize("registry", registries().values(), ids=lambda r: r.noun)


def test_every_registry_of_the_library_is_known() -> None:
    """One that is not among them would be tested by nothing here."""
    packages = [
        importlib.import_module(f"rightreasons.{package.name}")
        for package in pkgutil.iter_modules(rightreasons.__path__)
    ]
    values = [value for package in packages for value in vars(package).values()]
    found = {value for value in values if isinstance(value, Registry)}
    assert found == set(registries().values())


@ALL
def test_every_component_says_what_it_is(registry: Registry) -> None:
    assert registry.names()
    for component in registry:
        assert component.title
        assert component.paper
        for name, field in component.params.model_fields.items():
            assert field.description, f"{component.name}.{name} has no description"


@ALL
def test_every_component_has_defaults_that_json_can_hold(registry: Registry) -> None:
    for component in registry:
        if all(not field.is_required() for field in component.params.model_fields.values()):
            stored = component.params().model_dump(mode="json")
            assert component.params(**stored) == component.params()


def test_unknown_component_names_the_closest() -> None:
    with pytest.raises(UserError, match=r"unknown method 'zang' \(did you mean 'zhang'\?\)"):
        METHODS["zang"]


def test_two_components_of_one_name_are_refused() -> None:
    registry = Registry("rightreasons.debias", "method")

    def first() -> None: ...

    def second() -> None: ...

    second.__module__ = "elsewhere"
    registry.register("same", title="a", paper="b")(first)
    with pytest.raises(UserError, match="defined twice"):
        registry.register("same", title="a", paper="b")(second)


def test_a_trait_that_the_registry_does_not_know_is_refused() -> None:
    registry = Registry("rightreasons.debias", "method", traits={"changes": "weights"})
    with pytest.raises(TypeError, match=r"method x: unknown traits \['chnages'\]"):
        registry.register("x", title="a", paper="b", chnages="decision")


def test_a_new_file_is_a_new_component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fruits"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from rightreasons.core.registry import Registry\n"
        "FRUITS = Registry('fruits', 'fruit', traits={'sweet': True})\n"
    )
    (package / "pear.py").write_text(
        "from fruits import FRUITS\n"
        "@FRUITS.register('pear', title='Pear', paper='none')\n"
        "def pear(): return 'pear'\n"
    )
    (package / "lemon.py").write_text(
        "from fruits import FRUITS\n"
        "@FRUITS.register('lemon', title='Lemon', paper='none', sweet=False)\n"
        "def lemon(): return 'lemon'\n"
    )
    (package / "_pips.py").write_text("raise RuntimeError('a helper is no component')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    fruits = importlib.import_module("fruits").FRUITS
    assert fruits.names() == ["lemon", "pear"]
    assert [fruit.traits["sweet"] for fruit in fruits] == [False, True]
    assert fruits["pear"].run() == "pear"
    assert "pear" in fruits
    assert "apple" not in fruits


def test_planning_imports_no_slow_library() -> None:
    code = (
        "import sys; from rightreasons.study.load import load_config, read_yaml; "
        "from rightreasons.study.grid import Grid; from pathlib import Path; "
        "Grid(load_config(read_yaml(Path('config.yaml')))).groups(); "
        "slow = {'torch', 'torchvision', 'scipy.stats', 'sklearn', 'statsmodels', 'matplotlib',"
        " 'captum', 'zennit', 'skimage'} & set(sys.modules); "
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
