"""The watermark article's design: a share of one class carries the protected attribute."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from rightreasons.splits import CELLS, DESIGNS
from rightreasons.splits._association import Association, undersampled
from rightreasons.splits._counts import Counts
from rightreasons.splits._roles import EQUAL, RoleParams, different


class ArtifactFractionParams(RoleParams):
    """Parameters of `artifact_fraction`."""

    #: Train has an empty cell, where no criterion of fairness is defined.
    DEBIAS: ClassVar[str] = EQUAL

    levels: list[float] = Field(
        default_factory=lambda: [0.0, 0.5, 1.0],
        min_length=1,
        description="share of the carrying class's train images that have the protected "
        "attribute, 0 to 1; the other class never has it",
    )
    carrier: Literal[0, 1] = Field(1, description="class of the target that carries it")
    shares: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.5, "debias": 0.15, "select": 0.1, "test": 0.25},
        description="share of the images that each role is drawn from; without `select` there is "
        "no such role",
    )

    @field_validator("levels")
    @classmethod
    def _in_range(cls, levels: list[float]) -> list[float]:
        if wrong := [level for level in levels if not 0 <= level <= 1]:
            raise ValueError(f"a share lies between 0 and 1, not {wrong}")
        return different(levels)

    def _one_sided(self, level: float) -> bool:
        return True

    def carrying(self, level: float) -> tuple[float, float]:
        """Return the shares of target 0 and 1 that carry the attribute in train."""
        return (0.0, level) if self.carrier == 1 else (level, 0.0)

    def largest(self, available: Counts, level: float, most: int | None) -> Counts:
        """Return the counts of the largest train set at a level (see `largest_train`)."""
        return largest_train(available, level, self.carrier, most)

    def smallest(self, level: float, available: Counts, fewest: int, floor: int) -> Counts:
        """Return the counts of the smallest set with at least `fewest` images."""
        return train_counts(2 * math.ceil(fewest / 4), level, self.carrier)

    def association(self) -> Association:
        """Return how a level becomes counts."""
        return Association("artifact_fraction", self.carrying, self.largest, self.smallest)


@DESIGNS.register(
    "artifact_fraction",
    title="Share of one class that carries the protected attribute",
    paper="Searching for Unintended Biases With Saliency",
    params=ArtifactFractionParams,
)
def artifact_fraction(
    labels: pd.DataFrame, level: float, params: ArtifactFractionParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a split where, in train, `level` of one class carry the attribute and the other never.

    Train has as many images of both classes. Debias and test have four equal cells: train has an
    empty one, where no criterion of fairness is defined. With the same generator, all levels have
    the same test images, and with an injected artifact the same train images, too. Select holds
    what `select` says.

    Parameters
    ----------
    labels
        row, image_id, identity, target, protected, as from `rightreasons.splits.label`, or as from
        `label_injected`: then test has every image without and with the artifact.
    level : in [0, 1]
        Share of the carrying class's train images that have the attribute.
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
    Searching for Unintended Biases With Saliency.
    """
    return undersampled(labels, level, params, rng, params.association())


def train_counts(n: int, level: float, carrier: int) -> Counts:
    """Return the (n11, n10, n01, n00) of a train set with `n` images of each class.

    `level` n of the class `carrier` (0 or 1), rounded, carry the attribute; digits are protected,
    then target.
    """
    carriers = math.floor(level * n + 0.5)
    count = {
        (1, carrier): carriers,
        (0, carrier): n - carriers,
        (1, 1 - carrier): 0,
        (0, 1 - carrier): n,
    }
    n11, n10, n01, n00 = (count[cell] for cell in CELLS)
    return n11, n10, n01, n00


def largest_train(available: Counts, level: float, carrier: int, most: int | None) -> Counts:
    """Return the counts of the largest train set that the images allow.

    Parameters
    ----------
    available
        (n11, n10, n01, n00), the images that there are.
    level, carrier
        As in `train_counts`.
    most
        Most images, None for as many as possible.

    Returns
    -------
    tuple of int
        (n11, n10, n01, n00), all zero if there is no such set.
    """
    largest = max(available) * 2 if most is None else most // 2
    for n in range(largest, 0, -1):
        counts = train_counts(n, level, carrier)
        if all(count <= have for count, have in zip(counts, available, strict=True)):
            return counts
    return 0, 0, 0, 0
