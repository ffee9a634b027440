"""Grid, plan and tables know components by their traits, never by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rightreasons
from rightreasons.study.load import registries

PACKAGE = Path(rightreasons.__file__).parent
FILES = sorted(
    path
    for pattern in ("study/grid.py", "study/plan*.py", "tables/*.py")
    for path in PACKAGE.glob(pattern)
)
#: Words that are a component's name and something else as well: what they are there.
ALLOWED = {
    ("tables/regions.py", "patch"): "column: side of a patch classifier's patches",
    ("tables/table_one.py", "balanced"): "column of `table_one`, the paper's word",
    ("tables/table_one_text.py", "balanced"): "the same column",
}


def words(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string constant."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def named(path: str, source: str) -> list[str]:
    """Return where a file names a component."""
    names = {name for registry in registries().values() for name in registry.names()}
    return [
        f"{path}:{line} names {word!r}"
        for line, word in words(source)
        if word in names and (path, word) not in ALLOWED
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_component_is_named(path: Path) -> None:
    assert named(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")) == []


def test_what_is_allowed_is_needed() -> None:
    for path, word in ALLOWED:
        assert word in {text for _, text in words((PACKAGE / path).read_text(encoding="utf-8"))}


def test_a_name_is_found_wherever_it_stands() -> None:
    source = 'x = [m for m in y if m == "rrf"]\nz = {"a": f"{x}vanilla"}\ndef f(a="random"): ...\n'
    assert sorted(named("f.py", source)) == [
        "f.py:1 names 'rrf'",
        "f.py:2 names 'vanilla'",
        "f.py:3 names 'random'",
    ]
