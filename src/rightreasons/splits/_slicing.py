"""Slicing images into roles: shares of every cell, with identities never apart."""

from __future__ import annotations

import numpy as np
import pandas as pd


def slice_roles(
    labels: pd.DataFrame, shares: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return the role of each image.

    Parameters
    ----------
    labels
        target and protected (0/1, or numbers of classes and groups) and identity (missing where
        unknown: such an image stands for itself).
    shares
        Each role's share of the images; they need not add up to 1.
    rng
        Draws the order in which images are placed.

    Returns
    -------
    ndarray
        int (N,), an index into `shares`. Images of one identity get one role. Every role gets its
        share of each cell of target and protected, as nearly as the identities allow, and to within
        one image where there are enough images without a shared identity. Of more than four cells
        many may be rare: lots say which role gets the image that is left over, so that these do not
        all go to the same role.
    """
    target = labels["target"].to_numpy(np.int64)
    classes = max(2, int(target.max(initial=0)) + 1)
    cell = labels["protected"].to_numpy(np.int64) * classes + target
    group = _groups(labels["identity"])
    goal = np.outer(shares, np.bincount(cell, minlength=4)) / sum(shares)
    if goal.shape[1] > 4 and len(shares):
        goal = _by_lot(goal, rng)
    shared = np.bincount(group)[group] > 1
    roles = np.full(len(labels), -1)
    roles[shared] = _place_groups(group[shared], cell[shared], goal, rng)
    filled = _table(roles[shared], cell[shared], goal.shape)
    roles[~shared] = _place_singles(cell[~shared], goal, filled, rng)
    return roles


def _by_lot(goal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return whole goals (roles, cells), each rounded up or down, on average what they were.

    Systematic sampling: a cell's roles lie one behind the other on a line, and whole numbers from a
    random start on are counted. The starts of the cells are spread evenly over [0, 1).
    """
    cells = goal.shape[1]
    start = (rng.permutation(cells) + rng.random()) / cells
    ends = np.floor(np.cumsum(goal, axis=0) + start + 1e-9)
    return np.diff(ends, axis=0, prepend=0)


def _groups(identity: pd.Series) -> np.ndarray:
    """Return a number per identity; every image without one gets a number of its own."""
    codes, names = pd.factorize(identity)
    alone = codes < 0
    codes[alone] = len(names) + np.arange(alone.sum())
    return codes.astype(np.int64)


def _place_groups(
    group: np.ndarray, cell: np.ndarray, goal: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Give the groups, in random order, each to the role that is furthest behind its goal.

    The role is the one for which the sum of (count - goal)^2 / goal over the cells grows least,
    so that rare cells count as much as common ones.
    """
    names, member = np.unique(group, return_inverse=True)
    content = np.zeros((len(names), goal.shape[1]))
    np.add.at(content, (member, cell), 1)
    weight = 1 / np.maximum(goal, 1)
    behind = goal.copy()
    placed = np.empty(len(names), np.int64)
    for name in rng.permutation(len(names)):
        growth = (content[name] * (content[name] - 2 * behind) * weight).sum(axis=1)
        role = int(growth.argmin())
        placed[name] = role
        behind[role] -= content[name]
    return placed[member]


def _place_singles(
    cell: np.ndarray, goal: np.ndarray, filled: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Fill every role up to its goal, cell by cell, with images in random order."""
    roles = np.empty(len(cell), np.int64)
    for number in range(goal.shape[1]):
        mine = rng.permutation(np.flatnonzero(cell == number))
        counts = _fill(goal[:, number], filled[:, number], len(mine))
        roles[mine] = np.repeat(np.arange(len(counts)), counts)
    return roles


def _fill(goal: np.ndarray, filled: np.ndarray, count: int) -> np.ndarray:
    """Return how many of `count` images each role gets: what it lacks, rounded, adding up.

    Roles that have more than their goal get none, the others share in proportion to their lack.
    """
    lack = np.maximum(goal - filled, 0)
    if lack.sum() == 0:
        lack = goal
    if lack.sum() == 0:
        return np.zeros(len(goal), np.int64)
    ends = np.rint(np.cumsum(lack) / lack.sum() * count).astype(np.int64)
    return np.diff(ends, prepend=0)


def _table(roles: np.ndarray, cell: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    n_roles, cells = shape
    return np.bincount(roles * cells + cell, minlength=cells * n_roles).reshape(shape)
