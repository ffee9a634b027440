"""as_is: the data as they are, for audits: nothing is rebalanced, and no cell is demanded."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import numpy_rng
from rightreasons.splits import DESIGNS, INJECTED, ROLES
from rightreasons.splits._drawing import HELD_ROLE, as_split, both, cut, hold_out, settle
from rightreasons.splits._roles import NATURAL, BaseRoles, different

#: Which roles the images of a split of the user's own play, by the value of its column.
PARTITIONS = {
    **{name: ["train", "debias"] for name in ("train", "training", "0")},
    **{name: ["select"] for name in ("val", "valid", "validation", "dev", "1")},
    **{name: ["test"] for name in ("test", "2")},
}
#: How many partitions or people an error shows.
SHOWN = 8


class AsIsParams(BaseRoles):
    """Parameters of `as_is`."""

    levels: list[float] = Field(
        default_factory=lambda: [0.0], description="0 alone: nothing is rebalanced"
    )
    shares: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.3, "debias": 0.2, "select": 0.15, "test": 0.35},
        description="share of the images that each role is drawn from; test alone where nothing is "
        "trained: {test: 1}",
    )
    by_partition: bool = Field(
        False,
        description="the column `partition` of the dataset says which images a role has, and "
        "`shares` only divide what several roles have in common",
    )
    partitions: dict[str, list[str]] = Field(
        default_factory=lambda: dict(PARTITIONS),
        description="with by_partition, the roles of each value of that column; [] leaves its "
        "images out",
    )

    @field_validator("levels")
    @classmethod
    def _nought(cls, levels: list[float]) -> list[float]:
        if levels != [0]:
            raise ValueError("nothing is rebalanced, the level is 0: leave `levels` out")
        return different(levels)

    @field_validator("shares")
    @classmethod
    def _has_test(cls, shares: dict[str, float]) -> dict[str, float]:
        if "test" not in shares or not math.isclose(sum(shares.values()), 1):
            raise ValueError("must name test, may name train, debias and select, and add up to 1")
        return shares

    @field_validator("partitions")
    @classmethod
    def _known(cls, partitions: dict[str, list[str]]) -> dict[str, list[str]]:
        if unknown := {role for roles in partitions.values() for role in roles} - set(ROLES):
            raise ValueError(f"unknown roles {sorted(unknown)}; roles: {', '.join(ROLES)}")
        return partitions

    def composition(self) -> dict[str, str]:
        """Return what each role holds: images as they come."""
        return dict.fromkeys(self.roles, NATURAL)


@DESIGNS.register(
    "as_is",
    title="The data as they are",
    paper="Own",
    params=AsIsParams,
    many_groups=True,
    unbiased_zero=False,
    small={"min_images": dict.fromkeys(ROLES, 4)},
)
def as_is(
    labels: pd.DataFrame, level: float, params: AsIsParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a split that leaves the images as they come.

    By `shares` the images are sliced at random, within cells of target and protected attribute as
    far as persons allow, who never have two roles. With `by_partition` the dataset's own split
    says which images a role may have, and shares divide those of several roles (train and debias).
    `max_images` takes as many of a role, of each cell its share. An injected protected attribute is
    in half of the images of each class; test has every image without and with it.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected and, where there is one, partition, as from
        `rightreasons.splits.label` or `label_injected`. Any number of groups and classes.
    level
        Not used.
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
        Where a role has fewer than `min_images`; for a partition that plays no role, and for a
        person in partitions of different roles.
    """
    parts = _partitioned(labels, params) if params.by_partition else [(labels, params.shares)]
    slices = pd.concat([cut(part.drop(columns=INJECTED, errors="ignore"), shares, rng)
                        for part, shares in parts])  # fmt: skip
    if INJECTED in labels:
        slices = both(slices.assign(**{INJECTED: labels[INJECTED].iloc[0]}), len(labels))
    settled = settle(slices, {role: (0.5, 0.5) for role in params.roles if role != "test"})
    drawn = []
    for role in params.roles:
        mine = settled[settled["role"] == role].reset_index(drop=True)
        drawn.append(_capped(mine, params.max_images.get(role)))
        if len(drawn[-1]) < params.fewest(role):
            raise UserError(_too_few(role, len(drawn[-1]), params))
    return as_split(drawn)


