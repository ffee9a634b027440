"""What designs share whose level says how target and protected attribute go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.splits._counts import (
    Counts,
    Largest,
    capped,
    check_common,
    lacking,
    lacks_equal,
    lacks_natural,
    role_counts,
    too_few,
    wanted_counts,
)
from rightreasons.splits._drawing import as_split, available, cut, draw, settle_roles
from rightreasons.splits._roles import EQUAL, LEVEL, RoleParams


@dataclass(frozen=True)
class Association:
    """How a level becomes counts of images.

    Attributes
    ----------
    name
        The design's name, for errors.
    carrying
        From a level to the shares of target 0 and 1 with the protected attribute.
    largest
        From the images that there are, a level and a cap to the counts with the most images.
    smallest
        From a level, the images that there are, the fewest images of the role and the fewest of
        each of its cells to the smallest counts that will do.
    """

    name: str
    carrying: Callable[[float], tuple[float, float]]
    largest: Largest
    smallest: Callable[[float, Counts, int, int], Counts]


def undersampled(
    labels: pd.DataFrame,
    level: float,
    params: RoleParams,
    rng: np.random.Generator,
    how: Association,
    advice: Callable[[dict[str, Counts]], str] = lambda _: "",
) -> pd.DataFrame:
    """Return a split: slices of the images, each undersampled to what its role holds.

    Parameters
    ----------
    labels, level, params, rng
        As a design takes them.
    how
        What the level means.
    advice
        From the images that each role has to a sentence for the error of a level that they do not
        allow; it ends in a blank where it says something.

    Raises
    ------
    UserError
        If a role gets fewer than `min_images`, or a cell of select fewer than `select_cell`: which
        cells lack how many images. With `same_n` this holds for every level.
    """
    slices = cut(labels, params.shares, rng)
    kept = {one: settle_roles(slices, params, how.carrying(one)) for one in params.alike(level)}
    have = {one: available(kept[one], params) for one in kept}
    for one in have:
        if small := small_roles(one, have[one], params, how.largest):
            lacks = " ".join(_lacks(role, one, have[one][role], params, how) for role in small)
            same = "With `same_n` no level is drawn unless all are. " * params.same_n
            raise UserError(
                f"{how.name} = {one:g} is not possible with these images. {lacks} "
                f"{advice(have[one])}{same}Add images, change `shares`, or lower `min_images` or "
                "`select_cell`."
            )
    wanted = wanted_counts(level, have, params, how.largest)
    check_common(f"{how.name} = {level:g}", wanted, params)
    return as_split([draw(kept[level], role, wanted[role]) for role in params.roles])


def small_roles(
    level: float, available: Mapping[str, Counts], params: RoleParams, largest: Largest
) -> list[str]:
    """Return the roles that have too few images at a level."""
    most = params.max_images
    counts = {
        role: role_counts(role, level, have, params, largest, most.get(role))
        for role, have in available.items()
    }
    return [role for role in counts if too_few(role, counts[role], params)]


def _lacks(role: str, level: float, have: Counts, params: RoleParams, how: Association) -> str:
    """Say what a role lacks for its fewest images."""
    holds = params.composition()[role]
    if holds != LEVEL:
        return (lacks_equal if holds == EQUAL else lacks_natural)(role, have, params)
    need = how.smallest(level, have, params.fewest(role), params.floor(role))
    most = params.max_images.get(role)
    if most is not None and most < sum(need):
        return capped(role, most, sum(need))
    return lacking(role, have, need)
