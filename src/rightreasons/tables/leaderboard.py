"""The leaderboard: every method at every level, means over seeds.

There is no rank by one number. A method takes part where no seed collapsed and its models tell more
of the target than chance; of those that take part, the table says which are on the Pareto front of
fairness and utility, and which cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.metrics import headline, playing, ranking, utility
from rightreasons.statistics.letters import letters
from rightreasons.tables.comparisons import ALPHA
from rightreasons.tables.parameters import Described

GROUP = ["study", "dataset", "task", "design", "level"]
BOARD = [*GROUP, "explainer"]
#: Kinds of metrics whose numbers come from maps.
OF_MAPS = ("image", "pair", "test")


def shown_beside(*with_intervals: str) -> list[str]:
    """Return the metrics on the leaderboard but some, in the columns' order.

    Those of predictions come first, then those of maps, then those of twins.
    """
    kinds = (("group",), OF_MAPS, ("reliance",))
    names = [name for chosen in kinds for name in headline("leaderboard", *chosen)]
    return [name for name in names if name not in with_intervals]


def leaderboard(
    cells: pd.DataFrame,
    tests: pd.DataFrame,
    methods: Sequence[str],
    original: str,
    described: Mapping[str, Described],
) -> pd.DataFrame:
    """Return a row per task, level, method and explainer: means over seeds.

    Parameters
    ----------
    cells, tests
        The tables `cell_metrics` and `tests`.
    methods
        The study's methods in their order, which is that of equal numbers.
    original
        The method that changes are against.
    described
        What is known of each method without running it.

    Returns
    -------
    pandas.DataFrame
        `takes_part`: no seed collapsed, the utility is better than chance (its mean's interval over
        images lies above, and every seed), and it is neither a matched control nor noise. `front`:
        no method that takes part is both fairer and of more utility. `alike`: letters that methods
        share which cannot be told apart by fairness (all pairs, by seed); missing for one seed.
        Intervals are by seed, for one seed over images. In order: those that take part, the front
        first, then by fairness.
    """
    performance = cells[cells["explainer"].isna()]
    saliency = cells[cells["explainer"].notna()]
    of_maps = headline("leaderboard", *OF_MAPS)
    rows = []
    for group, part in performance.groupby([*GROUP, "method"], sort=False):
        key = dict(zip([*GROUP, "method"], group, strict=True))
        maps = saliency[(saliency[list(key)] == list(group)).all(axis=1)]
        mine = tests[(tests[list(key)] == list(group)).all(axis=1)]
        known = described[str(key["method"])]
        row = {**key, **known.model_dump(), **_performance(part, mine), **_change(mine, original)}
        row["takes_part"] = _takes_part(row, part, mine, known)
        if maps.empty:
            rows.append({**row, "explainer": None})
        for explainer, values in maps.groupby("explainer", sort=False):
            means = values.groupby("metric")["value"].mean()
            shown = {metric: means.get(metric, np.nan) for metric in of_maps}
            rows.append({**row, "explainer": explainer, **shown})
    board = pd.DataFrame(rows)
    board["front"] = _front(board)
    board["alike"] = _alike(board, tests)
    return _ordered(board, methods)


def _performance(part: pd.DataFrame, tests: pd.DataFrame) -> dict[str, Any]:
    """Return means over seeds of a method's metrics of predictions, and how often it collapsed."""
    means = part.groupby("metric")["value"].mean()
    names = headline("leaderboard", "group", "reliance")
    row: dict[str, Any] = {name: means[name] for name in names if name in means}
    for metric in (ranking(), utility()):
        by_seed, by_image = (_mean(tests, metric.name, unit) for unit in ("seed", "image"))
        ends = by_seed if pd.notna(by_seed["ci_low"]) else by_image
        low, high = np.clip([ends["ci_low"], ends["ci_high"]], *metric.traits["bounds"])
        row |= {f"{metric.name}_low": low, f"{metric.name}_high": high}
    collapsed = part[part["metric"].isin(playing("collapse")) & (part["value"] == 1)]
    return {
        **row,
        "n_seeds": part["seed"].nunique(),
        "n_collapsed": collapsed["seed"].nunique(),
    }


