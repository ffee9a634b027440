"""What a component is to the others is said by traits: its name is in no file but its own.

A folder's files may hold a name that a column of the tables has that they read: `accuracy` is a
column of Table 1 as well as a metric.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rightreasons.core.registry import Registry
from rightreasons.figures import FIGURES
from rightreasons.study.load import registries
from rightreasons.tables.schema import TABLES
from study import ROOT

LIBRARY = ROOT / "src/rightreasons"
#: Files without names, below the library.
PLACES = ("study/grid.py", "study/plan*.py", "figures/*.py")
#: Tables whose columns a file may name, where it is no figure that says so itself.
READS = {"figures/_schemes.py": ("data_attribution",)}


def names() -> set[str]:
    """Return the names of all components that a study chooses from."""
    every: dict[str, Registry] = registries()
    return {name for registry in every.values() for name in registry.names()}


def files() -> list[Path]:
    return sorted(path for place in PLACES for path in LIBRARY.glob(place))


def strings(source: str) -> set[str]:
    """Return the string constants of a file, without what is said in docstrings."""
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def columns(path: Path) -> set[str]:
    """Return the columns of the tables that a file reads."""
    place = str(path.relative_to(LIBRARY))
    modules = {figure.run.__module__.rpartition(".")[2]: figure for figure in FIGURES}
    figure = modules.get(path.stem) if path.parent.name == "figures" else None
    tables = (*READS.get(place, ()), *(figure.traits["tables"] if figure else ()))
    return {column.name for table in tables for column in TABLES[table].columns}


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_no_component_is_named(path: Path) -> None:
    found = strings(path.read_text(encoding="utf-8")) & names()
    assert found - columns(path) == set()


def test_a_name_would_be_found() -> None:
    assert strings('"""vanilla"""\nif kind == "vanilla": pass\nx = {"lrp": 1}\n') & names() == {
        "vanilla",
        "lrp",
    }
    assert {"vanilla", "lrp", "phi", "accuracy", "synthfaces", "watermark"} <= names()
    assert len(files()) > 20
