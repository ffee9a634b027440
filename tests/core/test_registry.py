"""Registries: what they find by themselves, and what they refuse."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import rightreasons
from rightreasons.core import registry as core
from rightreasons.core.errors import UserError
from rightreasons.core.registry import Registry
from rightreasons.debias import METHODS
from rightreasons.study.load import registries

REGISTRIES = registries().values()


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.noun)
def test_every_registry_has_components_and_a_group_for_plugins(registry: Registry) -> None:
    assert registry.names()
    assert registry.group.startswith("rightreasons.")
    assert [other.group for other in REGISTRIES].count(registry.group) == 1
    assert not any(registry.is_foreign(component) for component in registry)


def test_every_package_with_a_registry_is_among_the_studys() -> None:
    """No kind of components can be forgotten: not by the schema, not by the contract tests."""
    found = set()
    for package in pkgutil.iter_modules(rightreasons.__path__, "rightreasons."):
        if package.ispkg:
            names = vars(importlib.import_module(package.name))
            found |= {id(value) for value in names.values() if isinstance(value, Registry)}
    assert found == {id(registry) for registry in REGISTRIES}


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


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """Return what installs a package with one plug-in, and gives a registry that finds it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "herbs").mkdir()
    (tmp_path / "herbs" / "__init__.py").write_text(
        "from rightreasons.core.registry import Registry\n"
        "HERBS = Registry('herbs', 'herb', group='tests.herbs')\n"
    )
    herbs: Registry = importlib.import_module("herbs").HERBS

    def make(code: str, value: str = "garden.mint") -> Registry:
        metadata = tmp_path / "garden-2.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: garden\nVersion: 2.1\n")
        (metadata / "entry_points.txt").write_text(f"[tests.herbs]\nmint = {value}\n")
        (tmp_path / "garden").mkdir()
        (tmp_path / "garden" / "__init__.py").write_text("")
        (tmp_path / "garden" / "mint.py").write_text(code)
        core._plugins.cache_clear()
        return herbs

    yield make
    core._plugins.cache_clear()
    for name in ("herbs", "garden", "garden.mint"):
        sys.modules.pop(name, None)


MINT = """\
from herbs import HERBS


@HERBS.register('mint', title='Mint', paper='none')
def mint(): ...
"""


def test_an_installed_package_offers_components(install: Callable[..., Registry]) -> None:
    herbs = install(MINT)
    assert herbs.names() == ["mint"]
    assert herbs.is_foreign(herbs["mint"])


@pytest.mark.parametrize(
    ("code", "value", "why"),
    [
        ("import no_such_library\n", "garden.mint", "ModuleNotFoundError: No module named 'no_s"),
        ("def f(:\n", "garden.mint", "SyntaxError: invalid syntax"),
        ("x = 1\n", "garden.mint", "no herb in it"),
        (MINT, "garden.parsley", "ModuleNotFoundError: No module named 'garden.parsley'"),
        (MINT + "\n" + MINT.replace("title", "tittle"), "garden.mint", "TypeError: "),
    ],
)
def test_a_broken_plugin_is_named_with_its_package(
    install: Callable[..., Registry], code: str, value: str, why: str
) -> None:
    herbs = install(code, value)
    for _ in range(2):  # it does not go unnoticed the second time
        with pytest.raises(UserError) as error:
            herbs.names()
        said = str(error.value)
        assert (
            f"the herb 'mint' of the installed package garden 2.1 (tests.herbs = {value})" in said
        )
        assert f"cannot be used: {why}" in said
        assert said.endswith(". Mend the package or uninstall it.")
        assert "\n" not in said


def test_a_plugin_may_be_imported_before_it_is_looked_for(install: Callable[..., Registry]) -> None:
    herbs = install(MINT)
    importlib.import_module("garden.mint")
    assert herbs.names() == ["mint"]


def test_installed_packages_are_read_once(install: Callable[..., Registry]) -> None:
    install(MINT).names()
    for registry in REGISTRIES:
        registry._scanned = False
        registry.scan()
    assert core._plugins.cache_info().misses == 1


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
