"""Two shortcuts at once: does a method that relies less on one rely more on the other?

Li et al. 2023, A Whac-A-Mole Dilemma: Shortcuts Come in Multiples Where Mitigating One Amplifies
Others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.metrics import METRICS, headline

KEY = ["study", "dataset", "task", "design", "level", "method"]
LESS, MORE, WHAC_A_MOLE = "less of both", "more of both", "less of one, more of the other"


def metric_of(attribute: str) -> str:
    """Return the metric that says how much a model relies on an attribute: it compares methods."""
    metrics = headline("comparisons", "reliance")
    return next(name for name in metrics if METRICS[name].traits["attribute"] == attribute)


def two_shortcuts(tests: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return the table `two_shortcuts`: a row per method and level of tasks that watch something.

    Parameters
    ----------
    tests
        The table `tests`.
    original
        The method that changes are against.

    Returns
    -------
    pandas.DataFrame
        KEY, unit, both changes with their intervals, quadrant (where the two changes lie; missing
        where one is 0 or unknown), told (neither interval has 0 in it). By seed; by image where
        there is one seed.
    """
    rows = tests[(tests["test"] == "paired") & (tests["reference"] == original)]
    protected, watched = (_changes(rows, attribute) for attribute in ("protected", "watched"))
    table = watched.merge(protected, how="left", on=[*KEY, "unit"])
    units = table["unit"].where(table["watched_change_low"].notna())
    by_seed = units.eq("seed").groupby([table[name] for name in KEY]).transform("any")
    table = table[(table["unit"] == "seed") == by_seed].reset_index(drop=True)
    x, y = table["protected_change"], table["watched_change"]
    names = [(x < 0) & (y < 0), (x > 0) & (y > 0), x * y < 0]
    quadrant = np.select(names, [LESS, MORE, WHAC_A_MOLE], default="")
    told = _beyond(table, "protected") & _beyond(table, "watched")
    return table.assign(quadrant=pd.Series(quadrant).replace("", None), told=told)


def _changes(rows: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Return each method's change of reliance with its interval, by seed and by image."""
    names = {"effect": "change", "ci_low": "change_low", "ci_high": "change_high"}
    mine = rows.loc[rows["metric"] == metric_of(attribute), [*KEY, "unit", *names]]
    return mine.rename(columns={old: f"{attribute}_{new}" for old, new in names.items()})


def _beyond(table: pd.DataFrame, attribute: str) -> pd.Series:
    """Return whether 0 lies outside the interval of a change; False where there is none."""
    low, high = table[f"{attribute}_change_low"], table[f"{attribute}_change_high"]
    return (low > 0) | (high < 0)
