"""The leaderboard: every method at every level, means over seeds, ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.metrics import headline, playing, ranking
from rightreasons.statistics.student import mean_interval
from rightreasons.tables.parameters import Described

GROUP = ["study", "dataset", "task", "design", "level"]
#: Kinds of metrics whose numbers come from maps.
OF_MAPS = ("image", "pair", "test")


def shown_beside(rank: str) -> list[str]:
    """Return the metrics on the leaderboard but the one that ranks, in the columns' order.

    Those of predictions come first, then those of maps, then those of twins.
    """
    kinds = (("group",), OF_MAPS, ("reliance",))
    names = [name for chosen in kinds for name in headline("leaderboard", *chosen)]
    return [name for name in names if name != rank]


def leaderboard(
    cells: pd.DataFrame,
    tests: pd.DataFrame,
    methods: Sequence[str],
    original: str,
    described: Mapping[str, Described],
) -> pd.DataFrame:
    """Return a row per task, level, method and explainer: means over seeds, ranked.

    Ranked are the methods that collapsed with no seed, by the metric that plays "rank", the better
    the higher up. Matched controls and noise are no rivals: they have no rank.

    Parameters
    ----------
    cells, tests
        The tables `cell_metrics` and `tests`.
    methods
        The study's methods in their order, which is that of equal ranks.
    original
        The method that changes are against.
    described
        What is known of each method without running it.

    Returns
    -------
    pandas.DataFrame
        The best first. `rank` is missing for methods that collapsed; the interval of the metric
        that ranks is over seeds, for one seed the cell's own over images.
    """
    performance = cells[cells["explainer"].isna()]
    saliency = cells[cells["explainer"].notna()]
    of_maps = headline("leaderboard", *OF_MAPS)
    rows = []
    for group, part in performance.groupby([*GROUP, "method"], sort=False):
        key = dict(zip([*GROUP, "method"], group, strict=True))
        maps = saliency[(saliency[list(key)] == list(group)).all(axis=1)]
        row = {**key, **described[str(key["method"])].model_dump(), **_performance(part)}
        row |= _change(tests, key, original)
        for explainer, values in maps.groupby("explainer", sort=False):
            means = values.groupby("metric")["value"].mean()
            shown = {metric: means.get(metric, np.nan) for metric in of_maps}
            rows.append({**row, "explainer": explainer, **shown})
    return _ranked(pd.DataFrame(rows), methods)


def _ranked(board: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the rows with their ranks, the best first."""
    metric = ranking()
    rivals = (board["n_collapsed"] == 0) & board["control_of"].isna() & ~board["noise"]
    ranked = board[metric.name].where(rivals)
    groups = ranked.groupby([board[name] for name in [*GROUP, "explainer"]])
    ranks = groups.rank(method="min", ascending=metric.traits["better"] == "lower")
    board["rank"] = ranks.astype("Int64")
    order = {method: i for i, method in enumerate(methods)}
    return board.sort_values(
        [*GROUP, "explainer", "rank", "method"],
        key=lambda c: c.map(order) if c.name == "method" else c,
        na_position="last",
        ignore_index=True,
    )


def _performance(part: pd.DataFrame) -> dict[str, Any]:
    """Return means over seeds of a method's metrics of predictions, and how often it collapsed."""
    values = {name: rows["value"].to_numpy() for name, rows in part.groupby("metric")}
    metric = ranking()
    ranks = mean_interval(values[metric.name])
    one_seed = part[part["metric"] == metric.name].iloc[0]
    ends = (ranks.low, ranks.high) if ranks.n > 1 else (one_seed["ci_low"], one_seed["ci_high"])
    lowest, highest = metric.traits["bounds"]
    names = headline("leaderboard", "group", "reliance")
    collapsed = part[part["metric"].isin(playing("collapse")) & (part["value"] == 1)]
    return {
        **{name: mean_interval(values[name]).value for name in names if name in values},
        metric.name: ranks.value,
        f"{metric.name}_low": max(ends[0], float(lowest)) if not np.isnan(ends[0]) else np.nan,
        f"{metric.name}_high": min(ends[1], float(highest)) if not np.isnan(ends[1]) else np.nan,
        "n_seeds": part["seed"].nunique(),
        "n_collapsed": collapsed["seed"].nunique(),
    }


def _change(tests: pd.DataFrame, key: dict[str, Any], original: str) -> dict[str, float]:
    """Return the change of the metric that ranks against the original, none for itself."""
    metric = ranking().name
    wanted = {**key, "test": "paired", "reference": original, "metric": metric}
    found = tests[(tests[list(wanted)] == list(wanted.values())).all(axis=1)]
    if found.empty:
        return {}
    return {
        f"{metric}_change": found["effect"].iloc[0],
        f"{metric}_change_p": found["p_holm"].iloc[0],
    }
