"""What imports what: no circles, and arrows between packages that only go down.

Counted is every import: those in functions, and those for type checking alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rightreasons

PACKAGE = Path(rightreasons.__file__).parent
#: The packages, from the lowest floor to the highest.
FLOORS = (
    ("core",),
    ("runtime",),
    ("data", "splits", "artifacts", "regions", "models", "learning"),
    ("debias", "saliency", "metrics", "statistics"),
    ("probes",),
    ("tuning",),
    ("tables",),
    ("figures",),
    ("stages",),
    ("study",),
    ("audit",),
    ("contracts",),
    ("__main__",),
)


def modules(package: Path = PACKAGE) -> dict[str, str]:
    """Return the source of every module by its name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


def imported(name: str, source: str, known: Iterable[str]) -> set[str]:
    """Return which of the known modules a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import in line {node.lineno}"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = within & set(known)
            found |= submodules
            if len(submodules) < len(within):
                found.add(str(node.module))
    return (found & set(known)) - {name}


def graph() -> dict[str, set[str]]:
    """Return which modules of the library each of them imports."""
    known = modules()
    return {name: imported(name, source, known) for name, source in known.items()}


GRAPH = graph()


def package_of(module: str) -> str:
    """Return a module's package, "" for the library itself."""
    return module.split(".")[1] if "." in module else ""


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a circle, none if there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circle(GRAPH) == []


def test_packages_have_no_circle_either() -> None:
    arrows: dict[str, set[str]] = {}
    for module, others in GRAPH.items():
        package = package_of(module)
        arrows.setdefault(package, set()).update({package_of(other) for other in others})
    assert circle({package: others - {package} for package, others in arrows.items()}) == []


def test_arrows_between_packages_go_down() -> None:
    floor = {package: i for i, packages in enumerate(FLOORS) for package in packages}
    up = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if floor[package_of(module)] < floor[package_of(other)]
    ]
    assert up == []


def test_every_package_has_its_floor() -> None:
    packages = {package_of(module) for module in GRAPH} - {""}
    assert packages == {package for packages in FLOORS for package in packages}


@pytest.mark.parametrize(
    "source",
    [
        "from rightreasons.core import errors",
        "from rightreasons.core.errors import UserError",
        "import rightreasons.core.errors",
        "def f():\n    from rightreasons.core.errors import UserError",
        "if TYPE_CHECKING:\n    from rightreasons.core.errors import UserError",
    ],
)
def test_imports_of_every_kind_are_seen(source: str) -> None:
    known = ["rightreasons.core", "rightreasons.core.errors"]
    assert imported("x", source, known) == {"rightreasons.core.errors"}


def test_circles_are_found() -> None:
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"]})) == {"a", "b", "c"}
    assert circle({"a": ["b", "c"], "b": ["c"]}) == []
