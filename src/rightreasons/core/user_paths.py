"""Paths as people write them in a config: one rule, whichever key they are under."""

from __future__ import annotations

import os
import re

from rightreasons.core.errors import UserError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


def expanded(path: str, key: str = "") -> str:
    """Return a path with a home folder and environment variables filled in, as a shell does.

    Parameters
    ----------
    path
        As it is written: `~/faces`, `~ann/faces`, `$SCRATCH/faces`, `${SCRATCH}/faces`. A dollar
        sign before anything but a name stays.
    key
        The config's key, for the error.

    Returns
    -------
    str
        The path. Without `~` at its beginning and without a variable it is as it was.

    Raises
    ------
    UserError
        For a variable that is not set, and for a home folder that there is not: neither is ever
        taken for the name of a file.
    """
    where = f"{key}: " if key else ""
    filled = _VARIABLE.sub(lambda found: _value(found, path, where), path)
    if not filled.startswith("~"):
        return filled
    home = os.path.expanduser(filled)
    if home.startswith("~"):
        raise UserError(
            f"{where}{path!r}: there is no home folder {filled.split('/')[0]!r} here. Write the "
            f"path out, or ./{filled} for a folder of that name."
        )
    return home


def _value(found: re.Match[str], path: str, where: str) -> str:
    name = found[1] or found[2] or ""
    value = os.environ.get(name)
    if value is None:
        raise UserError(
            f"{where}{path!r}: the environment variable {name!r} is not set here. Set it, or write "
            "the path out."
        )
    return value
