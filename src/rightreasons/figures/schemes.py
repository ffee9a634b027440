"""From the table `data_attribution` to what its figures show: models, their looks, intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.figures.cells import STUDENT_SEEDS
from rightreasons.figures.style import GREY, MethodStyle
from rightreasons.statistics.student import mean_interval
from rightreasons.tables.parameters import TableOne

PAPER = TableOne.registered()
SCHEMES, NUMBERS = PAPER.schemes, tuple(PAPER.numbers.values())

#: The four numbers, with their titles; `accuracy_1` is of target class 1.
TITLES = {
    "accuracy": "Accuracy",
    "accuracy_1": "Accuracy, {1}",
    "accuracy_0": "Accuracy, {0}",
    "gap": "Gap |{1} − {0}|",
}
REMARKS = {"gap": "share, ↓ more even"}
BASELINES = {"vanilla": "Original", "balanced": "Balanced"}
#: Blue masks and orange noises; dark general, light specific; dashes where maps are specific.
STYLES = {
    "vanilla": MethodStyle("#000000", "o", "--"),
    "balanced": MethodStyle(GREY, "s", ":"),
    "mask_general": MethodStyle("#0072B2", "o", "-"),
    "noise_general": MethodStyle("#D55E00", "^", "-"),
    "mask_specific": MethodStyle("#56B4E9", "s", "--"),
    "noise_specific": MethodStyle("#E69F00", "D", "--"),
}
NAMES = {**BASELINES, **SCHEMES}


def models_of(
    data_attribution: pd.DataFrame, *, task: str, design: str, level: float | None
) -> tuple[pd.DataFrame, str]:
    """Return a task's rows at one level, the farthest from 0 if not given, and their name.

    Of several originals or balanced ones those with vanilla's epochs are kept.
    """
    rows = data_attribution["task"] == task
    part = data_attribution[rows & (data_attribution["design"] == design)]
    if level is None and len(part):
        level = max(part["level"], key=lambda value: (abs(value), value))
    name = f"{task}, {design}" + ("" if level is None else f" = {level:.3g}")
    part = part[part["level"] == level].sort_values(["epochs", "method"], na_position="first")
    first = part["kind"].map(part.drop_duplicates("kind").set_index("kind")["method"])
    return part[(part["method"] == first) | part["kind"].isin(SCHEMES)], name


def title_of(metric: str, classes: tuple[str, str]) -> str:
    """Return a number's title with the names of target classes 0 and 1."""
    return TITLES[metric].format(*classes)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95 % Student-t interval over seeds (N,); NaN ends for under three seeds."""
    found = mean_interval(values)
    if found.n < STUDENT_SEEDS:
        return found.value, np.nan, np.nan
    return found.value, found.low, found.high


def view(values: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Return an axis's limits: all `values`, and intervals' `ends` up to half as far again.

    Both are shares; missing ones are left out. One wide interval would flatten all else.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    reach = max(float(np.ptp(known)), 0.04)
    ends = np.append(ends[~np.isnan(ends)], known)
    low = max(float(ends.min()), float(known.min()) - 0.5 * reach, 0.0)
    high = min(float(ends.max()), float(known.max()) + 0.5 * reach, 1.0)
    return low - 0.07 * reach, high + 0.07 * reach


def seeds_remark(models: pd.DataFrame) -> str:
    """Return what points and bars are, for the note below a figure."""
    seeds = models["seed"].nunique()
    if seeds == 1:
        return "One seed, test images: no intervals."
    over = f"Means over {seeds} seeds, test images"
    if seeds < STUDENT_SEEDS:
        return f"{over}; too few seeds for intervals."
    return f"{over}; bars: 95 % Student-t intervals over seeds, cut where they leave a panel."
