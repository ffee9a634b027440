"""Digests of code, so that a result is made anew when the code that made it has changed.

The digest of a module covers the module and all that it imports from its own package and from this
one, at any depth and wherever the import stands. Comments, docstrings, layout, blocks of
`if TYPE_CHECKING` and the `description` of a parameter do not count. Libraries do not count either:
the table `provenance` has their versions. Another minor version of Python may give another digest.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Keyword arguments that are documentation.
PROSE = ("description",)


@cache
def digest(*modules: str) -> str:
    """Return the digest of modules and of what they import from their own packages and this one.

    Parameters
    ----------
    modules
        Full names; their order does not matter.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    ModuleNotFoundError
        Where a module has no file of Python code.
    """
    text = "\n".join(f"{name} {_read(name)[0]}" for name in sorted(closure(*modules)))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def closure(*modules: str) -> set[str]:
    """Return modules and all that they import from their packages and this one, at any depth.

    Parameters
    ----------
    modules
        Full names.

    Raises
    ------
    ModuleNotFoundError
        Where a module has no file of Python code.
    """
    found: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _read(name)[1]
    return found


def whole_package(package: str) -> str:
    """Return the digest of all modules of a package, at any depth.

    Parameters
    ----------
    package
        Full name.

    Returns
    -------
    str
        As `digest` gives it.

    Raises
    ------
    ModuleNotFoundError
        Where the package has no file of Python code.
    """
    root = _file(package)
    if root is None:
        raise ModuleNotFoundError(f"{package} has no file of Python code", name=package)
    names = [
        ".".join((package, *path.relative_to(root.parent).with_suffix("").parts))
        for path in root.parent.rglob("*.py")
    ]
    return digest(*sorted(name.removesuffix(".__init__") for name in names))


def commit() -> str | None:
    """Return the commit of the checkout that this file lies in.

    Returns
    -------
    str or None
        Forty hexadecimal digits, with + where files that git knows differ from it. None where there
        is no git, or the file is in no checkout.
    """
    here = Path(__file__).parent

    def git(*command: str) -> str:
        told = subprocess.run(
            ["git", *command], cwd=here, capture_output=True, text=True, check=True, timeout=10
        )
        return told.stdout.strip()

    try:
        if git("ls-files", "--", Path(__file__).name) == "":
            return None
        name = git("rev-parse", "HEAD")
        return name + "+" * bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module's own code, and what it imports from its package and this."""
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} has no file of Python code", name=module)
    tree = _Bare().visit(ast.parse(path.read_bytes(), str(path)))
    own = hashlib.blake2b(ast.unparse(tree).encode(), digest_size=16).hexdigest()
    tops = {module.partition(".")[0], __name__.partition(".")[0]}
    parents = [module.rpartition(".")[0]] if "." in module else []
    named = {*parents, *_imported(tree, module, path.name == "__init__.py")}
    inside = {name for name in named if name.partition(".")[0] in tops}
    return own, tuple(sorted(name for name in inside - {module} if _file(name) is not None))


@cache
def _file(module: str) -> Path | None:
    """Return the source file of a module, or None where it has none. Nothing is imported."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        path = Path(loaded)
        return path if path.suffix == ".py" else None
    parent, _, name = module.rpartition(".")
    if not parent:
        return _top(module)
    package = _file(parent)
    if package is None and hasattr(sys.modules.get(parent), "__path__"):  # a folder of the user's
        return _top(module)
    if package is None or package.name != "__init__.py":
        return None
    places = (package.with_name(f"{name}.py"), package.with_name(name) / "__init__.py")
    return next((place for place in places if place.is_file()), None)


def _top(module: str) -> Path | None:
    """Return the source file of a module outside all packages, or None where it has none."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    path = Path(spec.origin) if spec is not None and spec.origin else None
    return path if path is not None and path.suffix == ".py" else None


def _imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Yield every name that an import could mean as a module; not all of them are modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, module, is_package)
            yield base
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _base(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """Return what an import takes names from, relative imports resolved."""
    if not node.level:
        return node.module or ""
    steps = module.split(".") if is_package else module.split(".")[:-1]
    steps = steps[: len(steps) - node.level + 1]
    return ".".join([*steps, *([node.module] if node.module else [])])


def _is_text(node: ast.AST) -> bool:
    """Return whether a statement is nothing but a text."""
    value = getattr(node, "value", None)
    return isinstance(node, ast.Expr) and isinstance(getattr(value, "value", None), str)


class _Bare(ast.NodeTransformer):
    """Takes away what does nothing: docstrings, imports for types, descriptions."""

    def _body(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = getattr(node, "body", [])
        if body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _body

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Leave out `if TYPE_CHECKING`, keep what its `else` does."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse or ast.Pass()
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave out keyword arguments that are documentation."""
        self.generic_visit(node)
        node.keywords = [word for word in node.keywords if word.arg not in PROSE]
        return node
