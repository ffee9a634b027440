"""The Waterbirds design: in each class, how often the protected attribute is as the target."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from rightreasons.core.errors import UserError
from rightreasons.splits import DESIGNS
from rightreasons.splits._counts import (
    Counts,
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
from rightreasons.splits._roles import EQUAL, LEVEL, RoleParams, different


class AgreementParams(RoleParams):
    """Parameters of `agreement`."""

    levels: list[float] = Field(
        default_factory=lambda: [0.5, 0.95],
        min_length=1,
        description="share of each class of train and debias whose protected attribute is as its "
        "target, 0 to 1; without a shortcut it is 0.5",
    )

    @field_validator("levels")
    @classmethod
    def _in_range(cls, levels: list[float]) -> list[float]:
        if wrong := [level for level in levels if not 0 <= level <= 1]:
            raise ValueError(f"a share lies between 0 and 1, not {wrong}")
        return different(levels)

    def _one_sided(self, level: float) -> bool:
        return level in (0, 1)


@DESIGNS.register(
    "agreement",
    title="Share of each class whose protected attribute is as its target",
    paper="Sagawa et al. 2020, Distributionally Robust Neural Networks (Waterbirds)",
    params=AgreementParams,
    symbol="agreement",
)
def agreement(
    labels: pd.DataFrame, level: float, params: AgreementParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a split where, in train and debias, `level` of each class agree with the attribute.

    Classes are as large, against one another, as they are in the data: 95 % of 3,682 landbirds on
    land and 95 % of 1,113 waterbirds on water. Test has four equal cells, select what `select`
    says. With the same generator, all levels have the same test images, and with an attribute that
    any image can have, they have the same train images, too.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `rightreasons.splits.label`, or as from
        `label_injected`: then test has every image without and with the attribute.
    level : in [0, 1]
        Share of each class of train and debias whose attribute is its target, rounded.
    params
        The design's parameters.
    rng
        The generator of the task and seed.

    Returns
    -------
    DataFrame
        row, image_id, role, target, protected: a row for each image of each role.

    Raises
    ------
    UserError
        If a role gets fewer than `min_images`, or a cell of select fewer than `select_cell`: which
        cells lack how many images. With `same_n` this holds for every level.

    References
    ----------
    Sagawa et al. 2020, Distributionally Robust Neural Networks for Group Shifts, section 3 and
    appendix C.1.
    """
    slices = cut(labels, params.shares, rng)
    kept = {one: settle_roles(slices, params, carrying(one)) for one in params.alike(level)}
    have = {one: available(kept[one], params) for one in kept}
    for one in have:
        _check(one, have[one], params)
    wanted = wanted_counts(level, have, params, largest_counts)
    check_common(f"agreement = {level:g}", wanted, params)
    return as_split([draw(kept[level], role, wanted[role]) for role in params.roles])


def carrying(level: float) -> tuple[float, float]:
    """Return the shares of target 0 and 1 with the protected attribute at a level."""
    return 1 - level, level


def largest_counts(available: Counts, level: float, most: int | None = None) -> Counts:
    """Return the (n11, n10, n01, n00) with the most images N at a level.

    Of N images the classes have the shares that they have in `available`, rounded. Of n1 images
    with target 1 `level` n1 carry the attribute, of n0 with target 0 (1 - `level`) n0, rounded.

    Parameters
    ----------
    available
        (n11, n10, n01, n00), the images that there are; no count is above it.
    level : in [0, 1]
        Share of each class whose attribute is its target.
    most
        Most images N, None for as many as possible.

    Returns
    -------
    tuple of int
        All zero if there is no such table.
    """
    have = sum(available)
    n = np.arange(have if most is None else min(have, most), 0, -1)  # largest first
    found = tables(n, available, level)
    good = (found <= np.array(available)).all(axis=1)
    if not good.any():
        return 0, 0, 0, 0
    n11, n10, n01, n00 = found[good.argmax()].tolist()
    return n11, n10, n01, n00


def tables(n: np.ndarray, available: Counts, level: float) -> np.ndarray:
    """Return the (n11, n10, n01, n00) of sets of images at a level.

    Parameters
    ----------
    n : int64 (K,)
        Images of each set.
    available
        The images that there are, whose classes say how large those of the sets are.
    level
        As in `largest_counts`.

    Returns
    -------
    ndarray
        int64 (K, 4); each row adds up to its n.
    """
    have = sum(available)
    ones = (2 * n * (available[0] + available[2]) + have) // (2 * max(have, 1))
    zeros = n - ones
    in_zeros, in_ones = (
        np.floor(share * images + 0.5).astype(np.int64)
        for share, images in zip(carrying(level), (zeros, ones), strict=True)
    )
    return np.stack([in_ones, in_zeros, ones - in_ones, zeros - in_zeros], axis=1)


def _check(level: float, available: dict[str, Counts], params: AgreementParams) -> None:
    """Raise a UserError that names all the roles with too few images at a level."""
    most = params.max_images
    counts = {
        role: role_counts(role, level, have, params, largest_counts, most.get(role))
        for role, have in available.items()
    }
    small = [role for role in counts if too_few(role, counts[role], params)]
    if small:
        lacks = " ".join(_lack(role, level, available[role], params) for role in small)
        same = "With `same_n` no level is drawn unless all are. " * params.same_n
        raise UserError(
            f"agreement = {level:g} is not possible with these images. {lacks} {same}Add images, "
            "change `shares`, or lower `min_images` or `select_cell`."
        )


def _lack(role: str, level: float, available: Counts, params: AgreementParams) -> str:
    """Say what a role lacks for its fewest images, at the sizes of the classes that there are."""
    holds = params.composition()[role]
    if holds != LEVEL:
        return (lacks_equal if holds == EQUAL else lacks_natural)(role, available, params)
    ones, have = available[0] + available[2], sum(available)
    if ones in (0, have):
        each = math.ceil(params.fewest(role) / 4)
        return lacking(role, available, (each, each, each, each))
    need = _smallest(level, available, params.fewest(role), params.floor(role))
    most = params.max_images.get(role)
    if most is not None and most < sum(need):
        return capped(role, most, sum(need))
    return lacking(role, available, need)


def _smallest(level: float, available: Counts, fewest: int, floor: int) -> Counts:
    """Return the counts of the smallest set with at least `fewest` images, `floor` a cell."""
    most = 2 * fewest
    while True:
        found = tables(np.arange(fewest, most), available, level)
        good = found.min(axis=1) >= floor
        if good.any():
            n11, n10, n01, n00 = found[good.argmax()].tolist()
            return n11, n10, n01, n00
        fewest, most = most, 2 * most
