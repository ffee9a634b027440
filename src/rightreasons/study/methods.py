"""A study's methods: presets filled in, what tuning searches, and matched controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component, Registry, suggestion
from rightreasons.study.messages import quoted
from rightreasons.study.parameters import component_params
from rightreasons.study.sections import DEFAULT, METHOD_KEYS, TUNED, StudyConfig


def study_methods(
    registry: Registry, chosen: Mapping[str, dict[str, Any]], *, controls: bool
) -> dict[str, dict[str, Any]]:
    """Return all methods of a study with all their parameters, in order.

    Parameters
    ----------
    registry
        The registered methods.
    chosen
        The config's methods.
    controls
        Whether every method with a strength gets its matched control, `<name>_control`, after it:
        the same parameters, budget and random streams at strength 0. A method of which nothing is
        left at strength 0 (the trait `inert`) has the original as its control. And whether a study
        of several methods has one that is nothing but chance.

    Returns
    -------
    dict
        By name: kind, preset, its parameters; `search` for tuned ones, `control_of` for controls.

    Raises
    ------
    UserError
        For an unknown preset, a search of what cannot be searched, and for names that are taken.
    """
    methods: dict[str, dict[str, Any]] = {}
    for name, given in chosen.items():
        if _is_control(name, given):
            continue  # a checked config has them: they are made anew
        methods[name] = _method(registry, name, dict(given or {}))
        control = _control(registry, name, methods[name]) if controls else None
        if control is None:
            continue
        if not _is_control(f"{name}_control", chosen.get(f"{name}_control", control)):
            raise UserError(
                f"methods.{name}_control: the name of {name}'s matched control. Rename it, or set "
                "`controls: false`."
            )
        methods[f"{name}_control"] = control
    return {**methods, **_noise(registry, methods)} if controls else methods


def _noise(registry: Registry, methods: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the method that is nothing but chance, unless there is one or nothing to compare."""
    noise = [method.name for method in registry if method.traits["noise"]]
    known = {given["kind"] for given in methods.values()}
    if len(methods) < 2 or known & set(noise) or not noise or noise[0] in methods:
        return {}
    return {noise[0]: _method(registry, noise[0], {})}


def _is_control(name: str, given: Any) -> bool:
    """Return whether a method of a config is the matched control that a check has added."""
    return isinstance(given, dict) and f"{given.get('control_of')}_control" == name


def _method(registry: Registry, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return one method with its preset's parameters under its own keys."""
    where = f"methods.{name}"
    preset, search = given.pop("preset", DEFAULT), given.pop("search", None)
    kind = given.get("kind", name)
    known = registry[kind] if isinstance(kind, str) and kind in registry else None
    presets = known.traits["presets"] if known else {}
    if preset not in (DEFAULT, TUNED, *presets):
        allowed = (DEFAULT, TUNED, *presets)
        hint = suggestion(preset, allowed) if isinstance(preset, str) else "."
        raise UserError(
            f"{where}: unknown preset {quoted(preset)}{hint} Allowed: {', '.join(allowed)}."
        )
    if search is not None and preset != TUNED:
        raise UserError(f"{where}.search: only methods with `preset: {TUNED}` are searched.")
    full = component_params(registry, where, name, {**presets.get(preset, {}), **given})
    made = {"kind": full.pop("kind"), "preset": preset}
    if preset == TUNED:
        made["search"] = _searched(registry[made["kind"]], where, given, search)
    return {**made, **full}


def _searched(component: Component, where: str, given: dict[str, Any], search: Any) -> list[str]:
    """Return the parameters that tuning draws: those asked for, or all that the config leaves."""
    space = component.traits["search"]
    if search is None:
        search = [name for name in space if name not in given]
    if not isinstance(search, list) or not search or (set(search) - set(space)):
        raise UserError(
            f"{where}: preset {TUNED} needs parameters to search, and `search` is {search!r}. "
            f"{component.name} has these: {', '.join(space) or 'none, so it cannot be tuned'}."
        )
    return search


def _control(registry: Registry, name: str, method: dict[str, Any]) -> dict[str, Any] | None:
    """Return the control of a method, or None where it needs none of its own."""
    traits = registry[method["kind"]].traits
    knob = traits["knob"]
    if not knob or traits["inert"] or method[knob] == 0:
        return None
    return {**method, knob: 0, "control_of": name}


def check_tuning(study: StudyConfig) -> None:
    """Raise UserError for a study whose tuned methods cannot be tuned.

    Raises
    ------
    UserError
        Without trials, without select images, with levels that a design lacks, or where held-out
        images differ between seeds, so that a choice would have seen test images.
    """
    tuned = [
        name
        for name, method in study.methods.items()
        if method["preset"] == TUNED and "control_of" not in method
    ]
    if not tuned:
        return
    if not study.tuning.trials:
        raise UserError(
            f"config: {', '.join(tuned)} with `preset: {TUNED}` need trials: set `tuning.trials` "
            "(30, say)."
        )
    for name, design in study.designs.items():
        shares = design.get("shares")
        if shares is not None and not shares.get("select"):
            raise UserError(
                f"config: designs.{name}.shares has no `select`, and {tuned[0]} is tuned on it. "
                "Give that role a share of the images, such as 0.15."
            )
        if design.get("held_out") == "per_seed":
            raise UserError(
                f"config: designs.{name}.held_out = per_seed: then test images of one seed train "
                f"or select with another, and {tuned[0]} would be tuned on them. Set it to fixed."
            )
        levels = study.tuning.levels
        if levels != "each" and not set(levels) & set(design["levels"]):
            raise UserError(
                f"config: tuning.levels = {levels}: the design {name} has none of them. It has "
                f"{design['levels']}."
            )


def parameters(method: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a method of a study, without what is none."""
    return {key: value for key, value in method.items() if key not in METHOD_KEYS}
