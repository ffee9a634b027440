"""The one exception for mistakes that a user can mend."""

from __future__ import annotations

import textwrap


class UserError(ValueError):
    """Bad input. The message says what is wrong, where, what is allowed and what to do."""


def reason(error: BaseException, width: int = 300) -> str:
    """Return an exception's message on one line, for a UserError.

    Parameters
    ----------
    error
        The exception.
    width
        Most characters; a longer message is cut at a word and ends in " ...".

    Returns
    -------
    str
        The message, or the name of the exception's class where it has none.
    """
    return textwrap.shorten(str(error), width, placeholder=" ...") or type(error).__name__