def _partitioned(
    labels: pd.DataFrame, params: AsIsParams
) -> list[tuple[pd.DataFrame, dict[str, float]]]:
    """Return the images of each set of roles, and how these share them."""
    if "partition" not in labels or labels["partition"].isna().all():
        raise UserError(
            "as_is, by_partition: the dataset has no column `partition`. Name it in the dataset's "
            "`partition_column`, or leave `by_partition` out: images are then drawn by `shares`."
        )
    known = {name.lower(): roles for name, roles in params.partitions.items()}
    value = labels["partition"].astype("object").map(_text)
    if unknown := list(dict.fromkeys(value[~value.str.lower().isin(known)])):
        raise UserError(
            f"as_is, by_partition: no role is known for the partitions {_listed(unknown)}. Say "
            f"which roles they play: partitions: {{{unknown[0]}: [test]}}; [] leaves them out."
        )
    roles = value.map(lambda one: tuple(r for r in params.roles if r in known[one.lower()]))
    _check_people(labels, roles)
    parts = []
    for one in sorted(set(roles) - {()}, key=_place):
        part, shares = labels[roles == one], {role: params.shares[role] for role in one}
        if HELD_ROLE in labels:  # drawn over all images: again within these
            part = hold_out(part, shares, numpy_rng(0, "partition", *one))
        parts.append((part, shares))
    return parts


def _text(value: object) -> str:
    """Return a partition as the config names it: 2.0, as pandas reads it beside gaps, is 2."""
    if value is None or value is pd.NA or value != value:
        return "missing"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _place(roles: tuple[str, ...]) -> list[int]:
    return [ROLES.index(role) for role in roles]


def _check_people(labels: pd.DataFrame, roles: pd.Series) -> None:
    """Raise UserError for a person whom the user's own split gives to different roles."""
    used = pd.DataFrame({"person": labels["identity"], "roles": roles})
    used = used[used["roles"].map(len) > 0].dropna(subset="person")
    count = used.groupby("person")["roles"].nunique()
    if both := count.index[count > 1].tolist():
        raise UserError(
            f"as_is, by_partition: {len(both)} persons are in partitions of different roles: "
            f"{_listed(both)}. A model would be tested on people whom it knows. Leave "
            "`by_partition` out, leave partitions out (partitions: {NAME: []}), or, if that is "
            "what you want, leave out the dataset's `identity_column`."
        )


def _capped(mine: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """Return at most some images of a role, of each cell its share, versions kept together."""
    if most is None or len(mine) <= most:
        return mine
    source = mine["source"] if INJECTED in mine else mine["row"]
    first = mine[~source.duplicated().to_numpy()]
    versions = len(mine) // len(first)
    cell = first.groupby(["target", "protected"] if versions == 1 else ["target"])
    place = (cell.cumcount() + 0.5) / cell["row"].transform("size")
    kept = set(source[first.index[np.argsort(place.to_numpy(), kind="stable")]][: most // versions])
    return mine[source.isin(kept).to_numpy()]


def _too_few(role: str, count: int, params: AsIsParams) -> str:
    """Say what a role lacks, and what can be done."""
    where = "`shares`"
    if params.by_partition:
        names = [name for name, roles in params.partitions.items() if role in roles]
        where = f"`partitions` ({role} has those of {', '.join(names) or 'none'})"
    return (
        f"as_is: the role {role} has {count} images and needs {params.fewest(role)}. Add images, "
        f"change {where}, lower `min_images`, or leave the role out of `shares` where nothing "
        "needs it."
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
