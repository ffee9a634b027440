"""Attributes that are written into the names of images, as UTKFace has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.telling import tell
from rightreasons.data._labels import as_numbers
from rightreasons.data._shown import listing, shown

_FIELD = re.compile(r"\{(\w*)\}")


def fields_of(pattern: str) -> list[str]:
    """Return the attributes of a pattern; ValueError for none, or one that is there twice."""
    names = [name for name in _FIELD.findall(pattern) if name]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"name_pattern: {pattern!r} must have fields in braces, each once, such as "
            "{age}_{gender}_{race}_{}; {} is a field that is not wanted"
        )
    return names


def table_of_names(path: Path, ids: Sequence[str], pattern: str) -> pd.DataFrame:
    """Return a table of images with what their names say.

    Parameters
    ----------
    path
        Where they are, for messages.
    ids
        Their places.
    pattern
        As `{age}_{gender}_{race}_{}`, of the name without its suffix, or of as many folders and the
        name as the pattern has. A field reaches to the next sign that follows it in the pattern.

    Returns
    -------
    DataFrame
        image_id, identity, partition (missing where they are no fields) and the other fields,
        missing where a name has another form, which is told.

    Raises
    ------
    UserError
        Where no name has the form.
    """
    names = fields_of(pattern)
    compiled = re.compile(_expression(pattern))
    depth = pattern.count("/") + 1
    found = [compiled.fullmatch(_end(one, depth)) for one in ids]
    others = [one for one, match in zip(ids, found, strict=True) if match is None]
    if len(others) == len(ids):
        raise UserError(
            f"{path}: no image's name has the form {pattern!r} of name_pattern, such as "
            f"{shown(ids[0])}."
        )
    if others:
        tell(
            f"{path}: {len(others)} of {len(ids)} images have names of another form than "
            f"{pattern!r}: {listing(others)}. What they should say is missing."
        )
    rows = [match.groupdict() if match else dict.fromkeys(names) for match in found]
    table = pd.DataFrame(rows, columns=names, dtype=object).apply(as_numbers)
    keys = {key: table.pop(key) if key in table else None for key in ("identity", "partition")}
    return pd.DataFrame({"image_id": list(ids), **keys, **table})


def _expression(pattern: str) -> str:
    """Return a pattern as a regular expression: no field holds the sign that follows it."""
    parts = _FIELD.split(pattern)  # text, field, text, field, ..., text
    made = re.escape(parts[0])
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        content = f"[^{re.escape(text[0])}]+" if text else ".+"
        made += (f"(?P<{name}>{content})" if name else content) + re.escape(text)
    return made


def _end(image_id: str, depth: int) -> str:
    """Return the last parts of a path, without the file's suffix."""
    end = "/".join(image_id.split("/")[-depth:])
    stem, dot, _ = end.rpartition(".")
    return stem if dot else end
