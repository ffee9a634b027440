"""The examples printed in docs/adding.md, and a pytest plugin that tests them as components.

`python -m pytest -p printed ...` writes each example into a file of its own, loads it, and keeps
of the tests that are collected those with an example, or a whole registry, among their parameters,
and those of tests/docs/of_printed.py. The folder `tests/helpers` must be in PYTHONPATH.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = re.compile(r"`src/rightreasons/(\w+)/(\w+)\.py`:\n\n```python\n(.*?)^```$", re.M | re.S)
YAML = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Example:
    """A printed file: the package that it is printed for, its name, its text."""

    package: str
    name: str
    code: str


def examples() -> list[Example]:
    """Return the components that docs/adding.md prints with the name of a file above them."""
    return [Example(*found) for found in PYTHON.findall((ROOT / "docs/adding.md").read_text())]


def configs(page: str) -> list[str]:
    """Return the parts of a config that a page of docs/ prints."""
    return YAML.findall((ROOT / "docs" / page).read_text())


def load(example: Example, folder: Path) -> None:
    """Write an example into `folder` and load it as a module of its package."""
    path = folder / f"{example.name}.py"
    path.write_text(example.code)
    name = f"rightreasons.{example.package}.{example.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def pytest_configure(config: Any) -> None:
    """Load all examples before any test is collected."""
    for example in examples():
        load(example, Path(tempfile.mkdtemp(prefix="printed-")))


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Keep the tests that are about the examples."""
    kept = [item for item in items if _is_about_them(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _is_about_them(item: Any) -> bool:
    from rightreasons.core.registry import Registry

    names = {example.name for example in examples()}
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return item.path.name == "of_printed.py" or any(
        isinstance(value, Registry) or (isinstance(value, str) and value in names)
        for value in values
    )
