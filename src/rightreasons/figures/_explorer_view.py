"""A view of the explorer: rows of the tables, the choices among them, and the SQL that gives them.

What the page shows is computed twice: here, and by its few lines of JavaScript (`_explorer_glue`)
after a choice. Both read the same `View`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

#: What a missing value is called among the options.
NONE = "none"
#: The option that leaves all rows.
ALL = "all"
LINE = 88  # letters of a query's line
UP, DOWN = "smallest first", "largest first"


@dataclass(frozen=True)
class Choice:
    """One thing that a reader chooses.

    Attributes
    ----------
    column
        The column of the view's rows whose value is chosen; of an axis the column that it becomes.
    title
        What the control is called.
    every
        Whether there is an option that leaves all rows.
    axis
        For each option the column that it shows; empty where rows are chosen.
    sql
        For each option its part of the query, where that is not `column = option`.
    """

    column: str
    title: str
    every: bool = False
    axis: Mapping[str, str] = field(default_factory=dict)
    sql: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A column of a view's table on the page.

    Attributes
    ----------
    name
        The rows' column.
    title
        Its head.
    look
        "text", "number" (three digits), "level" (as many as needed), "whole", or "picture".
    width
        In pixels.
    """

    name: str
    title: str
    look: str = "text"
    width: int = 90


@dataclass(frozen=True)
class View:
    """Rows, what can be chosen of them, and the query that gives the same.

    Attributes
    ----------
    key, title
        Its name in the page's address, and its heading.
    about
        What is shown, in a few sentences.
    rows
        All rows, of all choices.
    choices
        In order: what is left to choose of each depends on those before.
    sql
        DuckDB's query, with {where} (what is chosen), {order}, and {x} for an axis called x.
    columns
        The table below.
    sort
        Columns that rows can be sorted by; the first one at the start.
    down
        Whether the largest comes first at the start.
    first
        Columns that are sorted by before that, each with whether the largest comes first.
    ties
        Columns that are sorted by after it.
    more
        Further rows under the same choices, such as lines through points.
    bounds
        The axis whose values a reader can bound from below and above; empty for none.
    known
        Axes whose values a row must have to be shown.
    """

    key: str
    title: str
    about: str
    rows: pd.DataFrame
    choices: tuple[Choice, ...]
    sql: str
    columns: tuple[Column, ...]
    sort: tuple[str, ...]
    down: bool = False
    first: tuple[tuple[str, bool], ...] = ()
    ties: tuple[str, ...] = ()
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    bounds: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """What is chosen in a view: an option for each choice, the order, and bounds."""

    options: Mapping[str, str]
    sort: str
    descending: bool = False
    low: float | None = None
    high: float | None = None


