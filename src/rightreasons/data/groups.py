"""Groups of images: what a task's `protected` may be beside a yes or no.

Examples::

    Male                            two groups: not Male, Male
    gender                          a category with two values: Female, Male
    race                            a group for each of its values
    race, gender                    an intersection: Black & Female, Black & Male, ...
    race == Black, Young            an intersection of two expressions

In a config an intersection may be written as a list, `[race, gender]`, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.data.attributes import _TOKEN, Is, classes, columns, parse

#: The most groups: their numbers are stored as int8.
MOST = 127
#: Between the names of an intersection's parts.
AND = " & "


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each image belongs to.

    Attributes
    ----------
    codes : int8 (N,)
        0 to K - 1. Of two groups 1 is the one that has the attribute.
    names
        The K names. Every combination of an intersection has one, with or without images.
    """

    codes: np.ndarray
    names: tuple[str, ...]


def parts(expression: str) -> tuple[str, ...]:
    """Return the expressions whose combinations are the groups: one, if it is no intersection.

    Parameters
    ----------
    expression
        Attribute expressions (`rightreasons.data.attributes`), separated by commas.

    Raises
    ------
    UserError
        For a part that cannot be parsed, that is empty, or is there twice.
    """
    found = [text.strip() for text in _separated(expression)]
    if len(found) > 1 and (not all(found) or len(set(found)) < len(found)):
        what = "is there twice" if all(found) else "is empty"
        raise UserError(
            f"the intersection {expression!r}: a part {what}. Separate different attributes by "
            "commas: race, gender."
        )
    for text in found:
        parse(text)
    return tuple(found)


def joined(given: Sequence[str]) -> str:
    """Return a list of expressions as one: those of an intersection, separated by commas."""
    return ", ".join(given)


def group(expression: str, index: pd.DataFrame) -> Groups:
    """Return the group of each image.

    Parameters
    ----------
    expression
        An attribute, an expression, or an intersection of several (see the module). A bare
        attribute that is no 0/1 has a group for each of its values.
    index
        One row per image, with `image_id` as a column or as the index.

    Raises
    ------
    UserError
        As `rightreasons.data.attributes.binary` does; for an attribute with one value only, and
        for more than `MOST` groups.
    """
    found = [classes(part, index) for part in parts(expression)]
    count = int(np.prod([len(names) for _, names in found], dtype=np.float64))
    if count > MOST:
        raise UserError(
            f"{expression!r} makes {count} groups; at most {MOST} are possible. Compare an "
            "attribute of numbers with one (age >= 40), or take fewer values together: "
            'race in [Black, "East Asian"].'
        )
    codes = np.zeros(len(index), np.int64)
    for own, names in found:
        codes = codes * len(names) + own
    every = product(*(names for _, names in found))
    return Groups(codes.astype(np.int8), tuple(AND.join(one) for one in every))


def need_two(expression: str, names: Sequence[str], who: str) -> str:
    """Say that something needs two groups, and what can be done.

    Parameters
    ----------
    expression
        The task's protected attribute, or its target.
    names
        Of its groups or classes.
    who
        What needs two: `the design phi`.
    """
    shown = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
    first = parts(expression)[0]
    return (
        f"{expression} has {len(names)} values ({shown}), and {who} needs two. Compare it with a "
        f"value, as in {_example(first, names)}"
    )


def _example(part: str, names: Sequence[str]) -> str:
    """Return a comparison of an intersection's first part with its first value."""
    name = names[-1].split(AND)[0]
    if parse(part) != Is(part.strip("\"'")) or name.endswith(part):
        return part
    return f"{part} == {name}" if re.fullmatch(r"[\w.+-]+", name) else f'{part} == "{name}"'


def attributes(expression: str) -> tuple[str, ...]:
    """Return the attributes that an expression or intersection uses, in order, each once."""
    return tuple(dict.fromkeys(name for part in parts(expression) for name in columns(part)))


def bare(expression: str) -> tuple[str | None, ...]:
    """Return for each part the attribute that it is by itself, None where it is a comparison."""
    parsed = [parse(part) for part in parts(expression)]
    return tuple(one.column if isinstance(one, Is) else None for one in parsed)


def _separated(expression: str) -> Iterator[str]:
    """Yield the texts between the commas that stand outside of brackets and quotes."""
    start, at, depth = 0, 0, 0
    while match := _TOKEN.match(expression, at):
        at, sign = match.end(), match["sign"] or ""
        depth += (sign in ("(", "[")) - (sign in (")", "]"))
        if sign == "," and depth == 0:
            yield expression[start : match.start("sign")]
            start = at
    yield expression[start:]
