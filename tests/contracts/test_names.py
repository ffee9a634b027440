"""Grid, plan, tables and figures know components by their traits, never by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rightreasons
from rightreasons.figures import FIGURES
from rightreasons.study.load import registries
from rightreasons.tables.schema import TABLES

PACKAGE = Path(rightreasons.__file__).parent
PATTERNS = ("study/grid.py", "study/plan*.py", "tables/*.py", "figures/*.py")
FILES = sorted(path for pattern in PATTERNS for path in PACKAGE.glob(pattern))
#: Words that are a component's name and something else as well: what they are there.
ALLOWED = {
    ("tables/regions.py", "patch"): "column: side of a patch classifier's patches",
    ("tables/table_one.py", "balanced"): "column of `table_one`, the paper's word",
    ("tables/table_one_text.py", "balanced"): "the same column",
    ("tables/yardstick_transfer.py", "agreement"): "column of `yardstick_transfer`",
    ("figures/position_maps.py", "accuracy"): "column of `region_positions`",
    ("figures/position_maps.py", "ece"): "column of `region_positions`",
    ("figures/reliability.py", "accuracy"): "column of `region_reliability`",
    ("figures/reliability.py", "ece"): "column of `region_calibration`",
}


def names() -> set[str]:
    """Return the names of all components but figures, which are called as tables and stages are."""
    others = [registry for registry in registries().values() if registry is not FIGURES]
    return {name for registry in others for name in registry.names()}


def words(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string constant."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def named(path: str, source: str) -> list[str]:
    """Return where a file names a component."""
    known = names()
    return [
        f"{path}:{line} names {word!r}"
        for line, word in words(source)
        if word in known and (path, word) not in ALLOWED
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_component_is_named(path: Path) -> None:
    assert named(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")) == []


def test_what_is_allowed_is_needed_and_a_column() -> None:
    columns = {column.name for table in TABLES.values() for column in table.columns}
    for path, word in ALLOWED:
        assert word in {text for _, text in words((PACKAGE / path).read_text(encoding="utf-8"))}
        assert word in columns


def test_a_name_is_found_wherever_it_stands() -> None:
    source = 'x = [m for m in y if m == "rrf"]\nz = {"a": f"{x}vanilla"}\ndef f(a="random"): ...\n'
    assert sorted(named("f.py", source)) == [
        "f.py:1 names 'rrf'",
        "f.py:2 names 'vanilla'",
        "f.py:3 names 'random'",
    ]
    assert {"lrp", "phi", "accuracy", "synthfaces", "watermark"} <= names()
