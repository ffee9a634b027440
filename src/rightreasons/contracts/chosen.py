"""Which components the contract tests run over.

The environment says it, so that processes of pytest-xdist know it too: `all`, or the names of
files, folders and modules, separated as paths are; without it, the plug-ins that are installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

import pytest

from rightreasons.core.components import load_components
from rightreasons.core.registry import Component, Registered, Registry
from rightreasons.study.load import scanned

#: The environment's variable.
VARIABLE = "RIGHTREASONS_CONTRACTS"
#: What it says for all components that are registered.
ALL = "all"


def chosen(registry: Registry, where: Callable[[Component], bool] = lambda _: True) -> list[str]:
    """Return the names of a registry's components that are to be tested.

    Parameters
    ----------
    registry
        The registry.
    where
        Picks the components that a test is about.

    Raises
    ------
    UserError
        As `load_components` does.
    """
    names = {made.component.name for made in _named() if made.registry is registry}
    wanted = os.environ.get(VARIABLE, "")
    return [
        component.name
        for component in registry
        if where(component)
        and (
            wanted == ALL
            or component.name in names
            or (not wanted and registry.is_foreign(component))
        )
    ]


def meant_for(
    registry: Registry, test: str, *conditions: Callable[[Component], bool]
) -> pytest.MarkDecorator:
    """Run a test for the `name` of every chosen component that it is for.

    Parameters
    ----------
    registry
        The registry.
    test
        The test's name: components that name it in their trait `exempt` are left out.
    conditions
        What else a component must meet.
    """

    def is_meant(component: Component) -> bool:
        exempt = test in component.traits.get("exempt", {})
        return not exempt and all(holds(component) for holds in conditions)

    return pytest.mark.parametrize("name", chosen(registry, is_meant))


def sections() -> dict[str, list[str]]:
    """Return the names of all components that are to be tested, by the registry's section."""
    return {section: chosen(registry) for section, registry in scanned().items()}


@cache
def _named() -> tuple[Registered, ...]:
    """Return what the files and modules that the environment names register."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted in ("", ALL):
        return ()
    scanned()
    loaded = load_components(wanted.split(os.pathsep))
    return tuple(made for components in loaded.values() for made in components)
