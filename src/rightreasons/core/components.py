"""Components of the user's own: the files, folders and modules that a study's config names.

A file is imported as a module of its folder, which is a package below this module: two folders
never meet, whatever their files are called, and a file imports the helpers beside it as
`from ._helper import ...`. The packages are called as their folders, the working directory
`here`, so that they keep their names where all is moved. Child processes are told of them by the
environment: each finds these modules by their names, a freshly started one that unpickles too.
"""

from __future__ import annotations

import importlib
import itertools
import os
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from rightreasons.core.errors import UserError, reason
from rightreasons.core.registry import Registered, registered_by
from rightreasons.core.user_paths import expanded

#: The environment's variable with the packages of all files that were loaded: name=folder:...
PACKAGES = "RIGHTREASONS_PACKAGES"

__path__: list[str] = []  # a package, whose modules `_Folders` finds


def load_components(
    names: Iterable[str], folders: Sequence[Path] = ()
) -> dict[str, tuple[Registered, ...]]:
    """Import the user's components, so that the registries know them.

    Parameters
    ----------
    names
        Files (`my_method.py`), folders (`mine/`, with a slash: every .py file in it whose name does
        not begin with an underscore), and modules or packages that Python can import.
    folders
        Where a file or folder is looked for after the working directory.

    Returns
    -------
    dict
        What each name registers. The keys are the names as they are to be given another process:
        as they were where they are found from the working directory, else the path from there.

    Raises
    ------
    UserError
        If there is no such file, folder or module, if it cannot be imported, if it registers
        nothing, or a name that is taken.
    """
    loaded = {}
    for name in (expanded(name, "components") for name in names):
        if name.endswith(".py") or "/" in name or os.sep in name:
            path, key = _located(name, folders)
            loaded[key] = tuple(made for file in _files(path) for made in _load_file(file))
        else:
            loaded[name] = tuple(_import(name, name))
    return loaded


def _located(name: str, folders: Sequence[Path]) -> tuple[Path, str]:
    """Return where a file or folder is, and what another process has to call it."""
    if Path(name).exists():
        return Path(name), name
    for folder in folders:
        if (folder / name).exists():
            path = os.path.relpath(folder / name)
            return Path(path), path if Path(path).is_file() else f"{path}/"
    looked = " and ".join(dict.fromkeys(str(place) for place in (Path.cwd(), *folders)))
    raise UserError(
        f"components: there is no {name} in {looked}. Allowed are Python files (my_method.py), "
        "folders with such files (mine/) and names of modules."
    )


def _files(path: Path) -> list[Path]:
    """Return a file itself, or the component files of a folder."""
    if path.suffix == ".py":
        return [path]
    if not path.is_dir():
        raise UserError(f"components: {path} is no Python file: its name does not end in .py.")
    files = sorted(file for file in path.glob("*.py") if not file.name.startswith("_"))
    if not files:
        raise UserError(
            f"components: the folder {path} has no Python file with a component (files whose names "
            "begin with _ are helpers)."
        )
    return files


def _load_file(file: Path) -> list[Registered]:
    """Import a file as a module of its folder's package."""
    if "." in file.stem:
        raise UserError(f"components: the name of {file} must have no dot but that of .py.")
    real = file.resolve()
    importlib.invalidate_caches()  # it may have been written a moment ago
    return _import(f"{__name__}.{_package(real.parent)}.{real.stem}", str(file), real.parent)


def _import(module: str, name: str, folder: Path | None = None) -> list[Registered]:
    """Import a module; errors call it `name`."""
    try:
        made = registered_by(module)
    except (Exception, SystemExit) as error:  # a script of somebody's may end Python
        raise UserError(f"components: {name} cannot be loaded: {_why(error, folder)}") from error
    if not made:
        raise UserError(
            f"components: {name} registers no component. Register one "
            '(`@METHODS.register("my_method", ...)`), or let the name of a helper begin with _.'
        )
    return made


def _why(error: BaseException, folder: Path | None) -> str:
    """Return on one line what went wrong in importing, and where."""
    if isinstance(error, UserError):
        return reason(error)
    if isinstance(error, SyntaxError):
        return f"{_shown(error.filename)}, line {error.lineno}: {error.msg}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        if folder is not None and (folder / f"{error.name}.py").exists():
            return f"a file beside it is imported with a dot: `from .{error.name} import ...`."
        if Path(error.name).is_dir():
            return f"there is no such module. The folder of that name is written {error.name}/."
    said = f"{type(error).__name__}: {reason(error)}".rstrip(".") + "."
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_theirs(f.filename)]
    return f"{_shown(frames[-1].filename)}, line {frames[-1].lineno}: {said}" if frames else said


def _is_theirs(filename: str) -> bool:
    """Return whether a file that was running is neither Python's importing nor the suite's."""
    return "importlib" not in filename and Path(__file__).parents[1] not in Path(filename).parents


def _shown(filename: str | None) -> str:
    """Return a path as seen from the working directory, where it is below it."""
    path = Path(filename or "?")
    return str(path.relative_to(Path.cwd()) if Path.cwd() in path.parents else path)


def _package(folder: Path) -> str:
    """Return the name of a folder's package, a new one where it has none yet."""
    known = _packages()
    for name, place in known.items():
        if place == folder:
            return name
    name = "here" if folder == Path.cwd().resolve() else re.sub(r"\W", "_", folder.name)
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    new = next(free for free in itertools.chain([name], numbered) if free not in known)
    pairs = [f"{one}={place}" for one, place in {**known, new: folder}.items()]
    os.environ[PACKAGES] = os.pathsep.join(pairs)
    return new


def _packages() -> dict[str, Path]:
    """Return the folders that this process or the one that started it has loaded files from."""
    pairs = filter(None, os.environ.get(PACKAGES, "").split(os.pathsep))
    split = (pair.split("=", 1) for pair in pairs)
    return {name: Path(folder) for name, folder in split}


class _Folders(MetaPathFinder):
    """Finds the packages of folders by their names."""

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a folder's package, None for anything else."""
        parent, _, name = fullname.rpartition(".")
        if parent != __name__:
            return None
        folder = _packages().get(name)
        if folder is None:
            return None
        if (start := folder / "__init__.py").exists():
            return spec_from_file_location(
                fullname, start, submodule_search_locations=[str(folder)]
            )
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec


sys.meta_path.append(_Folders())
