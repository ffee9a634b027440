"""The one exception for mistakes that a user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input. The message says what is wrong, where, what is allowed and what to do."""
