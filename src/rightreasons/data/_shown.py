"""Names in messages, shown such that every character can be told from every other."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

#: How many names a message shows.
SHOWN = 10


def shown(name: str) -> str:
    """Return a name as it is, but with odd characters escaped, in quotes where blanks matter.

    Odd are combining marks, invisible and control characters, blanks other than a space, and
    letters that are not in Unicode's composed form (NFC).
    """
    text = name if name.isascii() and name.isprintable() else "".join(map(_told, name))
    return repr(text) if text != text.strip() or not text else text


def told_apart(one: str, other: str) -> tuple[str, str]:
    """Return two names that differ, such that the difference can be seen."""
    first, second = shown(one), shown(other)
    if one.isascii() and other.isascii():
        return first, second
    same = unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
    return (ascii(one), ascii(other)) if same or first == second else (first, second)


def listing(names: Iterable[str], most: int = SHOWN) -> str:
    """Return names for a message: the first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more


def _told(character: str) -> str:
    kind = unicodedata.category(character)
    odd = kind[0] in "MC" or (kind[0] == "Z" and character != " ")
    if odd or unicodedata.normalize("NFC", character) != character:
        return character.encode("unicode_escape").decode()
    return character
