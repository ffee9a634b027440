"""Registries: a component is one file with one function, its parameters and its metadata.

A registry scans the modules of its package (those whose names do not begin with an underscore),
so a new file in the folder is a new component and no other file changes. Then it loads what
installed packages offer: the entry points of its group. `core.components` loads a user's own
files. Component files must not import torch, scipy or other slow libraries at module level: the
workflow reads every component's parameters before it plans a job.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rightreasons.core.errors import UserError, reason
from rightreasons.core.sections import Section


class Params(Section):
    """A component's parameters: every field described, unknown keys refused."""


@dataclass(frozen=True)
class Component:
    """A registered component.

    Attributes
    ----------
    name
        What a config calls it.
    run
        Its function or class.
    params
        The class of its parameters.
    title, paper
        What people call it, and where it comes from.
    traits
        What else is known about it: the registry's traits, with their defaults filled in.
    """

    name: str
    run: Callable[..., Any]
    params: type[Params]
    title: str
    paper: str
    traits: dict[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that registered it: what makes its results."""
        return self.run.__module__


class Registry:
    """The components of one kind.

    Parameters
    ----------
    package
        Package whose modules are scanned.
    noun
        What an error calls a component.
    traits
        The metadata that a component may declare beside title and paper, with the defaults.
    group
        Group of the entry points by which installed packages offer components; none if empty.
    """

    def __init__(
        self, package: str, noun: str, traits: dict[str, Any] | None = None, group: str = ""
    ) -> None:
        self.package = package
        self.noun = noun
        self.traits = traits or {}
        self.group = group
        self._components: dict[str, Component] = {}
        self._package_scanned = False
        self._scanned = False

    def register(
        self, name: str, *, title: str, paper: str, params: type[Params] = Params, **traits: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return the decorator that registers a function or class under a name.

        Parameters
        ----------
        name
            What a config calls it.
        title, paper
            What people call it, and where it comes from.
        params
            The class of its parameters.
        **traits
            Of the registry's traits those that differ from their defaults.

        Raises
        ------
        TypeError
            For a trait that the registry does not know.
        UserError
            From the decorator, if another module has registered the name.
        """
        if unknown := set(traits) - set(self.traits):
            raise TypeError(f"{self.noun} {name}: unknown traits {sorted(unknown)}")

        def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
            component = Component(name, run, params, title, paper, {**self.traits, **traits})
            if self.is_foreign(component):
                self._scan_package()  # so that it is the newcomer who is refused
            known = self._components.get(name)
            if known is not None and known.run.__module__ != run.__module__:
                raise UserError(
                    f"the {self.noun} {name!r} is defined twice: in {_file(known.run)} and in "
                    f"{_file(run)}. Rename one."
                )
            self._components[name] = component
            _REGISTERED.append(Registered(self, component))
            return run

        return decorate

    def is_foreign(self, component: Component) -> bool:
        """Return whether a component is not one of the registry's own package."""
        return not _within(component.module, self.package)

    def scan(self) -> None:
        """Import every component file of the package and every plug-in, once.

        Raises
        ------
        UserError
            If a plug-in cannot be loaded or registers nothing here; the next scan tries again.
        """
        if self._scanned:
            return
        self._scanned = True
        try:
            self._scan_package()
            for plugin in _plugins().get(self.group, ()):
                self._load(plugin)
        except BaseException:
            self._scanned = False
            raise

    def _scan_package(self) -> None:
        """Import every component file of the package, once."""
        if self._package_scanned:
            return
        package = importlib.import_module(self.package)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        self._package_scanned = True

    def _load(self, plugin: EntryPoint) -> None:
        """Import the module of an entry point; an error names the package that it is of."""
        try:
            made = registered_by(plugin.value.partition(":")[0].strip())
            wrong = "" if any(one.registry is self for one in made) else f"no {self.noun} in it"
        except Exception as error:
            wrong = reason(error) if isinstance(error, UserError) else _told(error)
        if wrong:
            package = f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else "unknown"
            raise UserError(
                f"the {self.noun} {plugin.name!r} of the installed package {package} "
                f"({self.group} = {plugin.value}) cannot be used: {wrong.rstrip('.')}. Mend the "
                "package or uninstall it."
            )

    def names(self) -> list[str]:
        """Return the names of all components, sorted."""
        self.scan()
        return sorted(self._components)

    def __iter__(self) -> Iterator[Component]:
        """Iterate over the components in the order of their names."""
        return iter([self._components[name] for name in self.names()])

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> Component:
        """Return the component called `name`; a UserError lists what there is otherwise."""
        if name not in self.names():
            raise UserError(
                f"unknown {self.noun} {name!r}{suggestion(name, self.names())} "
                f"Allowed: {', '.join(self.names())}."
            )
        return self._components[name]


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """Return ' (did you mean ...?)' with the closest allowed name, or a full stop."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)." if close else "."


@dataclass(frozen=True)
class Registered:
    """A component and the registry that it is in."""

    registry: Registry
    component: Component

    @property
    def is_current(self) -> bool:
        """Whether it was not registered anew since, as a file that was mended and loaded again."""
        return self.registry._components.get(self.component.name) is self.component


#: Everything that was ever registered, in order.
_REGISTERED: list[Registered] = []


def registered_by(module: str) -> list[Registered]:
    """Import a module and return what it registers, now or when it was first imported.

    What it registers by the way counts too: components of modules that it imports for the first
    time. The suite's own components never do.

    Parameters
    ----------
    module
        Full name.

    Returns
    -------
    list of Registered
        In the order of registration, without what was registered anew since.

    Raises
    ------
    Exception
        Whatever importing the module raises.
    """
    before = len(_REGISTERED)
    importlib.import_module(module)
    made = _REGISTERED[before:] or [
        one for one in _REGISTERED if _within(one.component.module, module)
    ]
    return [one for one in made if one.is_current and one.registry.is_foreign(one.component)]


@cache
def _plugins() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of all installed packages by group, read once in a process."""
    found = entry_points()
    return {group: tuple(found.select(group=group)) for group in found.groups}


def plugin_versions() -> dict[str, str]:
    """Return the version of every installed package that offers components, by its name."""
    found = (
        one.dist
        for group, points in _plugins().items()
        if group.startswith("rightreasons.")
        for one in points
    )
    return {dist.name: dist.version for dist in found if dist is not None}


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _file(run: Callable[..., Any]) -> str:
    """Return the file that a component is in, or its module's name."""
    return getattr(sys.modules.get(run.__module__), "__file__", None) or run.__module__


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {reason(error)}"
