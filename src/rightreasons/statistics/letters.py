"""Letters for groups that cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import ascii_lowercase


def letters(names: Sequence[str], apart: Collection[frozenset[str]]) -> dict[str, str]:
    """Return letters by name: two names share one exactly where they cannot be told apart.

    Parameters
    ----------
    names
        In the order in which letters are given.
    apart
        Pairs that differ.

    Returns
    -------
    dict
        By name, its letters in alphabetical order; after z come a1, b1 and so on.

    References
    ----------
    Piepho 2004, An algorithm for a letter-based representation of all-pairwise comparisons: groups
    are split by each pair that differs, and absorbed where another has all their members.
    """
    groups = [frozenset(names)] if names else []
    for pair in apart:
        split = []
        for group in groups:
            split += [group - {name} for name in pair] if pair <= group else [group]
        groups = _largest(split)
    place = {name: i for i, name in enumerate(names)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    given = {group: _letter(i) for i, group in enumerate(groups)}
    return {name: "".join(given[g] for g in groups if name in g) for name in names}


def _largest(groups: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """Return the groups that no other contains, each once."""
    once = list(dict.fromkeys(groups))
    return [group for group in once if not any(group < other for other in once)]


def _letter(number: int) -> str:
    again, place = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(again) if again else "")
