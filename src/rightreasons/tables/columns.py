"""What a table's description is made of, and the columns that tables share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

WORD = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Column:
    """A table's column.

    Attributes
    ----------
    name
        Its name.
    type
        Arrow type.
    unit
        "" where it has none.
    meaning
        What it says, for the data dictionary and the file's metadata.
    """

    name: str
    type: pa.DataType
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    name
        Its name.
    row
        What one row is.
    parts
        Its columns in their order, and functions that return columns where these follow from what
        is registered.
    """

    name: str
    row: str
    parts: tuple[Column | Callable[[], Iterable[Column]], ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, those of components that are registered now included."""
        made = [[part] if isinstance(part, Column) else part() for part in self.parts]
        return tuple(chain.from_iterable(made))

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with unit and meaning in each column's metadata."""
        return pa.schema(
            [
                pa.field(c.name, c.type, metadata={"unit": c.unit, "meaning": c.meaning})
                for c in self.columns
            ],
            metadata={"table": self.name, "row": self.row},
        )


KEY = (
    Column("study", WORD, "", "name of the study"),
    Column("dataset", WORD, "", "name of the dataset in the study's config"),
    Column("task", WORD, "", "name of the task in the study's config"),
    Column("design", WORD, "", "how the splits are rebalanced"),
    Column("level", pa.float64(), "", "level of the design that was asked for"),
    Column("seed", pa.int64(), "", "seed of the cell; missing where seeds are pooled"),
    Column("method", WORD, "", "name of the method; missing where it does not apply"),
    Column("explainer", WORD, "", "name of the explainer; missing where it does not apply"),
)
RUN = (Column("run", WORD, "", "provenance: key of the table `provenance`"),)
IMAGE = (
    Column("image_id", pa.string(), "", "the dataset's name of the image"),
    Column(
        "target",
        pa.int8(),
        "",
        "1 where the image has the target attribute; of more than two classes the class's number",
    ),
    Column(
        "protected",
        pa.int8(),
        "",
        "1 where the image has the protected attribute; of more than two groups the group's number "
        "(table `groups`)",
    ),
)
VALUE = (
    Column("metric", WORD, "", "name of the metric (docs/metrics.md)"),
    Column("value", pa.float64(), "the metric's", "value; missing where it is not defined"),
)
INTERVAL = (
    Column("ci_low", pa.float64(), "the value's", "lower end of the 95 % interval"),
    Column("ci_high", pa.float64(), "the value's", "upper end of the 95 % interval"),
)


def floats(unit: str, **meanings: str) -> tuple[Column, ...]:
    """Return columns of floats of one unit, from their names and meanings."""
    return tuple(Column(name, pa.float64(), unit, text) for name, text in meanings.items())


def ints(unit: str, **meanings: str) -> tuple[Column, ...]:
    """Return columns of whole numbers of one unit, from their names and meanings."""
    return tuple(Column(name, pa.int64(), unit, text) for name, text in meanings.items())
