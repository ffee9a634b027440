"""What the designs share: slices of the images, drawing by count, and saying what lacks."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from rightreasons.core.registry import Params
from rightreasons.splits import BALANCED, CELLS, COLUMNS, INJECTED, ROLES
from rightreasons.splits._slicing import slice_roles

#: (n11, n10, n01, n00) of protected (first digit) and target (second), in the order of `CELLS`.
Counts = tuple[int, int, int, int]

#: Fewest images of a role where the config names no number.
FEWEST = 40


class RoleParams(Params):
    """Parameters by role that every design has."""

    shares: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.3, "debias": 0.2, "test": 0.5},
        description="share of the images that each role is drawn from",
    )
    max_images: dict[str, int] = Field(
        default_factory=dict, description="most images of a role; none: as many as possible"
    )
    min_images: dict[str, int] = Field(
        default_factory=dict,
        description=f"fewest images of a role ({FEWEST}), below which a level is refused",
    )

    @field_validator("shares", "max_images", "min_images")
    @classmethod
    def _roles(cls, by_role: dict[str, float]) -> dict[str, float]:
        if unknown := set(by_role) - set(ROLES):
            raise ValueError(f"unknown roles {sorted(unknown)}; roles: {', '.join(ROLES)}")
        if wrong := [role for role, value in by_role.items() if not value > 0]:
            raise ValueError(f"must be above 0 for {', '.join(wrong)}")
        return by_role

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: dict[str, float]) -> dict[str, float]:
        if set(shares) != set(ROLES) or not math.isclose(sum(shares.values()), 1):
            raise ValueError(f"must name {', '.join(ROLES)} and add up to 1")
        return shares

    def fewest(self, role: str) -> int:
        """Return the fewest images that the role may have."""
        return self.min_images.get(role, FEWEST)


def different(levels: list[float]) -> list[float]:
    """Return the levels; a ValueError if two would share a folder, which has six digits."""
    if len({f"{level:g}" for level in levels}) < len(levels):
        raise ValueError(f"levels are named twice: {levels}")
    return levels


def cut(labels: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator) -> pd.DataFrame:
    """Return all images in random order with the role whose slice they belong to.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `splits.label`.
    shares
        Each role's share of the images.
    rng
        The generator of the task and seed.

    Returns
    -------
    DataFrame
        `labels` with a column `role`. Identities stay together, and every role has its share of
        each cell (see `slice_roles`). Where the protected attribute is injected, every image is
        there twice, without and then with it.
    """
    roles = slice_roles(labels, tuple(shares[role] for role in ROLES), rng)
    order = rng.permutation(len(labels))
    slices = labels.iloc[order].assign(role=[ROLES[role] for role in roles[order]])
    return _both(slices) if INJECTED in slices else slices


def _both(slices: pd.DataFrame) -> pd.DataFrame:
    """Return each image without and with the artifact, one after the other (`Injected`'s rows)."""
    carries = slices.assign(
        row=slices["row"] + len(slices),
        image_id=slices["image_id"] + "+" + slices[INJECTED],
        protected=np.int8(1),
    )
    both = pd.concat([slices.assign(source=slices["row"]), carries.assign(source=slices["row"])])
    place = np.tile(np.arange(len(slices)), 2)
    return both.iloc[np.argsort(place, kind="stable")]


def settle(slices: pd.DataFrame, carrying: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """Leave each image of some roles one version, where the protected attribute is injected.

    Parameters
    ----------
    slices
        As from `cut`.
    carrying
        By role, the shares of the images with target 0 and 1 that keep the version with the
        artifact (the first ones; the others keep the one without). Other roles keep both versions.

    Returns
    -------
    DataFrame
        The rows that are kept: all of them where nothing is injected.
    """
    if INJECTED not in slices:
        return slices
    source, carries = slices["source"].to_numpy(), slices["protected"].to_numpy() == 1
    keep = ~slices["role"].isin(carrying).to_numpy()
    for role, shares in carrying.items():
        for target, share in enumerate(shares):
            mine = ((slices["role"] == role) & (slices["target"] == target)).to_numpy()
            number = pd.factorize(source[mine])[0]
            carriers = round(share * (number.max(initial=-1) + 1))
            keep[mine] = (number < carriers) == carries[mine]
    return slices[keep]


def draw(slices: pd.DataFrame, role: str, counts: Counts) -> pd.DataFrame:
    """Return the first images of each cell in a role's slice, as many as `counts` says."""
    mine = slices[slices["role"] == role]
    parts = [
        mine[(mine["protected"] == protected) & (mine["target"] == target)].head(count)
        for (protected, target), count in zip(CELLS, counts, strict=True)
    ]
    return pd.concat(parts)


def as_split(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the drawn images as a split: sorted by role and row, with its columns and types."""
    split = pd.concat(parts)[list(COLUMNS)]
    split["role"] = pd.Categorical(split["role"], (*ROLES, BALANCED))
    split = split.sort_values(["role", "row"], ignore_index=True)
    return split.astype({"role": "str", "target": "int8", "protected": "int8"})


def equal_cells(available: Counts, most: int | None = None) -> Counts:
    """Return four equal counts, as large as possible, that add up to at most `most`."""
    each = min(available) if most is None else min(*available, most // 4)
    return each, each, each, each


def lacking(role: str, available: Counts, need: Counts) -> str:
    """Say which cells of a role have fewer images than needed, and how many."""
    cells = [
        f"{count - have} images with protected = {protected} and target = {target} "
        f"(it has {have}, needs {count})"
        for (protected, target), have, count in zip(CELLS, available, need, strict=True)
        if have < count
    ]
    return f"The role {role} lacks {'; '.join(cells)}."


def capped(role: str, most: int, fewest: int) -> str:
    """Say that a role's cap is below the fewest images it needs."""
    return f"The role {role} is capped at {most} images and needs {fewest}."
