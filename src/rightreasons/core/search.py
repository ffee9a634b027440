"""Search spaces: what a tuned method's parameters may be, and how a trial draws them.

A component's trait `search` has a range per parameter. A trial is a point of the unit cube, and
each range turns its coordinate into a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Real:
    """A real number between two ends.

    Parameters
    ----------
    low, high
        The ends.
    log
        Whether it is the logarithm that is uniform; the ends are then above 0.
    zero
        Share of the draws that are exactly 0, as a strength must be able to be.
    """

    low: float
    high: float
    log: bool = False
    zero: float = 0.0

    def value(self, u: float) -> float:
        """Return the number that belongs to `u` in [0, 1), to three significant digits."""
        if u < self.zero:
            return 0.0
        at = (u - self.zero) / (1 - self.zero)
        if self.log:
            drawn = math.exp(math.log(self.low) + at * math.log(self.high / self.low))
        else:
            drawn = self.low + at * (self.high - self.low)
        return float(f"{drawn:.3g}")


@dataclass(frozen=True)
class Choice:
    """One of some values, each as likely."""

    values: tuple[Any, ...]

    def value(self, u: float) -> Any:
        """Return the value that belongs to `u` in [0, 1)."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]


@dataclass(frozen=True)
class Passes:
    """A budget: a share of the image passes that every trial of the study may take.

    Parameters
    ----------
    unit
        What the parameter counts: steps of `batch_size` images, or epochs over a role.
    role
        Whose images an epoch passes over.
    each
        Image passes per image of a step or epoch, where a method takes more than one.
    low, high
        The shares; their logarithm is uniform.
    """

    unit: Literal["steps", "epochs"] = "steps"
    role: Literal["train", "debias"] = "debias"
    each: float = 1.0
    low: float = 0.05
    high: float = 0.9

    def value(self, u: float, budget: int, images: int) -> int:
        """Return how many steps or epochs belong to `u` in [0, 1): at least one.

        Parameters
        ----------
        u
            The trial's coordinate.
        budget
            Image passes that a trial may take.
        images
            Images of one step or epoch.
        """
        share = math.exp(math.log(self.low) + u * math.log(self.high / self.low))
        return max(1, int(share * budget / (self.each * images)))


Range = Real | Choice | Passes
Space = Mapping[str, Range]
