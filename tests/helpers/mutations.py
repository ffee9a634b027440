"""Configs with one mistake, from a seeded generator."""

from __future__ import annotations

import copy
import datetime
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Steps = tuple[str | int, ...]

#: What YAML can put in place of a value.
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    2.5,
    10**400,
    16**6000,
    -(10**30),
    1e308,
    math.nan,
    math.inf,
    "",
    " ",
    "x",
    "../x",
    "{x}",
    "not " * 3000 + "x",
    "two\nlines",
    "vanilla",
    "synthfaces",
    datetime.date(2024, 2, 29),
    [],
    [None],
    [[]],
    [0, 0],
    [1e9],
    ["x", "x"],
    [0.1, 0.2, 0.3, 0.4],
    {},
    {"x": {}},
    {"x": None},
    {"kind": None},
    {"kind": ["phi"]},
    {"kind": {"a": 1}},
    {"": 1},
    {3: 1},
    {None: {}},
)


@dataclass(frozen=True)
class Mutation:
    """A changed config, what was done and the keys of which an error must name one."""

    config: dict[str, Any]
    what: str
    keys: tuple[str, ...]


def mutation(config: dict[str, Any], rng: random.Random) -> Mutation:
    """Return a copy of a config with one mistake at a random place."""
    changed = copy.deepcopy(config)
    change = rng.choice((replace, replace, replace, misspell, add, drop, repeat, move, empty))
    what, keys = change(changed, rng)
    return Mutation(changed, f"{change.__name__} {what}", keys)


def places(config: Any, at: Steps = ()) -> Iterator[Steps]:
    """Yield the path of every value below a config."""
    items: Any = ()
    if isinstance(config, dict):
        items = config.items()
    elif isinstance(config, list):
        items = enumerate(config)
    for key, value in items:
        yield (*at, key)
        yield from places(value, (*at, key))


def get(config: Any, steps: Steps) -> Any:
    """Return the value at a path."""
    for step in steps:
        config = config[step]
    return config


def pick(
    config: Any, rng: random.Random, fits: Callable[[Any], bool] = lambda value: True
) -> Steps:
    """Return a random path whose value fits."""
    return rng.choice([steps for steps in places(config) if fits(get(config, steps))])


def named(steps: Steps, *more: str) -> tuple[str, ...]:
    """Return the keys that lead to a place: an error about it must name one."""
    return (*(step for step in steps if isinstance(step, str)), *more)


def replace(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Put something else in place of a value."""
    steps, value = pick(config, rng), copy.deepcopy(rng.choice(WRONG))
    get(config, steps[:-1])[steps[-1]] = value
    return f"{steps}", named(steps)


def misspell(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change one letter of a key."""
    steps = rng.choice([steps for steps in places(config) if isinstance(steps[-1], str)])
    parent, key = get(config, steps[:-1]), str(steps[-1])
    at = rng.randrange(len(key))
    new = key[:at] + rng.choice(("", "q", key[at] * 2, "-", " ")) + key[at + 1 :]
    parent[new] = parent.pop(key)
    return f"{steps} as {new!r}", named(steps, new)


def add(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Add a key that is unknown, no text or known elsewhere."""
    steps = rng.choice([(), pick(config, rng, lambda value: isinstance(value, dict))])
    key = rng.choice(("zzz", "kind", "levels", "size", 3, 2.5, None, True, "a b", "A" * 300))
    get(config, steps)[key] = copy.deepcopy(rng.choice(WRONG))
    return f"{key!r} to {steps}", named(steps, str(key))


def drop(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Leave a value out."""
    steps = pick(config, rng)
    del get(config, steps[:-1])[steps[-1]]
    return f"{steps}", named(steps)


def repeat(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Name the items of a list twice."""
    steps = pick(config, rng, lambda value: isinstance(value, list) and bool(value))
    get(config, steps).extend(copy.deepcopy(get(config, steps)))
    return f"{steps}", named(steps)


def move(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Put a part of the config into another."""
    steps = pick(config, rng)
    value = get(config, steps[:-1])
    key, value = steps[-1], value.pop(steps[-1])
    to = rng.choice([(), *(s for s in places(config) if isinstance(get(config, s), dict))])
    get(config, to)[key] = value
    return f"{steps} to {to}", named(steps, str(key), *named(to))


def empty(config: Any, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Empty a list or a mapping."""
    steps = pick(config, rng, lambda value: isinstance(value, list | dict) and bool(value))
    get(config, steps).clear()
    return f"{steps}", named(steps)
