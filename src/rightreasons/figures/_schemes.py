"""From the table `data_attribution` to what its figures show: models, their looks, intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.figures import Given
from rightreasons.figures._cells import STUDENT_SEEDS
from rightreasons.figures._style import GREY, SPARE_METHODS, Style
from rightreasons.statistics.student import mean_interval
from rightreasons.tables.parameters import TableOne

PAPER = TableOne.registered()
SCHEMES, NUMBERS = PAPER.schemes, tuple(PAPER.numbers.values())

#: The kinds without a scheme: trained on the biased data, and on as many without the bias.
ORIGINAL, BALANCED = BASELINES = PAPER.original, PAPER.balanced
NAMES = {ORIGINAL: "Original", BALANCED: "Balanced", **SCHEMES}
#: The four numbers, with their titles, of classes 0 and 1 of the target.
TITLES = dict(
    zip(NUMBERS, ("Accuracy", "Accuracy, {1}", "Accuracy, {0}", "Gap |{1} − {0}|"), strict=True)
)
#: In the order of NAMES. Blue masks and orange noises; dark general, light specific, in dashes.
LOOKS = (
    Style("#000000", "o", "--"),
    Style(GREY, "s", ":"),
    Style("#0072B2", "o", "-"),
    Style("#D55E00", "^", "-"),
    Style("#56B4E9", "s", "--"),
    Style("#E69F00", "D", "--"),
    *SPARE_METHODS,
)
STYLES = dict(zip(NAMES, LOOKS, strict=False))


def models_of(
    given: Given,
) -> tuple[pd.DataFrame, str]:
    """Return the models that figures of data attribution show.

    Of several originals or balanced ones those with the original's epochs are kept.

    Parameters
    ----------
    given
        Of a figure that asks for the table `data_attribution`.

    Returns
    -------
    tuple
        A task's rows of the table at the strongest level, and their name.
    """
    rows = given.table("data_attribution")
    name = f"{given.task}, {given.design} = {given.strongest:.3g}"
    part = rows[rows["level"] == given.strongest]
    part = part.sort_values(["epochs", "method"], na_position="first")
    first = part["kind"].map(part.drop_duplicates("kind").set_index("kind")["method"])
    return part[(part["method"] == first) | part["kind"].isin(SCHEMES)], name


def title_of(number: str) -> str:
    """Return a number's title; T is the target."""
    return TITLES[number].format("T=0", "T=1")


def direction(number: str) -> str:
    """Return a number's unit and the direction of better."""
    return "share, ↓ more even" if number == NUMBERS[-1] else "share, ↑ better"


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95 % Student-t interval over seeds (N,); NaN ends for under three seeds."""
    found = mean_interval(values)
    if found.n < STUDENT_SEEDS:
        return found.value, np.nan, np.nan
    return found.value, found.low, found.high


def view(values: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Return an axis's limits: all values, and ends of intervals up to half as far again.

    One wide interval would flatten all else.

    Parameters
    ----------
    values, ends
        Shares in [0, 1]; missing ones are left out.
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
