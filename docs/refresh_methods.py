"""Writes what the code says of methods into docs/methods.md: parameters, and how each is tuned.

python docs/refresh_methods.py

The table of parameters in each method's section is made anew, and so is the table below the heading
"Presets, strengths and search spaces". A method without a section is an error.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from rightreasons.core.registry import Component
from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS

PAGE = Path(__file__).parent / "methods.md"
HEAD = "| parameter | default | allowed | what it is |\n|---|---|---|---|\n"
TUNING = "## Presets, strengths and search spaces\n"
TUNING_HEAD = (
    "| method | presets | strength | searched | protected attribute |\n|---|---|---|---|---|\n"
)
SIGNS = {"ge": "≥", "gt": "> ", "le": "≤", "lt": "< "}


def allowed(field: Any) -> str:
    """Return the values that a parameter may have."""
    kinds = [k for k in get_args(field.annotation) if k is not type(None)] or [field.annotation]
    words = [
        str(v) for k in [field.annotation, *kinds] if get_origin(k) is Literal for v in get_args(k)
    ]
    if words:
        return ", ".join(words)
    limits = [
        f"{sign.strip()} {getattr(one, name):g}"
        for one in field.metadata
        for name, sign in SIGNS.items()
        if getattr(one, name, None) is not None
    ]
    if limits:
        return ", ".join(limits)
    return "true, false" if field.annotation is bool else "a name" if str in kinds else ""


def parameters(method: Component) -> str:
    """Return the table of a method's parameters; empty where it has none."""
    fields = method.params.model_fields
    rows = [
        f"| `{name}` | {field.default} | {allowed(field)} | {field.description} |\n"
        for name, field in fields.items()
    ]
    return HEAD + "".join(rows) if rows else ""


def ranged(where: Real | Choice | Passes) -> str:
    """Return a range in a few words."""
    if isinstance(where, Choice):
        return " or ".join(map(str, where.values))
    if isinstance(where, Passes):
        return f"{where.low:g} to {where.high:g} of the budget"
    ends = f"{where.low:g} to {where.high:g}"
    return f"{'0, or ' * (where.zero > 0)}{ends}{' (log)' * where.log}"


def tuning(method: Component) -> str:
    """Return a method's row of what can be tuned."""
    traits = method.traits
    presets = "; ".join(
        f"**{name}**: {', '.join(f'{key} {value}' for key, value in given.items())}"
        for name, given in traits["presets"].items()
    )
    knob = f"`{traits['knob']}`" + " (0: the original)" * traits["inert"] if traits["knob"] else ""
    space = ", ".join(f"`{key}` {ranged(where)}" for key, where in traits["search"].items())
    used = ", ".join(traits["uses_protected"]) or "never"
    return f"| `{method.name}` | {presets} | {knob} | {space} | {used} |\n"


def refreshed(text: str) -> str:
    """Return the page with the tables of today."""
    for method in METHODS:
        found = re.search(rf"^## `{method.name}`\n.*?(?=^## |\Z)", text, re.M | re.S)
        if found is None:
            sys.exit(f"{PAGE}: no section for {method.name}")
        section = found[0]
        own = re.sub(rf"{re.escape(HEAD)}(\|.*\n)+", "\0", section)
        table = parameters(method)
        if "\0" not in own and table:
            own = own.rstrip() + "\n\n\0\n"
        text = text.replace(section, own.replace("\0", table))
    place = text.find(TUNING)
    start = text.find(TUNING_HEAD, place)
    if place < 0 or start < 0:
        sys.exit(f"{PAGE}: no table under {TUNING.strip()!r}")
    end = re.compile(r"^(?!\|)", re.M).search(text, start + len(TUNING_HEAD))
    rows = "".join(tuning(method) for method in METHODS)
    return text[: start + len(TUNING_HEAD)] + rows + text[end.start() if end else len(text) :]


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text()))
