"""What a report consists of, whatever it is written as: sections of text, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of points."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    columns
        The headings.
    rows
        Cells as text, as many in each row as there are headings. The first column is words, the
        others numbers.
    note
        What stands below.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse rows that are longer or shorter than the headings."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} cells under {len(self.columns)} headings: {row}")


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes
    ----------
    png
        The file's bytes.
    alt
        What is to be seen, for those who cannot see it.
    caption
        What stands below.
    width
        Share of the page's width, in (0, 1].
    """

    png: bytes
    alt: str
    caption: str = ""
    width: float = 1.0


Part = Text | Points | Table | Picture


@dataclass(frozen=True)
class Section:
    """A section with its title."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes
    ----------
    title
        What is reported on.
    facts
        What was audited: pairs of words.
    sections
        In their order.
    foot
        What stands at the very end.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = field(default_factory=tuple)
    foot: str = ""

    def words(self) -> str:
        """Return all text but that of pictures, for searching."""
        found = [self.title, *(word for fact in self.facts for word in fact), self.foot]
        for section in self.sections:
            found.append(section.title)
            for part in section.parts:
                found += _words(part)
        return "\n".join(found)


def _words(part: Part) -> Sequence[str]:
    match part:
        case Text(text):
            return [text]
        case Points(points):
            return points
        case Table(columns, rows, note):
            return [*columns, *(cell for row in rows for cell in row), note]
        case Picture(_, alt, caption):
            return [alt, caption]
