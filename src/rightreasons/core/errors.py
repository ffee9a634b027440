"""The one exception for mistakes that a user can mend."""

from __future__ import annotations

import textwrap


class UserError(ValueError):
    """Bad input. The message says what is wrong, where, what is allowed and what to do."""


def reason(error: BaseException, width: int = 300) -> str:
    """Return an exception's message on one line of at most `width` characters, for a UserError."""
    return textwrap.shorten(str(error), width, placeholder=" ...") or type(error).__name__
