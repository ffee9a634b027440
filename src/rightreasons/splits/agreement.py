"""The Waterbirds design: in each class, how often the protected attribute is as the target."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from rightreasons.splits import DESIGNS
from rightreasons.splits._association import Association, undersampled
from rightreasons.splits._counts import Counts
from rightreasons.splits._roles import RoleParams, different


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
    return undersampled(labels, level, params, rng, HOW)


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


def smallest_counts(level: float, available: Counts, fewest: int, floor: int) -> Counts:
    """Return the counts of the smallest set with at least `fewest` images, `floor` a cell.

    Its classes have the shares that they have in `available`; equal ones where one class is empty.
    """
    if available[0] + available[2] in (0, sum(available)):
        each = math.ceil(fewest / 4)
        return each, each, each, each
    most = 2 * fewest
    while True:
        found = tables(np.arange(fewest, most), available, level)
        good = found.min(axis=1) >= floor
        if good.any():
            n11, n10, n01, n00 = found[good.argmax()].tolist()
            return n11, n10, n01, n00
        fewest, most = most, 2 * most


HOW = Association("agreement", carrying, largest_counts, smallest_counts)
