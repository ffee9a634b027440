"""Attribute expressions: what a task's `target` and `protected` may be.

Examples::

    Smiling                         a binary attribute
    gender == Male                  a category (also !=, and < <= > >= for numbers)
    race in [Black, "East Asian"]   one of several (also: not in)
    not Male, Male and Young, age != 0-2 or (Young and Smiling)

A word is made of letters, digits and _ . + -; anything else needs quotes. A quoted text on the
left is an attribute. Nothing is ever evaluated as code.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.data import KEYS
from rightreasons.data._shown import listing

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<word>[\w.+-]+)|(?P<sign>==|!=|<=|>=|[<>()\[\],]))"""
)
_ORDER: dict[str, Callable[[pd.Series, float], pd.Series]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUTH = {"true": "1", "false": "0"}
#: How many values or image ids an error shows.
_SHOWN = 12


@dataclass(frozen=True)
class Is:
    """A binary attribute by itself."""

    column: str


@dataclass(frozen=True)
class Compare:
    """An attribute against one value; `sign` is one of < <= > >=."""

    column: str
    sign: str
    value: str


@dataclass(frozen=True)
class Among:
    """An attribute that has one of some values."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of an expression."""

    part: Expression


@dataclass(frozen=True)
class Join:
    """Two expressions joined by `and` or `or`."""

    word: str
    left: Expression
    right: Expression


Expression = Is | Compare | Among | Not | Join


def binary(expression: str, attributes: pd.DataFrame) -> np.ndarray:
    """Return for each image whether an expression holds.

    Parameters
    ----------
    expression
        An attribute expression.
    attributes
        One row per image, with `image_id` as a column or as the index.

    Returns
    -------
    ndarray
        int8 (N,), 1 where the expression holds and 0 elsewhere.

    Raises
    ------
    UserError
        For an expression that cannot be parsed, unknown attributes and values (with what there is),
        a bare attribute that is not 0/1, and missing values (with the image ids).
    """
    return _evaluate(parse(expression), expression, attributes).astype(np.int8)


def classes(attribute: str, index: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Return the classes of an attribute, and which one each image belongs to.

    Parameters
    ----------
    attribute
        A categorical or numeric attribute by itself, whose values are the classes, in the order of
        the numbers they begin with, then of the alphabet. Or a 0/1 attribute or any other
        expression, which gives two classes: 0 where it does not hold and 1 where it does.
    index
        One row per image, as in `binary`.

    Returns
    -------
    codes : int64 (N,)
        0 to C - 1.
    names : list of str
        The C names of the classes.

    Raises
    ------
    UserError
        As `binary` does, and for an attribute with one value only.
    """
    parsed = parse(attribute)
    if isinstance(parsed, Is):
        column = _column(parsed.column, attribute, index)
        if not (_is_number(column) and column.isin([0, 1]).all()):
            return _categories(column)
    codes = _evaluate(parsed, attribute, index).astype(np.int64)
    text = attribute.strip()
    return codes, [f"not {text}" if isinstance(parsed, Is) else f"not ({text})", text]


def _categories(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    names = sorted(_values(column), key=_natural)
    if len(names) < 2:
        raise UserError(
            f"the attribute {column.name!r} has one value only, {names[0]!r}; at least two "
            "classes are needed. Choose another attribute."
        )
    texts = [f"{value:g}" if isinstance(value, int | float) else str(value) for value in column]
    return pd.Categorical(texts, categories=names).codes.astype(np.int64), names


def _natural(text: str) -> tuple[float, str]:
    """Return the key that sorts texts by the number they begin with; those without come last."""
    number = re.match(r"-?\d+(\.\d+)?", text)
    return (float(number[0]) if number else math.inf, text)


def columns(expression: str) -> tuple[str, ...]:
    """Return the attributes that an expression uses, in order, each once."""

    def used(part: Expression) -> list[str]:
        if isinstance(part, Not):
            return used(part.part)
        if isinstance(part, Join):
            return used(part.left) + used(part.right)
        return [part.column]

    return tuple(dict.fromkeys(used(parse(expression))))


def parse(expression: str) -> Expression:
    """Return the parsed expression.

    Raises
    ------
    UserError
        That says where it breaks off; also where it is nested too deeply.
    """
    parser = _Parser(expression)
    try:
        return parser.parse()
    except RecursionError:
        raise parser._error("it is nested too deeply") from None


class _Parser:
    """Recursive descent; `or` binds weaker than `and`, `and` weaker than `not`."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = self._tokens()
        self.at = 0

    def parse(self) -> Expression:
        parsed = self._joined("or")
        if self.at < len(self.tokens):
            raise self._error(f"unexpected {self.tokens[self.at]!r}")
        return parsed

    def _tokens(self) -> list[str]:
        """Return the tokens; texts keep their quotes, so that they differ from words."""
        tokens, at, end = [], 0, len(self.expression.rstrip())
        while at < end:
            match = _TOKEN.match(self.expression, at)
            if match is None:
                raise self._error(f"unexpected {self.expression[at:].strip()[0]!r}")
            tokens.append(match[0].strip())
            at = match.end()
        return tokens

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _accept(self, *allowed: str) -> str:
        token = self._peek()
        if token not in allowed:
            return ""
        self.at += 1
        return token

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise self._error(f"expected {token!r} instead of {self._peek() or 'the end'!r}")

    def _joined(self, word: str) -> Expression:
        def part() -> Expression:
            return self._joined("and") if word == "or" else self._negated()

        left = part()
        while self._accept(word):
            left = Join(word, left, part())
        return left

    def _negated(self) -> Expression:
        if self._accept("not"):
            return Not(self._negated())
        if self._accept("("):
            inside = self._joined("or")
            self._expect(")")
            return inside
        return self._compared()

    def _compared(self) -> Expression:
        column = self._value("an attribute")
        if sign := self._accept("==", "!="):
            equal = Among(column, (self._value("a value"),))
            return equal if sign == "==" else Not(equal)
        if sign := self._accept(*_ORDER):
            return Compare(column, sign, self._value("a number"))
        if self._accept("in"):
            return Among(column, self._list())
        if self._accept("not"):
            self._expect("in")
            return Not(Among(column, self._list()))
        return Is(column)

    def _list(self) -> tuple[str, ...]:
        self._expect("[")
        values = [self._value("a value")]
        while self._accept(","):
            values.append(self._value("a value"))
        self._expect("]")
        return tuple(values)

    def _value(self, what: str) -> str:
        token = self._peek()
        if not token or not (token[0] in "\"'" or re.fullmatch(r"[\w.+-]+", token)):
            raise self._error(f"expected {what} instead of {token or 'the end'!r}")
        if token in ("and", "or", "not", "in"):
            raise self._error(f"expected {what} instead of {token!r}; which needs quotes")
        self.at += 1
        return token[1:-1] if token[0] in "\"'" else token

    def _error(self, problem: str) -> UserError:
        return UserError(
            f"the attribute expression {self.expression[:200]!r}: {problem}. Examples: Smiling; "
            'gender == Male; race in [Black, "East Asian"]; not Male and age != 0-2. '
            "Words with spaces need quotes."
        )


def _evaluate(part: Expression, expression: str, attributes: pd.DataFrame) -> np.ndarray:
    if isinstance(part, Not):
        return ~_evaluate(part.part, expression, attributes)
    if isinstance(part, Join):
        left = _evaluate(part.left, expression, attributes)
        right = _evaluate(part.right, expression, attributes)
        return left & right if part.word == "and" else left | right
    column = _column(part.column, expression, attributes)
    if isinstance(part, Is):
        return _truth(column, expression)
    if isinstance(part, Among):
        return _among(column, part.values, expression)
    return _compare(column, part, expression)


def _column(name: str, expression: str, attributes: pd.DataFrame) -> pd.Series:
    """Return an attribute without missing values."""
    known = [str(column) for column in attributes if column not in KEYS]
    if name not in known:
        raise UserError(
            f"the attribute expression {expression!r}: unknown attribute {name!r}"
            f"{_hint(name, known)} Attributes: {', '.join(known)}."
        )
    column = attributes[name]
    missing = column.isna().to_numpy()
    if missing.any():
        ids = attributes["image_id"] if "image_id" in attributes else attributes.index.to_series()
        names = ids[missing].astype(str).tolist()
        raise UserError(
            f"the attribute {name!r} is missing for {len(names)} images: "
            f"{listing(names, _SHOWN)}. Fill it in, or leave these images out."
        )
    return column


def _truth(column: pd.Series, expression: str) -> np.ndarray:
    if not _is_number(column) or not column.isin([0, 1]).all():
        raise UserError(
            f"the attribute expression {expression!r}: {column.name!r} is not 0/1, so that it "
            f"must be compared with a value, as in {column.name} == {_quoted(_values(column)[0])}. "
            f"Values: {_shown(_values(column))}."
        )
    return column.to_numpy(dtype=bool)


def _among(column: pd.Series, values: tuple[str, ...], expression: str) -> np.ndarray:
    if not _is_number(column):
        known = _values(column)
        for value in values:
            if value not in known:
                raise _no_value(column, value, expression)
        return column.isin(list(values)).to_numpy(dtype=bool)
    numbers = [_number(_TRUTH.get(v.lower(), v), column, expression) for v in values]
    for value, number in zip(values, numbers, strict=True):
        if not (column == number).any():
            raise _no_value(column, value, expression)
    return column.isin(numbers).to_numpy(dtype=bool)


def _compare(column: pd.Series, part: Compare, expression: str) -> np.ndarray:
    if not _is_number(column):
        raise UserError(
            f"the attribute expression {expression!r}: {part.sign} compares numbers, and "
            f"{part.column!r} is text. Use == or in. Values: {_shown(_values(column))}."
        )
    number = _number(part.value, column, expression)
    return _ORDER[part.sign](column, number).to_numpy(dtype=bool)


def _number(value: str, column: pd.Series, expression: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _no_value(column, value, expression) from None


def _no_value(column: pd.Series, value: str, expression: str) -> UserError:
    known = _values(column)
    return UserError(
        f"the attribute expression {expression!r}: no image has {column.name!r} = {value!r}"
        f"{_hint(value, known)} Values: {_shown(known)}."
    )


def _hint(name: str, known: list[str]) -> str:
    """Return registry.suggestion's hint; what differs in case only comes first."""
    same = [other for other in known if other.lower() == name.lower()]
    return suggestion(name, known) if not same else f" (did you mean {same[0]!r}?)."


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)


def values_of(column: pd.Series) -> list[str]:
    """Return the values of an attribute as expressions name them, in the order of its classes.

    column: without missing values.
    """
    return sorted(_values(column), key=_natural)


def _values(column: pd.Series) -> list[str]:
    """Return an attribute's values as text, sorted; numbers by size."""
    values = sorted(column.unique().tolist())
    return [f"{v:g}" if isinstance(v, int | float) else str(v) for v in values]


def _shown(values: list[str]) -> str:
    more = f", ... ({len(values)} values)" if len(values) > _SHOWN else ""
    return ", ".join(_quoted(value) for value in values[:_SHOWN]) + more


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w.+-]+", value) else f'"{value}"'