def _mean(tests: pd.DataFrame, metric: str, unit: str) -> Mapping[str, float]:
    """Return a method's mean with its interval, missing where there is none."""
    wanted = {"test": "mean", "metric": metric, "unit": unit}
    found = tests[(tests[list(wanted)] == list(wanted.values())).all(axis=1)]
    if found.empty:
        return {"ci_low": np.nan, "ci_high": np.nan}
    return {end: float(found[end].iloc[0]) for end in ("ci_low", "ci_high")}


def _takes_part(
    row: Mapping[str, Any], part: pd.DataFrame, tests: pd.DataFrame, known: Described
) -> bool:
    """Return whether a method is one of those that are held against each other."""
    metric = utility()
    chance = metric.traits["chance"]
    seeds = part.loc[part["metric"] == metric.name, "value"]
    informed = _mean(tests, metric.name, "image")["ci_low"] > chance and (seeds > chance).all()
    rival = known.control_of is None and not known.noise and pd.notna(row.get(ranking().name))
    return bool(informed and rival and row["n_collapsed"] == 0)


def _signed(board: pd.DataFrame) -> pd.DataFrame:
    """Return fairness and utility, the larger the better."""
    signs = {"lower": -1, "higher": 1}
    return pd.DataFrame(
        {m.name: signs[m.traits["better"]] * board[m.name] for m in (ranking(), utility())}
    )


def _front(board: pd.DataFrame) -> pd.Series:
    """Return whether no method that takes part is as good in both and better in one."""
    front: list[Any] = []
    for _, part in board[board["takes_part"]].groupby(BOARD, dropna=False):
        numbers = _signed(part).to_numpy()
        no_worse = (numbers[:, None] >= numbers).all(axis=2)
        better = (numbers[:, None] > numbers).any(axis=2)
        unbeaten = np.flatnonzero(~(no_worse & better).any(axis=0))
        front += list(part.index[unbeaten])
    return pd.Series(board.index.isin(front), board.index)


def _alike(board: pd.DataFrame, tests: pd.DataFrame) -> pd.Series:
    """Return the letters of methods that take part; missing where no pair could be tested."""
    alike = pd.Series(None, board.index, dtype=object)
    pairs = tests[(tests["test"] == "all pairs") & (tests["unit"] == "seed")]
    for group, part in board[board["takes_part"]].groupby(GROUP):
        mine = pairs[(pairs[GROUP] == list(group)).all(axis=1)]
        if mine["p_holm"].notna().any():
            differ = mine[mine["p_holm"] < ALPHA]
            apart = {frozenset(p) for p in differ[["method", "reference"]].to_numpy()}
            order = part.drop_duplicates("method").sort_values(ranking().name)["method"]
            given = letters(list(order), [pair for pair in apart if pair <= set(order)])
            alike[part.index] = part["method"].map(given)
    return alike


def _ordered(board: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return those that take part first, the front before the rest, the fairest first."""
    place = {method: i for i, method in enumerate(methods)}
    keys = pd.DataFrame(
        {
            "part": ~board["takes_part"],
            "front": ~board["front"],
            "collapsed": board["n_collapsed"] > 0,
            "fairness": -_signed(board)[ranking().name],
            "place": board["method"].map(place),
        }
    )
    board = board.assign(**{f"_{name}": keys[name] for name in keys})
    by = [*BOARD, *(f"_{name}" for name in keys)]
    return board.sort_values(by, na_position="last", ignore_index=True).drop(columns=by[-5:])


def _change(tests: pd.DataFrame, original: str) -> dict[str, float]:
    """Return the change of fairness against the original by seed, none for itself."""
    metric = ranking().name
    wanted = {"test": "paired", "reference": original, "metric": metric, "unit": "seed"}
    found = tests[(tests[list(wanted)] == list(wanted.values())).all(axis=1)]
    if found.empty:
        return {}
    row = found.iloc[0]
    ends = {f"{metric}_change{end}": row[name] for end, name in (("", "effect"), ("_p", "p_holm"))}
    return {
        **ends,
        f"{metric}_change_low": row["ci_low"],
        f"{metric}_change_high": row["ci_high"],
    }
