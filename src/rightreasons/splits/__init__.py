"""Splits: which image trains, debiases, selects and tests. `DESIGNS` finds the ways to rebalance.

A design is a function `design(labels, level, params, rng) -> split`, registered with parameters
that have at least `levels`. `labels` is the frame of `label`: one row per image. The split has
one row per image and role: row, image_id, role, target, protected. No image has two of the roles
train, debias, select and test. A design may do without select, whose images choose parameters; it
may add the role balanced, drawn from the same images as train. Its trait `symbol` is what figures
call its level; empty for the design's name. Parameters that are `_roles.RoleParams` also say what
each role holds.

`protected` is 0 or 1, or the number of a group where a task has more than two: designs with the
trait `many_groups` take any number, all others two, and a study with more refuses them.

Where the protected attribute is an injected artifact (`label_injected`), or one of which the pool
holds both versions of each image (`one_version`), any image can have it. `_drawing.cut` then gives
every image without and with it; `_drawing.settle` leaves one version of each, and test keeps both:
the four quadrants, and every image's twin; so does a select with equal cells.

Traits: `many_groups`, True where it takes any number of groups; `unbiased_zero`, False where level
0 does not mean that target and protected attribute are unrelated, so that no model of the design is
one without a shortcut; `small`, parameters that fit a few hundred images, for tests, where low
`min_images` do not do; `exempt`, why a test of the contract is not for the design, by the test's
name.

The generator is fresh for every level and depends on the seed and the task only, so that the
levels of a design share their slices and, as far as possible, their images. Where select and test
are to be the same for all seeds, `labels` says which images they may take (`_counts.hold_out`).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Registry
from rightreasons.core.seeds import numpy_rng
from rightreasons.data.groups import group

ROLES = ("train", "debias", "select", "test")

#: The roles that nothing is fitted on: select chooses parameters, test is reported.
HELD_OUT = ("select", "test")

#: The role of a training set with equal cells, as large as train, which some designs draw.
BALANCED = "balanced"

#: (protected, target) of the four cells, in the order of a table's counts n11, n10, n01, n00.
CELLS = ((1, 1), (1, 0), (0, 1), (0, 0))

COLUMNS = ("row", "image_id", "role", "target", "protected")

#: Column of labels whose protected attribute is injected: the artifact's name.
INJECTED = "injected"

DESIGNS = Registry(
    "rightreasons.splits",
    "design",
    traits={
        "symbol": "",
        "many_groups": False,
        "unbiased_zero": True,
        "small": {},
        "exempt": {},
    },
    group="rightreasons.designs",
)


def label(index: pd.DataFrame, target: str, protected: str) -> pd.DataFrame:
    """Return what a design needs to know of a pool's images.

    Parameters
    ----------
    index
        The pool's index: row, image_id, identity and the attributes.
    target
        An attribute expression (see `rightreasons.data.attributes`).
    protected
        Whose groups (see `rightreasons.data.groups`).

    Returns
    -------
    DataFrame
        row, image_id, identity, partition (where the index has it), target and protected (both
        int8: 0/1, or the number of the class or group), a row per image.

    Raises
    ------
    UserError
        As `rightreasons.data.groups.group` does.
    """
    frame = _images(index)
    frame["target"] = group(target, index).codes
    frame["protected"] = group(protected, index).codes
    return frame


def _images(index: pd.DataFrame) -> pd.DataFrame:
    """Return what an index says of images beside their attributes."""
    known = [key for key in ("row", "image_id", "identity", "partition") if key in index]
    return index[known].copy()


def label_injected(index: pd.DataFrame, target: str, artifact: str) -> pd.DataFrame:
    """Return what a design needs to know where the protected attribute is an injected artifact.

    Parameters
    ----------
    index
        The pool's index: row, image_id, identity and the attributes.
    target
        An attribute expression.
    artifact
        The artifact's name.

    Returns
    -------
    DataFrame
        row, image_id, identity, partition (where the index has it), target (int8 0/1), protected
        (all 0) and `injected`, the artifact's name. Rows are those of the pool: a split may ask for
        each with or without the artifact.

    Raises
    ------
    UserError
        As `label` does, and where the dataset has an attribute of the artifact's name.
    """
    if artifact in index:
        raise UserError(
            f"artifacts.{artifact}: the dataset has an attribute {artifact!r} already. Give the "
            "artifact another name."
        )
    frame = _images(index)
    frame["target"] = group(target, index).codes
    return frame.assign(protected=np.int8(0), **{INJECTED: artifact})


def one_version(index: pd.DataFrame, attribute: str, *, drawn: bool) -> pd.DataFrame:
    """Return one version of each image of a pool that holds both.

    Parameters
    ----------
    index
        The pool's index: N images without the attribute, then the same N with it.
    attribute
        What the versions differ by, 0 and 1.
    drawn
        True where another attribute is protected: half of the images, drawn once and for all,
        have it. False where it is the protected one, so that the split says which image has it:
        those without it, and no such column (see `label_injected`).

    Returns
    -------
    DataFrame
        N rows of the index, in the order of the images.
    """
    n = len(index) // 2
    if not drawn:
        return index.iloc[:n].drop(columns=attribute)
    carries = numpy_rng(0, "version", attribute).permutation(n) < n // 2
    return index.iloc[np.arange(n) + n * carries].reset_index(drop=True)


def cell_counts(frame: pd.DataFrame) -> tuple[int, int, int, int]:
    """Return (n11, n10, n01, n00), the images in each cell of protected and target.

    Parameters
    ----------
    frame
        With the columns protected (first digit) and target (second), 0 or 1.
    """
    code = frame["protected"].to_numpy(np.int64) * 2 + frame["target"].to_numpy(np.int64)
    n00, n01, n10, n11 = np.bincount(code, minlength=4).tolist()
    return n11, n10, n01, n00


def achieved(split: pd.DataFrame) -> pd.DataFrame:
    """Return what a split's images are, role by role.

    Returns
    -------
    DataFrame
        One row per role that the split has: role, n00, n01, n10, n11 (protected, target), N, phi,
        yules_q, yules_y. The associations are those of the images in the split, not those asked
        for; they are NaN where a margin is empty. Of more than two groups or classes there is N
        alone.
    """
    rows = []
    there = set(split["role"])
    many = bool((split[["protected", "target"]] > 1).to_numpy().any())
    for role in (role for role in (*ROLES, BALANCED) if role in there):
        if many:
            rows.append({"role": role, "N": int((split["role"] == role).sum())})
            continue
        n11, n10, n01, n00 = counts = cell_counts(split[split["role"] == role])
        associations = {
            "phi": phi(*counts),
            "yules_q": yules_q(*counts),
            "yules_y": yules_y(*counts),
        }
        rows.append(
            {"role": role, "n00": n00, "n01": n01, "n10": n10, "n11": n11, "N": sum(counts)}
            | associations
        )
    columns = ["role", "n00", "n01", "n10", "n11", "N", "phi", "yules_q", "yules_y"]
    return pd.DataFrame(rows, columns=columns)


def phi(n11: int, n10: int, n01: int, n00: int) -> float:
    """Return Yule's phi, the mean square contingency coefficient.

    (n11 n00 - n10 n01) divided by the square root of the product of the four margins.

    Parameters
    ----------
    n11, n10, n01, n00
        Images in the cells of protected (first digit) and target (second).

    Returns
    -------
    float
        In [-1, 1]; NaN if a margin is empty.

    References
    ----------
    Yule 1912, On the Methods of Measuring Association Between Two Attributes.
    """
    margins = float(n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00)
    if margins == 0:
        return math.nan
    return (float(n11) * n00 - float(n10) * n01) / math.sqrt(margins)


def yules_q(n11: int, n10: int, n01: int, n00: int) -> float:
    """Return Yule's Q = (OR - 1) / (OR + 1) with the odds ratio OR.

    In [-1, 1]; NaN if a margin is empty. Arguments as those of `phi`.
    """
    return _from_odds(float(n11) * n00, float(n10) * n01, (n11, n10, n01, n00))


def yules_y(n11: int, n10: int, n01: int, n00: int) -> float:
    """Return Yule's Y = (sqrt(OR) - 1) / (sqrt(OR) + 1) with the odds ratio OR.

    In [-1, 1]; NaN if a margin is empty. With balanced margins it equals phi. Arguments as those of
    `phi`.
    """
    same, other = math.sqrt(float(n11) * n00), math.sqrt(float(n10) * n01)
    return _from_odds(same, other, (n11, n10, n01, n00))


def _from_odds(same: float, other: float, counts: tuple[int, int, int, int]) -> float:
    return math.nan if math.isnan(phi(*counts)) else (same - other) / (same + other)
