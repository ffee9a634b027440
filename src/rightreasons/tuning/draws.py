"""The trials of a method: its default, its presets, and points of its search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component
from rightreasons.core.search import Passes, Space
from rightreasons.core.seeds import derive

Sampler = Literal["sobol", "random"]


@dataclass(frozen=True)
class Trial:
    """One set of parameters that is tried.

    Attributes
    ----------
    number
        Its place; the same parameters at all levels and seeds of a task.
    source
        "default", "preset" with its name, or "drawn".
    params
        All parameters of the method, ready for JSON.
    """

    number: int
    source: str
    params: dict[str, Any]


def draw_trials(
    method: Component,
    base: Mapping[str, Any],
    searched: Sequence[str],
    *,
    trials: int,
    sampler: Sampler,
    seed: int,
    budget: int,
    sizes: Mapping[str, int],
) -> list[Trial]:
    """Return the trials of a method: first its own parameters, then its presets, then drawn ones.

    Parameters
    ----------
    method
        The registered method.
    base
        All its parameters as the study has them: what is not searched stays like this.
    searched
        The parameters that are drawn, keys of its trait `search`.
    trials
        How many trials there are, the first ones included.
    sampler
        "sobol" for a scrambled Sobol sequence, "random" for independent points.
    seed
        Of the draws; the method's kind is hashed in.
    budget
        Image passes that a trial may take: ranges of the kind `Passes` are shares of it.
    sizes
        Images of the roles train and debias.

    Returns
    -------
    list of Trial
        The same for the same arguments; with more trials the first ones stay.

    Raises
    ------
    UserError
        Where a drawn value is none that the method allows.
    """
    space = {name: method.traits["search"][name] for name in searched}
    named = [("default", dict(base))]
    for preset, given in method.traits["presets"].items():
        free = {key: value for key, value in given.items() if key in space}
        if free and {**base, **free} not in [params for _, params in named]:
            named.append((f"preset {preset}", {**base, **free}))
    points = _points(sampler, max(0, trials - len(named)), len(space), seed, method.name)
    drawn = [("drawn", {**base, **_values(space, base, u, budget, sizes)}) for u in points]
    return [
        Trial(number, source, _checked(method, params))
        for number, (source, params) in enumerate([*named, *drawn][:trials])
    ]


def _points(sampler: Sampler, count: int, dimensions: int, seed: int, name: str) -> np.ndarray:
    """Return `count` points of the unit cube, (count, dimensions)."""
    stream = derive(seed, "tune", name)
    if sampler == "random" or not dimensions:
        return np.random.default_rng(stream).random((count, dimensions))
    from scipy.stats import qmc

    sobol = qmc.Sobol(dimensions, seed=np.random.default_rng(stream))
    whole = sobol.random_base2(max(0, (max(count, 1) - 1).bit_length()))
    return whole[:count]


def _values(
    space: Space,
    base: Mapping[str, Any],
    point: np.ndarray,
    budget: int,
    sizes: Mapping[str, int],
) -> dict[str, Any]:
    """Return what a point of the unit cube says of each parameter."""
    values: dict[str, Any] = {}
    budgets: dict[str, tuple[Passes, float]] = {}
    for (name, where), u in zip(space.items(), point, strict=True):
        if isinstance(where, Passes):
            budgets[name] = (where, float(u))
        else:
            values[name] = where.value(float(u))
    known = {**base, **values}  # a drawn batch size counts
    for name, (where, u) in budgets.items():
        images = known["batch_size"] if where.unit == "steps" else sizes[where.role]
        values[name] = where.value(u, budget, int(images))
    return values


def _checked(method: Component, params: Mapping[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    try:
        return method.params.model_validate(params).model_dump(mode="json")
    except ValidationError as error:
        said = error.errors()[0]
        raise UserError(
            f"methods.{method.name}: its search space has a value that it does not allow: "
            f"{'.'.join(map(str, said['loc']))} = {said['input']!r} ({said['msg']}). "
            "Change its trait `search`."
        ) from None
