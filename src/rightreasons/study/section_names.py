"""What names of a config may be: of things that have folders, and of folders."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from rightreasons.core.errors import UserError
from rightreasons.core.user_paths import expanded
from rightreasons.study.messages import quoted

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
LONGEST = 100  # letters of a name: paths hold several
Fraction = Annotated[float, Field(ge=0, le=1)]


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise ValueError(
            f"the name {quoted(name)} is used in file names: letters, digits and _ only, beginning "
            f"with a letter, at most {LONGEST}"
        )
    return name


def _check_folder(name: str) -> str:
    if not name.strip() or not name.isprintable() or set(name) & set("{}"):
        raise ValueError("must be the name of a folder, without line breaks and braces")
    return name


def _expanded(name: str) -> str:
    """Return a folder with ~ and variables filled in, as `core.user_paths` does."""
    try:
        return _check_folder(expanded(_check_folder(name)))
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from None


Name = Annotated[str, AfterValidator(_check_name)]
Folder = Annotated[str, AfterValidator(_expanded)]
