"""The data-attribution paper's design: one class never carries the protected attribute."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from rightreasons.core.errors import UserError
from rightreasons.splits import BALANCED, CELLS, DESIGNS, cell_counts
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
from rightreasons.splits._drawing import as_split, available, cut, draw, settle, settle_roles
from rightreasons.splits._roles import EQUAL, LEVEL, RoleParams, different

Balance = Literal["equal", "nearest", "none"]

MODES: tuple[Balance, ...] = ("equal", "nearest", "none")


class OneSidedParams(RoleParams):
    """Parameters of `one_sided`."""

    #: Train has an empty cell, where no criterion of fairness is defined.
    DEBIAS: ClassVar[str] = EQUAL

    levels: list[float] = Field(
        default_factory=lambda: [2 / 3],
        min_length=1,
        description="share of the other class's train images that carry the protected attribute, "
        "above 0, at most 1",
    )
    n: Annotated[int, Field(ge=2, multiple_of=2)] | Literal["largest"] = Field(
        3000,
        description="train images of each class, even; or the largest number that there are images "
        "for, at most half of max_images.train",
    )
    clean_class: Literal[0, 1] = Field(
        1, description="class of the target whose train images never carry the attribute"
    )
    balanced: Balance = Field(
        "equal",
        description="the role balanced: equal cells, cells as equal as the images allow, or none",
    )
    # With less than 0.86 the train slice of CelebA has no 1,500 blond men for the role balanced.
    shares: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.86, "debias": 0.04, "select": 0.03, "test": 0.07},
        description="share of the images that each role is drawn from; without `select` there is "
        "no such role",
    )

    @field_validator("levels")
    @classmethod
    def _in_range(cls, levels: list[float]) -> list[float]:
        if wrong := [level for level in levels if not 0 < level <= 1]:
            raise ValueError(f"a share above 0 and at most 1, not {wrong}")
        return different(levels)

    @model_validator(mode="after")
    def _some(self) -> OneSidedParams:
        if "train" in self.min_images or ("train" in self.max_images and self.n != "largest"):
            raise ValueError("the role train has 2n images: set `n` instead")
        if self.n == "largest":
            return self
        if none := [level for level in self.levels if carriers(self.n, level) < 1]:
            raise ValueError(f"at levels {none} no image of n = {self.n} carries the attribute")
        return self

    def composition(self) -> dict[str, str]:
        """Return what each role holds, the role balanced among them where there is one."""
        holds = {"equal": EQUAL, "nearest": f"{EQUAL}, as nearly as there are images"}
        balanced = {BALANCED: holds[self.balanced]} if self.balanced != "none" else {}
        return super().composition() | balanced

    def _one_sided(self, level: float) -> bool:
        return True

    def carrying(self, level: float) -> tuple[float, float]:
        """Return the shares of target 0 and 1 that carry the attribute in train."""
        return (level, 0.0) if self.clean_class == 1 else (0.0, level)

    def largest(self, available: Counts, level: float, most: int | None) -> Counts:
        """Return the counts of the largest set like train at a level, zeros without one."""
        n = largest_n(level, available, self.clean_class, "none")
        n = n if most is None else min(n, most // 4 * 2)
        counts = train_counts(n, level, self.clean_class)
        return counts if carriers(n, level) >= 1 else (0, 0, 0, 0)


@DESIGNS.register(
    "one_sided",
    title="Protected attribute in one class only",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, section 4.1",
    params=OneSidedParams,
    small={
        "n": "largest",
        "min_images": {"debias": 4, "select": 4, "test": 4},
        "select_cell": 1,
        "balanced": "none",
    },
)
def one_sided(
    labels: pd.DataFrame, level: float, params: OneSidedParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a split whose training images carry the protected attribute in one class only.

    The images are sliced by `shares`, identities kept together, into these roles:

    - train: n images of the clean class, none with the attribute, and n of the other class, of
      which `level` n, rounded, carry it;
    - debias, test: four equal cells, as large as the slices and `max_images` allow;
    - select: what `select` says;
    - balanced: 2n images with four equal cells, of the train slice. It may share images with
      train. With `nearest`, a cell that is too small is filled up from the same class's other
      cell (the paper: 54 to 46 for blond men).

    With the same generator, all levels have the same debias, test and balanced images, and the
    cells of train are the first images of one shuffled list. `n: largest` is, with `same_n`, the
    largest that all levels allow.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `rightreasons.splits.label`.
    level : in (0, 1]
        Share of the other class's train images that carry the attribute.
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
        Where images lack: how many of which cell, and the largest n possible.

    References
    ----------
    Mitigating Bias Using Model-Agnostic Data Attribution, section 4.1.
    """
    both = cut(labels, params.shares, rng)
    half = settle(both, {"train": (0.5, 0.5)})
    of_half = cell_counts(half[half["role"] == "train"])
    kept = {one: settle_roles(both, params, params.carrying(one)) for one in params.alike(level)}
    have = {one: available(kept[one], params) for one in kept}
    n = _n({one: have[one]["train"] for one in have}, of_half, params)
    _check(level, have[level], of_half, params, n)
    rest = {one: {role: have[one][role] for role in params.roles[1:]} for one in have}
    wanted = wanted_counts(level, rest, params, params.largest)
    check_common(f"one_sided at level {level:g}", wanted, params)
    wanted["train"] = train_counts(n, level, params.clean_class)
    parts = [draw(kept[level], role, wanted[role]) for role in params.roles]
    if params.balanced != "none":
        counts = balanced_counts(n, of_half, params.balanced)
        parts.append(draw(half, "train", counts).assign(role=BALANCED))
    return as_split(parts)


