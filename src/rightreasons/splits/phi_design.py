"""The saliency paper's design: the association of target and protected attribute is set to phi."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from rightreasons.splits import DESIGNS
from rightreasons.splits._association import Association, small_roles, undersampled
from rightreasons.splits._counts import Counts
from rightreasons.splits._roles import RoleParams, different


class PhiParams(RoleParams):
    """Parameters of `phi`."""

    levels: list[float] = Field(
        default_factory=lambda: [0.0, 0.3, 0.6, 0.9],
        min_length=1,
        description="values of phi in train and debias, -1 to 1",
    )

    @field_validator("levels")
    @classmethod
    def _in_range(cls, levels: list[float]) -> list[float]:
        if wrong := [level for level in levels if not -1 <= level <= 1]:
            raise ValueError(f"phi lies between -1 and 1, not {wrong}")
        return different(levels)

    def _one_sided(self, level: float) -> bool:
        return abs(level) == 1


@DESIGNS.register(
    "phi",
    title="Yule's phi of protected attribute and target",
    paper="Investigating the Relationship Between Debiasing and Artifact Removal using Saliency "
    "Maps, section on data",
    params=PhiParams,
    symbol="φ",
)
def phi_split(
    labels: pd.DataFrame, level: float, params: PhiParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a split: train and debias with phi = `level`, test with four equal cells.

    The images are sliced by `shares`, identities kept together; then each slice is undersampled to
    as many images N as it allows (see `largest_counts`), or, with `same_n`, as all levels allow.
    With the same generator, all levels have the same test images, and each cell's images are the
    first ones of one shuffled list. An injected protected attribute goes into the images that phi
    asks for, and every test image is there without and with it. Select holds what `select` says.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `rightreasons.splits.label` or
        `label_injected`.
    level : in [-1, 1]
        phi of train and debias; what is achieved is within 1/N of it.
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
        cells lack how many images, and which levels are possible. With `same_n` this holds for
        every level.

    References
    ----------
    Investigating the Relationship Between Debiasing and Artifact Removal using Saliency Maps.
    """

    def advice(have: dict[str, Counts]) -> str:
        return f"{possible_levels(have, params)} "

    return undersampled(labels, level, params, rng, HOW, advice)


def carrying(level: float) -> tuple[float, float]:
    """Return the shares of target 0 and 1 with the protected attribute at phi = `level`."""
    return (1 - level) / 2, (1 + level) / 2


def largest_counts(available: Counts, level: float, most: int | None = None) -> Counts:
    """Return the (n11, n10, n01, n00) with the most images N for phi = `level`.

    n11 and n00 are N (1 + level) / 4, n10 and n01 are N (1 - level) / 4, each rounded up or down.

    Parameters
    ----------
    available
        (n11, n10, n01, n00), the images that there are; no count is above it.
    level : in [-1, 1]
        The phi asked for; that of the counts is within 1/N of it.
    most
        Most images N, None for as many as possible.

    Returns
    -------
    tuple of int
        All zero if there is no such table.
    """
    total = sum(available) if most is None else min(sum(available), most)
    n = np.arange(total, 0, -1)  # largest first
    found: list[tuple[int, float, Counts]] = []
    for rounded in (np.floor, np.ceil):
        same = rounded(n * (1 + level) / 2).astype(np.int64)  # n11 + n00
        a, b = _halves(same), _halves(n - same)
        error = np.abs(_phi_of(a, b) - level)
        good = (error * n <= 1 + 1e-9) & _fits(a, available[0::3]) & _fits(b, available[1:3])
        if good.any():
            k = int(good.argmax())
            n11, n00 = _assign(a, k, available[0::3])
            n10, n01 = _assign(b, k, available[1:3])
            found.append((int(n[k]), -float(error[k]), (n11, n10, n01, n00)))
    return max(found)[2] if found else (0, 0, 0, 0)


def possible_levels(available: dict[str, Counts], params: PhiParams, step: float = 0.01) -> str:
    """Say the lowest and highest level, in steps of `step`, that every role allows."""
    levels = np.round(np.arange(-1, 1 + step / 2, step), 6)
    good = [level for level in levels if not small_roles(level, available, params, largest_counts)]
    if not good:
        return "No level is possible."
    return f"Possible levels: {good[0]:g} (lowest) to {good[-1]:g} (highest)."


def _halves(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the larger and the smaller half of whole numbers."""
    return count - count // 2, count // 2


def _phi_of(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return phi where the diagonal cells are `a`, the others `b`, in either order; NaN is kept."""
    (a1, a0), (b1, b0) = ([half.astype(float) for half in halves] for halves in (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        margins = (a1 + b1) * (a0 + b0) * (a1 + b0) * (a0 + b1)
        return (a1 * a0 - b1 * b0) / np.sqrt(margins)


def _fits(halves: tuple[np.ndarray, np.ndarray], pair: tuple[int, ...]) -> np.ndarray:
    return (halves[0] <= max(pair)) & (halves[1] <= min(pair))


def _assign(
    halves: tuple[np.ndarray, np.ndarray], k: int, pair: tuple[int, ...]
) -> tuple[int, int]:
    """Return the k-th halves in the order of `pair`, the larger half where there is more."""
    larger, smaller = int(halves[0][k]), int(halves[1][k])
    return (larger, smaller) if pair[0] > pair[1] else (smaller, larger)


def smallest_counts(level: float, available: Counts, fewest: int, floor: int) -> Counts:
    """Return the counts of the smallest table with at least `fewest` images, `floor` a cell."""
    most = fewest
    while True:
        counts = largest_counts((most, most, most, most), level, most)
        if sum(counts) >= fewest and min(counts) >= floor:
            return counts
        most += 1


HOW = Association("phi", carrying, largest_counts, smallest_counts)
