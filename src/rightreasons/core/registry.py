"""Registries: a component is one file with one function, its parameters and its metadata.

A registry scans the modules of its package (those whose names do not begin with an underscore),
so a new file in the folder is a new component and no other file changes. Component files must not
import torch, scipy or other slow libraries at module level: the workflow reads every component's
parameters before it plans a job.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.core.sections import Section


class Params(Section):
    """A component's parameters: every field described, unknown keys refused."""


@dataclass(frozen=True)
class Component:
    """A registered component: its name, function, parameters and what is known about it."""

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
    """The components of one kind, found by scanning `package`.

    `noun` is what an error calls a component; `traits` lists the metadata that each must declare
    beside its title and paper, with their defaults.
    """

    def __init__(self, package: str, noun: str, traits: dict[str, Any] | None = None) -> None:
        self.package = package
        self.noun = noun
        self.traits = traits or {}
        self._components: dict[str, Component] = {}
        self._scanned = False

    def register(
        self, name: str, *, title: str, paper: str, params: type[Params] = Params, **traits: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return the decorator that registers a function under `name`."""
        if unknown := set(traits) - set(self.traits):
            raise TypeError(f"{self.noun} {name}: unknown traits {sorted(unknown)}")

        def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
            known = self._components.get(name)
            if known is not None and known.run.__module__ != run.__module__:
                raise UserError(
                    f"the {self.noun} {name!r} is defined twice: in {known.run.__module__} and in "
                    f"{run.__module__}. Rename one."
                )
            self._components[name] = Component(
                name, run, params, title, paper, {**self.traits, **traits}
            )
            return run

        return decorate

    def scan(self) -> None:
        """Import every component file of the package, once."""
        if self._scanned:
            return
        self._scanned = True
        package = importlib.import_module(self.package)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")

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
