"""Which images of a split carry a second, watched artifact."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from rightreasons.splits import BALANCED, CELLS, HELD_OUT, ROLES


def shares(level: float) -> tuple[float, float]:
    """Return the shares of target 0 and 1 that carry the artifact at a level in [-1, 1].

    Their difference is the level, which is phi of artifact and target where the classes are equal.
    """
    return (1 - level) / 2, (1 + level) / 2


def carry(
    split: pd.DataFrame, count: int, level: float, rngs: Mapping[str, np.random.Generator]
) -> pd.DataFrame:
    """Return a split with the column `watched`: 1 where the image carries the watched artifact.

    Within each cell of target and protected attribute the share of carriers is that of `shares` in
    train, debias and balanced, and a half in select and test, but for rounding. Given the target
    the artifact is therefore independent of the protected attribute. An image has one state: both
    its versions do where the protected attribute is an artifact, and so do train and balanced,
    which have images in common (train has its share exactly, balanced nearly).

    Parameters
    ----------
    split
        row, role, target, protected. Rows from `count` on are the same images with the protected
        artifact.
    count
        The number of the pool's images.
    level : in [-1, 1]
        Share of target 1 that carries the artifact minus that of target 0.
    rngs
        By role, the generator of the order in which its images are taken; roles that have images
        in common need generators in the same state, others may have one each.

    Returns
    -------
    DataFrame
        `split` with watched, int8.
    """
    state = np.full(count, -1, np.int8)
    image = split["row"].to_numpy() % count
    for role in (*ROLES, BALANCED):
        place = rngs[role].permutation(count)
        mine = split["role"].to_numpy() == role
        by_target = (0.5, 0.5) if role in HELD_OUT else shares(level)
        for protected, target in CELLS:
            here = (
                mine & ((split["protected"] == protected) & (split["target"] == target)).to_numpy()
            )
            _fill(state, image[here], by_target[target], place)
    return split.assign(watched=state[image])


def _fill(state: np.ndarray, images: np.ndarray, share: float, place: np.ndarray) -> None:
    """Settle those of some images that have no state, as many carriers as bring all to a share."""
    free = images[state[images] < 0]
    free = free[np.argsort(place[free], kind="stable")]
    wanted = math.floor(share * len(images) + 0.5) - int((state[images] == 1).sum())
    state[free] = 0
    state[free[: max(wanted, 0)]] = 1
