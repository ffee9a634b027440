"""From labels to a split: what is held out, slices of the images, versions, drawing by count."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from rightreasons.splits import BALANCED, CELLS, COLUMNS, HELD_OUT, INJECTED, ROLES, cell_counts
from rightreasons.splits._counts import Counts
from rightreasons.splits._roles import EQUAL, LEVEL, NATURAL, RoleParams
from rightreasons.splits._slicing import slice_roles

#: Columns of labels that were held out: the role, missing elsewhere, and the place in its order.
HELD_ROLE, HELD_PLACE = "held_role", "held_place"


def hold_out(
    labels: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator
) -> pd.DataFrame:
    """Mark the images of the roles that are held out, and their order.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `splits.label`.
    shares
        Each role's share of the images.
    rng
        The generator of the task alone, so that all seeds hold out the same images.

    Returns
    -------
    DataFrame
        `labels` with the columns `held_role` (missing where an image is left to the seeds) and
        `held_place`, which `cut` honours.
    """
    names = [role for role in ROLES if role in shares]
    drawn = np.array(names)[slice_roles(labels, tuple(shares[role] for role in names), rng)]
    role = pd.Series(drawn, index=labels.index, dtype=object)
    marked = labels.copy()
    marked[HELD_ROLE] = role.where(role.isin(HELD_OUT))
    marked[HELD_PLACE] = rng.permutation(len(labels))
    return marked


def cut(labels: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator) -> pd.DataFrame:
    """Return all images in random order with the role whose slice they belong to.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `splits.label`; images that
        `hold_out` has marked keep their role and order.
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
    if HELD_ROLE in labels:
        held = labels[HELD_ROLE].notna()
        fixed = labels[held].sort_values(HELD_PLACE, kind="stable")
        free = {role: share for role, share in shares.items() if role not in HELD_OUT}
        slices = pd.concat([_cut(labels[~held], free, rng), fixed.assign(role=fixed[HELD_ROLE])])
    else:
        slices = _cut(labels, shares, rng)
    return both(slices, len(labels)) if INJECTED in slices else slices


def _cut(labels: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator) -> pd.DataFrame:
    names = [role for role in ROLES if role in shares]
    roles = slice_roles(labels, tuple(shares[role] for role in names), rng)
    order = rng.permutation(len(labels))
    return labels.iloc[order].assign(role=[names[role] for role in roles[order]])


def both(slices: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return each image without and with the artifact, one after the other (`Injected`'s rows).

    count: the number of the pool's images.
    """
    carries = slices.assign(
        row=slices["row"] + count,
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
            carriers = math.floor(share * (number.max(initial=-1) + 1) + 0.5)
            keep[mine] = (number < carriers) == carries[mine]
    return slices[keep]


def settle_roles(
    slices: pd.DataFrame, params: RoleParams, carrying: tuple[float, float]
) -> pd.DataFrame:
    """Leave each image the versions that its role holds, where the attribute is injected.

    A role that follows the level takes its association. Debias with equal cells and a natural
    select take half of each class with the attribute; test and select with equal cells keep both
    versions of every image.

    Parameters
    ----------
    slices
        As from `cut`.
    params
        What each role holds.
    carrying
        The shares of target 0 and 1 that carry the attribute at the level.
    """
    holds = params.composition()
    shares = {
        role: carrying if holds[role] == LEVEL else (0.5, 0.5)
        for role in params.roles
        if holds[role] != EQUAL or role not in HELD_OUT
    }
    return settle(slices, shares)


def available(slices: pd.DataFrame, params: RoleParams) -> dict[str, Counts]:
    """Return the images of each cell that there are, by role.

    Of a natural role it is what the first images are, as many as the role may have: these are what
    is drawn.
    """
    holds, found = params.composition(), {}
    for role in params.roles:
        mine = slices[slices["role"] == role]
        most = params.max_images.get(role) if holds[role] == NATURAL else None
        found[role] = cell_counts(mine if most is None else mine.head(most))
    return found


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