def label(value: Any) -> str:
    """Return what an option is called: 0.6 is "0.6", a missing value "none"."""
    if value is None or pd.isna(value):
        return NONE
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def quoted(text: str) -> str:
    """Return text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def literal(value: Any) -> str:
    """Return a value as SQL writes it."""
    if isinstance(value, str):
        return quoted(value)
    return str(bool(value)).lower() if isinstance(value, bool) else f"{value:.12g}"


def condition(choice: Choice, value: Any) -> str:
    """Return the part of a query that keeps the rows with a value."""
    if (said := choice.sql.get(label(value))) is not None:
        return said
    if value is None or pd.isna(value):
        return f"{choice.column} IS NULL"
    return f"{choice.column} = {literal(value)}"


def values_of(view: View, choice: Choice) -> list[Any]:
    """Return the values of a choice among all rows, in the order of the rows; missing ones too."""
    return list(view.rows[choice.column].astype(object).drop_duplicates())


def start(view: View) -> Chosen:
    """Return what is chosen when the page opens: of every choice the first option."""
    options: dict[str, str] = {}
    for choice in view.choices:
        options[choice.column] = options_of(view, choice, options)[0]
    return Chosen(options, view.sort[0], view.down)


def options_of(view: View, choice: Choice, before: Mapping[str, str]) -> list[str]:
    """Return the options of a choice, given what is chosen before it."""
    if choice.axis:
        return list(choice.axis)
    rows = _kept(view, view.rows, before)
    there = set(rows[choice.column].map(label, na_action=None))
    found = [label(value) for value in values_of(view, choice) if label(value) in there]
    return [ALL] * choice.every + found


def shown(view: View, chosen: Chosen) -> pd.DataFrame:
    """Return the rows that a view shows, in their order, each axis as a column of its own."""
    rows = _kept(view, view.rows, chosen.options)
    for choice in view.choices:
        if choice.axis:
            rows = rows.assign(**{choice.column: rows[choice.axis[chosen.options[choice.column]]]})
    rows = rows.dropna(subset=list(view.known))
    if view.bounds and chosen.low is not None:
        rows = rows[rows[view.bounds] >= chosen.low]
    if view.bounds and chosen.high is not None:
        rows = rows[rows[view.bounds] <= chosen.high]
    keys = [*view.first, (chosen.sort, chosen.descending), *((name, False) for name in view.ties)]
    unique = dict(reversed(keys))  # the first one of a column counts
    for name in reversed(list(dict.fromkeys(name for name, _ in keys))):
        rows = rows.sort_values(name, ascending=not unique[name], kind="stable", na_position="last")
    return rows.reset_index(drop=True)


def query(view: View, chosen: Chosen) -> str:
    """Return the query that gives the numbers that a view shows."""
    parts = [f"{view.bounds} >= {chosen.low:.12g}"] if chosen.low is not None else []
    parts += [f"{view.bounds} <= {chosen.high:.12g}"] if chosen.high is not None else []
    text = view.sql
    where = []
    for choice in view.choices:
        option = chosen.options[choice.column]
        if choice.axis:
            text = text.replace("{" + choice.column + "}", choice.sql[option])
        elif not (choice.every and option == ALL):
            value = next(v for v in values_of(view, choice) if label(v) == option)
            where.append(condition(choice, value))
    text = text.replace("{where}", "\n  AND ".join(where) or "true")
    text = text.replace("{bounds}", "\n  AND ".join(parts) or "true")
    return text.replace("{order}", order(view, chosen.sort, chosen.descending))


def order(view: View, sort: str, descending: bool) -> str:
    """Return what a query sorts by."""
    keys = [*view.first, (sort, descending), *((name, False) for name in view.ties)]
    unique = dict(reversed(keys))
    names = dict.fromkeys(name for name, _ in keys)
    return ", ".join(f"{name}{' DESC' * unique[name]} NULLS LAST" for name in names)


def _kept(view: View, rows: pd.DataFrame, options: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows with the chosen values."""
    for choice in view.choices:
        option = options.get(choice.column)
        if choice.axis or option is None or (choice.every and option == ALL):
            continue
        rows = rows[rows[choice.column].map(label, na_action=None) == option]
    return rows


def encoded(view: View, rows: pd.DataFrame) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return rows as columns of numbers, and the words that the numbers of some columns stand for.

    A column of choices or of text is there as places in its list of words, so that no text is in
    the page more than once.
    """
    data: dict[str, Any] = {}
    words: dict[str, list[Any]] = {}
    chosen = {choice.column: choice for choice in view.choices if not choice.axis}
    for name in map(str, rows):
        values = rows[name]
        if name in chosen:
            known = values_of(view, chosen[name])
        elif _nested(values):
            data[name] = values.tolist()
            continue
        elif _numeric(values):
            data[name] = values.to_numpy(float, na_value=np.nan)
            continue
        else:
            known = list(values.astype(object).drop_duplicates())
        places = {label(value): place for place, value in enumerate(known)}
        data[name] = values.map(label, na_action=None).map(places).to_numpy("int32")
        words[name] = [None if pd.isna(value) else _plain(value) for value in known]
    return data, words


def _nested(values: pd.Series) -> bool:
    return len(values) > 0 and isinstance(values.iloc[0], list)


def _numeric(values: pd.Series) -> bool:
    known = pd.api.types
    return known.is_numeric_dtype(values.dtype) and not known.is_bool_dtype(values.dtype)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def listed(columns: Sequence[str]) -> str:
    """Return columns as a query lists them, as many a line as fit."""
    lines = [columns[0]]
    for name in columns[1:]:
        if len(lines[-1]) + len(name) > LINE:
            lines.append(name)
        else:
            lines[-1] += f", {name}"
    return ",\n       ".join(lines)
