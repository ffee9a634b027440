"""What the roles of a design hold, how many images they have, and how they are drawn."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from rightreasons.core.registry import Params
from rightreasons.splits import ROLES

#: Fewest images of a role where the config names no number.
FEWEST = 40

#: What a role holds: the association of the level, four equal cells, or images as they come.
LEVEL, EQUAL, NATURAL = "level", "equal cells", "natural"


class BaseRoles(Params):
    """Parameters by role that every design has, also one that rebalances nothing."""

    levels: list[float] = Field(min_length=1, description="levels of the design")
    shares: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.3, "debias": 0.2, "select": 0.15, "test": 0.35},
        description="share of the images that each role is drawn from; without `select` there is "
        "no such role",
    )
    max_images: dict[str, int] = Field(
        default_factory=dict, description="most images of a role; none: as many as possible"
    )
    min_images: dict[str, int] = Field(
        default_factory=dict,
        description=f"fewest images of a role ({FEWEST}), below which a level is refused",
    )
    held_out: Literal["fixed", "per_seed"] = Field(
        "fixed", description="whether select and test have the same images for all seeds of a task"
    )

    @field_validator("shares", "max_images", "min_images")
    @classmethod
    def _roles(cls, by_role: dict[str, float]) -> dict[str, float]:
        if unknown := set(by_role) - set(ROLES):
            raise ValueError(f"unknown roles {sorted(unknown)}; roles: {', '.join(ROLES)}")
        if wrong := [role for role, value in by_role.items() if not value > 0]:
            raise ValueError(f"must be above 0 for {', '.join(wrong)}")
        return by_role

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a share, in their order."""
        return tuple(role for role in ROLES if role in self.shares)

    def composition(self) -> dict[str, str]:
        """Return what each role holds: "level", "equal cells" or "natural"."""
        raise NotImplementedError

    def leaves_empty(self, role: str, level: float) -> bool:
        """Return whether the design leaves a cell of a role empty at a level, by what it is."""
        return False

    def fewest(self, role: str) -> int:
        """Return the fewest images that the role may have."""
        return self.min_images.get(role, FEWEST)


class RoleParams(BaseRoles):
    """Parameters by role of designs that rebalance."""

    #: What the role debias holds.
    DEBIAS: ClassVar[str] = LEVEL

    select: Literal["balanced", "train", "natural"] = Field(
        "balanced",
        description="what the role select holds: four equal cells as test, the level's association "
        "as train, or images drawn without regard to the protected attribute",
    )
    select_cell: int = Field(
        5,
        ge=0,
        description="fewest images of each cell of select, below which a level is refused; not for "
        "`select: natural`",
    )
    same_n: bool = Field(
        True,
        description="whether the roles that follow the level have as many images at all levels: as "
        "many as every level allows",
    )

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: dict[str, float]) -> dict[str, float]:
        needed = [role for role in ROLES if role != "select"]
        if set(shares) - {"select"} != set(needed) or not math.isclose(sum(shares.values()), 1):
            raise ValueError(f"must name {', '.join(needed)}, may name select, and add up to 1")
        return shares

    @model_validator(mode="after")
    def _reachable(self) -> RoleParams:
        empty = [level for level in self.levels if self.leaves_empty("select", level)]
        if empty and "select" in self.roles and self.select_cell:
            raise ValueError(
                f"select: train leaves cells of select empty at the levels {empty}, and "
                f"select_cell asks for {self.select_cell} images in each: choose select: balanced, "
                "or set select_cell: 0"
            )
        return self

    def composition(self) -> dict[str, str]:
        """Return what each role holds: "level", "equal cells" or "natural".

        Level is the association of the level, natural what comes without regard to the protected
        attribute.
        """
        select = {"balanced": EQUAL, "train": LEVEL, "natural": NATURAL}[self.select]
        holds = {"train": LEVEL, "debias": self.DEBIAS, "select": select, "test": EQUAL}
        return {role: holds[role] for role in self.roles}

    def leaves_empty(self, role: str, level: float) -> bool:
        """Return whether the design leaves a cell of a role empty at a level, by what it is."""
        return self.composition().get(role) == LEVEL and self._one_sided(level)

    def _one_sided(self, level: float) -> bool:
        """Return whether the association of a level has an empty cell."""
        return False

    def floor(self, role: str) -> int:
        """Return the fewest images that each cell of the role may have."""
        return self.select_cell if role == "select" and self.select != "natural" else 0

    def fewest_each(self, role: str) -> int:
        """Return the fewest images of each cell of a role with equal cells."""
        return max(math.ceil(self.fewest(role) / 4), self.floor(role))

    def alike(self, level: float) -> list[float]:
        """Return the levels that have as many images as `level`, itself among them."""
        return [level, *(one for one in self.levels if one != level)] if self.same_n else [level]


def different(levels: list[float]) -> list[float]:
    """Return the levels, -0 as 0; a ValueError if two share a folder, which has six digits."""
    levels = [level + 0.0 for level in levels]
    if len({f"{level:g}" for level in levels}) < len(levels):
        raise ValueError(f"levels are named twice: {levels}")
    return levels
