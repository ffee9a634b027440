"""Digests of code: what counts as a change, and what a module's digest covers."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rightreasons
from rightreasons.core import code

SOURCE = '''"""A module."""
from __future__ import annotations
from typing import TYPE_CHECKING
from pydantic import Field
from plant import _roots

if TYPE_CHECKING:
    from plant import leaf

def grow(x: float, rate: float = Field(2.0, description="per day")) -> float:
    """Return what it becomes."""
    # by the rate
    from plant.deep import water
    return x * 2 + water(x)
'''


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a module that imports a helper and, inside a function, another package."""
    folder = tmp_path / "plant"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "stem.py").write_text(SOURCE)
    (folder / "_roots.py").write_text("from . import soil\n")
    (folder / "soil.py").write_text("import json\nDEPTH = 1\n")
    (folder / "leaf.py").write_text("GREEN = 1\n")
    (folder / "deep" / "__init__.py").write_text("from .well import water\n")
    (folder / "deep" / "well.py").write_text("def water(x): return x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "plant"]:
        del sys.modules[name]


def digest() -> str:
    for function in (code.digest, code._read, code._file):
        function.cache_clear()
    importlib.invalidate_caches()
    return code.digest("plant.stem")


def changed(plant: Path, name: str, old: str, new: str) -> bool:
    """Return whether the digest of plant.stem changes when a file is edited."""
    before = digest()
    path = plant / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    after = digest()
    path.write_text(text)
    assert digest() == before
    return after != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stem.py", "x * 2", "x * 3"),
        ("stem.py", "Field(2.0", "Field(3.0"),
        ("soil.py", "DEPTH = 1", "DEPTH = 2"),
        ("deep/well.py", "return x", "return -x"),
        ("deep/__init__.py", "from .well import water", "def water(x): return 0"),
    ],
)
def test_code_that_is_used_counts(plant: Path, name: str, old: str, new: str) -> None:
    assert changed(plant, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stem.py", "# by the rate", "# by its rate, once more"),
        ("stem.py", "Return what it becomes.", "Return what becomes of it."),
        ("stem.py", "A module.", "The module."),
        ("stem.py", "per day", "per week"),
        ("stem.py", "x * 2 + water(x)", "(x  *  2) + water(\n        x\n    )"),
        ("stem.py", "from plant import leaf", "from plant import leaf as green"),
        ("leaf.py", "GREEN = 1", "GREEN = 2"),
    ],
)
def test_prose_layout_and_types_do_not_count(plant: Path, name: str, old: str, new: str) -> None:
    assert not changed(plant, name, old, new)


def test_what_a_module_covers(plant: Path) -> None:
    digest()
    names = {"plant", "plant.stem", "plant._roots", "plant.soil", "plant.deep", "plant.deep.well"}
    assert code.closure("plant.stem") == names


def test_a_package_of_anothers_covers_what_it_takes_from_the_suite(plant: Path) -> None:
    (plant / "leaf.py").write_text("from rightreasons.core.seeds import derive\nimport json\n")
    digest()  # forgets what it has read
    assert {"plant.leaf", "rightreasons.core.seeds"} <= code.closure("plant.leaf")
    assert "json" not in code.closure("plant.leaf")


def test_nothing_is_imported(plant: Path) -> None:
    (plant / "soil.py").write_text("raise RuntimeError('imported')\n")
    digest()
    assert "plant.stem" not in sys.modules


def test_a_whole_package_is_all_its_modules(plant: Path) -> None:
    digest()
    before = code.whole_package("plant")
    (plant / "leaf.py").write_text("GREEN = 3\n")
    digest()
    assert code.whole_package("plant") != before


def test_the_commit_is_the_checkouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "library" / "code.py"
    copy.parent.mkdir()
    copy.write_text("")
    monkeypatch.setattr(code, "__file__", str(copy))
    assert code.commit() is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "c"]):
        subprocess.run([*git, *command], check=True)
    made = code.commit()
    assert made is not None
    assert re.fullmatch(r"[0-9a-f]{40}", made)
    copy.write_text("changed = 1")
    assert code.commit() == f"{made}+"
    monkeypatch.setenv("PATH", "")
    assert code.commit() is None


def test_order_and_repetition_do_not_matter() -> None:
    names = ("rightreasons.core.seeds", "rightreasons.core.errors")
    assert code.digest(*names) == code.digest(*reversed(names), names[0])
    assert code.digest(names[0]) != code.digest(*names)


def test_a_module_without_python_code_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module has no file"):
        code.digest("no_such_module")


def test_every_import_of_the_library_is_followed() -> None:
    """Derived once more from the text of the import lines, without the syntax tree's help."""
    root = Path(rightreasons.__file__).parent
    modules = {
        ".".join(("rightreasons", *path.relative_to(root).with_suffix("").parts)): path
        for path in root.rglob("*.py")
        if path.name != "__init__.py"
    }
    pattern = re.compile(r"^\s*from (rightreasons[\w.]*) import \(?([\w, ]*)")
    checked = 0
    for name, path in modules.items():
        found = [match for line in _live_lines(path.read_text()) if (match := pattern.match(line))]
        named = {match[1] for match in found}
        named |= {f"{match[1]}.{word}" for match in found for word in match[2].split(", ")}
        covered = code.closure(name)
        for other in named & set(modules):
            assert other in covered, f"{name} imports {other}"
            checked += 1
    assert checked > 300


def _live_lines(text: str) -> list[str]:
    """Return the lines that are not inside `if TYPE_CHECKING`."""
    blocks = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    return [
        line
        for number, line in enumerate(text.splitlines(), 1)
        if not any(number in block for block in blocks)
    ]
