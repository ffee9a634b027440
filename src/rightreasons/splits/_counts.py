"""How many images: of each cell of each role, the same at all levels, and saying what lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rightreasons.core.errors import UserError
from rightreasons.splits import CELLS
from rightreasons.splits._roles import EQUAL, LEVEL, RoleParams

#: (n11, n10, n01, n00) of protected (first digit) and target (second), in the order of `CELLS`.
Counts = tuple[int, int, int, int]

#: From the images that there are, a level and a cap to the counts with the most images.
Largest = Callable[[Counts, float, int | None], Counts]


def wanted_counts(
    level: float,
    available: Mapping[float, Mapping[str, Counts]],
    params: RoleParams,
    largest: Largest,
) -> dict[str, Counts]:
    """Return each role's (n11, n10, n01, n00).

    Parameters
    ----------
    level
        The level that is drawn.
    available
        By level and role, the images of each cell that there are. Roles that follow the level get
        as many images as all of these levels allow.
    params
        The design's parameters.
    largest
        How a role that follows the level is undersampled.
    """
    wanted = {}
    for role, have in available[level].items():
        most = params.max_images.get(role)
        if params.composition()[role] == LEVEL:
            most = common(largest, {one: available[one][role] for one in available}, most)
        wanted[role] = role_counts(role, level, have, params, largest, most)
    return wanted


def role_counts(
    role: str,
    level: float,
    available: Counts,
    params: RoleParams,
    largest: Largest,
    most: int | None,
) -> Counts:
    """Return a role's counts, of at most `most` images; equal cells are exactly equal."""
    holds = params.composition()[role]
    if holds == LEVEL:
        return largest(available, level, most)
    return equal_cells(available, most) if holds == EQUAL else available


def common(largest: Largest, available: Mapping[float, Counts], most: int | None) -> int:
    """Return the largest number of images N that all levels allow, 0 if there is none.

    Parameters
    ----------
    largest
        From the images that there are, a level and a cap to the counts with the most images.
    available
        By level, the images that there are.
    most
        Most images, None for as many as possible.
    """

    def least(cap: int | None) -> int:
        return min(sum(largest(have, level, cap)) for level, have in available.items())

    found = least(most)
    while (less := least(found)) < found:
        found = less
    return found


def equal_cells(available: Counts, most: int | None = None) -> Counts:
    """Return four equal counts, as large as possible, that add up to at most `most`."""
    each = min(available) if most is None else min(*available, most // 4)
    return each, each, each, each


def too_few(role: str, counts: Counts, params: RoleParams) -> bool:
    """Return whether a role would have fewer images than it needs, over all or in some cell."""
    return sum(counts) < params.fewest(role) or min(counts) < params.floor(role)


def check_common(design: str, counts: dict[str, Counts], params: RoleParams) -> None:
    """Raise a UserError where a role is too small with the images that all levels allow.

    Parameters
    ----------
    design
        Its name and level, for the error.
    counts
        By role, the images that it would have.
    params
        The design's parameters.
    """
    small = [
        f"The role {role} would have {sum(counts[role])} images, {min(counts[role])} of them in "
        f"its smallest cell, and needs {params.fewest(role)}, {params.floor(role)} in each."
        for role in counts
        if too_few(role, counts[role], params)
    ]
    if small:
        raise UserError(
            f"{design} is not possible with as many images as all levels allow (`same_n`). "
            f"{' '.join(small)} Leave extreme levels out, set `same_n: false`, add images, change "
            "`shares`, or lower `min_images` or `select_cell`."
        )


def lacking(role: str, available: Counts, need: Counts) -> str:
    """Say which cells of a role have fewer images than needed, and how many."""
    cells = [
        f"{count - have} images with protected = {protected} and target = {target} "
        f"(it has {have}, needs {count})"
        for (protected, target), have, count in zip(CELLS, available, need, strict=True)
        if have < count
    ]
    return f"The role {role} lacks {'; '.join(cells)}."


def lacks_equal(role: str, have: Counts, params: RoleParams) -> str:
    """Say what a role with equal cells lacks for its fewest images."""
    most, each = params.max_images.get(role), params.fewest_each(role)
    if most is not None and most < 4 * each:
        return capped(role, most, max(params.fewest(role), 4 * params.floor(role)))
    return lacking(role, have, (each, each, each, each))


def lacks_natural(role: str, have: Counts, params: RoleParams) -> str:
    """Say what a role of natural images lacks for its fewest images."""
    fewest, most = params.fewest(role), params.max_images.get(role)
    if most is not None and most < fewest:
        return capped(role, most, fewest)
    return f"The role {role} has {sum(have)} images and needs {fewest}."


def capped(role: str, most: int, fewest: int) -> str:
    """Say that a role's cap is below the fewest images it needs."""
    return f"The role {role} is capped at {most} images and needs {fewest}."
