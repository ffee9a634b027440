"""What a model does when something is laid over its images: how many decisions change, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rightreasons.statistics.intervals import wilson
from rightreasons.statistics.paired import holm

Z = 1.959964
ALPHA = 0.05
#: A net shift of decisions below this is not called swaying, however certain it is.
LEAST = 0.05
#: A mark that turns at least this share of the decisions that it can turn sways strongly.
MOST = 0.5


@dataclass(frozen=True)
class Effect:
    """What one mark does.

    Attributes
    ----------
    mark
        Its name.
    n
        Images, each predicted without and with it.
    changed, changed_low, changed_high
        Share of decisions that it changes, with Wilson's 95 % interval.
    towards, away
        Decisions that it turns to target 1, and to target 0.
    shift, shift_low, shift_high
        Share of decisions for target 1 with the mark, less that without, with the 95 % interval of
        Agresti and Min (2005) for matched pairs.
    turned, turned_low, turned_high
        Of the decisions that it can turn the way that it mostly does, the share that it turns, with
        Wilson's 95 % interval; missing where there are none.
    p
        McNemar's exact test that it turns as many one way as the other, by Holm over all marks.
    """

    mark: str
    n: int
    changed: float
    changed_low: float
    changed_high: float
    towards: int
    away: int
    shift: float
    shift_low: float
    shift_high: float
    turned: float
    turned_low: float
    turned_high: float
    p: float

    @property
    def sways(self) -> bool:
        """Whether it pushes decisions one way, for certain and by more than a little."""
        nearest = min(abs(self.shift_low), abs(self.shift_high))
        certain = self.shift_low * self.shift_high > 0 and self.p < ALPHA
        return bool(certain and nearest >= LEAST)

    @property
    def strong(self) -> bool:
        """Whether it sways the model strongly: it turns, for certain, most of what it can turn."""
        return self.sways and self.turned_low >= MOST


def effects(predictions: pd.DataFrame, marks: Sequence[str]) -> list[Effect]:
    """Return what each mark does.

    Parameters
    ----------
    predictions
        A row per mark and image: mark, chance (how often 1 is decided, 0 or 1) without the mark,
        and twin_chance with it.
    marks
        Which, in the order of the result; those without images are left out.
    """
    found = [_effect(mark, predictions[predictions["mark"] == mark]) for mark in marks]
    found = [one for one in found if one.n]
    if not found:
        return []
    adjusted = holm(np.array([one.p for one in found]))
    return [
        Effect(**{**one.__dict__, "p": float(p)}) for one, p in zip(found, adjusted, strict=True)
    ]


def paired_shift(towards: int, away: int, n: int) -> tuple[float, float, float]:
    """Return the difference of two matched shares and its 95 % interval.

    Parameters
    ----------
    towards, away
        Pairs that change from 0 to 1, and from 1 to 0.
    n
        All pairs; NaN where there are none.

    References
    ----------
    Agresti and Min 2005, Simple improved confidence intervals for comparing matched proportions.
    """
    if not n:
        return np.nan, np.nan, np.nan
    b, c, m = towards + 0.5, away + 0.5, n + 2
    middle = (b - c) / m
    half = Z * np.sqrt(b + c - (b - c) ** 2 / m) / m
    return (towards - away) / n, max(middle - half, -1.0), min(middle + half, 1.0)


def _effect(mark: str, rows: pd.DataFrame) -> Effect:
    from scipy.stats import binomtest

    before, after = (rows[name].to_numpy(float) >= 0.5 for name in ("chance", "twin_chance"))
    n, towards, away = len(rows), int((after & ~before).sum()), int((before & ~after).sum())
    changed = towards + away
    low, high = wilson(changed, n) if n else (np.nan, np.nan)
    shift, shift_low, shift_high = paired_shift(towards, away, n)
    turned, could = (towards, (~before).sum()) if towards >= away else (away, before.sum())
    turned_low, turned_high = wilson(turned, could) if could else (np.nan, np.nan)
    return Effect(
        mark, n, changed / n if n else np.nan, float(low), float(high), towards, away,
        float(shift), float(shift_low), float(shift_high),
        turned / could if could else np.nan, float(turned_low), float(turned_high),
        float(binomtest(towards, changed).pvalue) if changed else 1.0,
    )  # fmt: skip