def carriers(n: int, level: float) -> int:
    """Return how many of the other class's n images carry the attribute: `level` n, rounded."""
    return math.floor(level * n + 0.5)


def train_counts(n: int, level: float, clean_class: int) -> Counts:
    """Return the (n11, n10, n01, n00) of the role train, which has n images of each class.

    None of the class `clean_class` carries the attribute, and `level` n of the other, rounded.
    """
    other = 1 - clean_class
    count = {
        (0, clean_class): n,
        (1, clean_class): 0,
        (1, other): carriers(n, level),
        (0, other): n - carriers(n, level),
    }
    n11, n10, n01, n00 = (count[cell] for cell in CELLS)
    return n11, n10, n01, n00


def balanced_counts(n: int, available: Counts, mode: Balance) -> Counts:
    """Return the (n11, n10, n01, n00) of the role balanced, which has n images of each class.

    Parameters
    ----------
    n
        Images of each class, even.
    available
        (n11, n10, n01, n00), the images that there are.
    mode
        equal: n/2 of each cell. nearest: where a cell has less, all it has, and the class's other
        cell more. none: zeros.
    """
    if mode == "none":
        return 0, 0, 0, 0
    half = n // 2
    if mode == "equal":
        return half, half, half, half
    n11, n10, n01, n00 = available
    with_1, without_1 = _nearest(half, n11, n01)
    with_0, without_0 = _nearest(half, n10, n00)
    return with_1, with_0, without_1, without_0


def _nearest(half: int, carry: int, lack: int) -> tuple[int, int]:
    """Return two counts that add up to 2 half, `half` each or all there is of the smaller cell."""
    if carry < half:
        return carry, 2 * half - carry
    return 2 * half - min(lack, half), min(lack, half)


def largest_n(
    level: float, available: Counts, clean_class: int, mode: Balance, half: Counts | None = None
) -> int:
    """Return the largest even n that a train slice allows, 0 if there is none.

    Parameters
    ----------
    level
        Share of the other class's images that carry the attribute.
    available
        (n11, n10, n01, n00), the images that there are.
    clean_class
        The class that never carries it, 0 or 1.
    mode
        How the role balanced is drawn; see `balanced_counts`.
    half
        The images that the role balanced can have, if they differ from `available` (an injected
        attribute is in half of the images).
    """
    half = available if half is None else half
    for n in range(max(available) * 2, 0, -2):
        enough = not _short(n, level, available, half, clean_class, mode)
        if enough and carriers(n, level) >= 1:
            return n
    return 0


def _n(available: dict[float, Counts], half: Counts, params: OneSidedParams) -> int:
    """Return n, or the largest one that these levels allow where that is asked for, at least 2."""
    if params.n != "largest":
        return params.n
    n = min(
        largest_n(level, have, params.clean_class, params.balanced, half)
        for level, have in available.items()
    )
    return max(2, min(n, params.max_images.get("train", 2 * n) // 4 * 2))


def _short(
    n: int, level: float, available: Counts, half: Counts, clean_class: int, mode: Balance
) -> list[tuple[Counts, Counts]]:
    """Return (images there are, images needed) of train and balanced where they are too few."""
    need = [
        (available, train_counts(n, level, clean_class)),
        (half, balanced_counts(n, half, mode)),
    ]
    if half == available:  # one list of cells, the larger number of each
        n11, n10, n01, n00 = map(max, need[0][1], need[1][1])
        need = [(available, (n11, n10, n01, n00))]
    return [pair for pair in need if any(c > have for have, c in zip(*pair, strict=True))]


def _check(
    level: float, available: dict[str, Counts], half: Counts, params: OneSidedParams, n: int
) -> None:
    """Raise a UserError that names all the roles with too few images."""
    lacks = []
    counts = available["train"], half
    if short := _short(n, level, *counts, params.clean_class, params.balanced):
        lacks += [lacking("train", *pair) for pair in short]
        lacks.append(_possible(level, *counts, params))
    for role in params.roles[1:]:
        have, most = available[role], params.max_images.get(role)
        if too_few(role, role_counts(role, level, have, params, params.largest, most), params):
            lacks.append(_lack(role, level, have, params))
    if lacks:
        raise UserError(
            f"one_sided with n = {n} at level {level:g} is not possible with these images. "
            f"{' '.join(lacks)} Or add images, change `shares`, or lower `n`, `min_images` or "
            "`select_cell`."
        )


def _possible(level: float, available: Counts, half: Counts, params: OneSidedParams) -> str:
    """Say the largest n with the balanced set that was asked for, and with each of the others."""
    largest = {mode: largest_n(level, available, params.clean_class, mode, half) for mode in MODES}
    others = [
        f"balanced = {mode}: {n}" for mode, n in largest.items() if n > largest[params.balanced]
    ]
    own = largest[params.balanced]
    said = f"Largest possible n: {own}" if own else "No n is possible"
    return f"{said} (with {', '.join(others)})." if others else f"{said}."


def _lack(role: str, level: float, available: Counts, params: OneSidedParams) -> str:
    """Say what a role other than train lacks for its fewest images."""
    holds = params.composition()[role]
    if holds != LEVEL:
        return (lacks_equal if holds == EQUAL else lacks_natural)(role, available, params)
    fewest, most = params.fewest(role), params.max_images.get(role)
    n = 2 * math.ceil(fewest / 4)
    if most is not None and most < 2 * n:
        return capped(role, most, fewest)
    return lacking(role, available, train_counts(n, level, params.clean_class))
