"""How far each explainer and metric can be believed: the table `yardstick`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.seeds import numpy_rng
from rightreasons.statistics.bootstrap import Interval
from rightreasons.statistics.clusters import (
    cluster_interval,
    cluster_weights,
    rank_correlations,
    roc_areas,
)
from rightreasons.statistics.intervals import binomial_band
from rightreasons.tables.claims import CLAIM, beyond
from rightreasons.tables.reliance import TRUTHS
from rightreasons.tables.yardstick_tasks import numbers_over_tasks

Array = np.ndarray
NO_ROWS = pd.DataFrame()


def yardstick(
    rows: pd.DataFrame,
    tasks: pd.DataFrame,
    *,
    rate: float = 0.1,
    copies: Collection[str] = (),
    seed: int = 0,
    replicates: int = 1000,
) -> pd.DataFrame:
    """Return the table `yardstick`: how far each (explainer, metric, shown) can be believed.

    For each of TRUTHS Spearman's correlation between what the metric claims and the truth (for
    metrics of pairs: the change against the original): over all cells (estimate), and the mean over
    datasets of means over their tasks (within). The ROC area: how often a cell where the claim is
    true has a value beyond that of one where it is not; likewise. Those over all cells have an
    interval from a bootstrap over seeds, as models of a seed share images; means over tasks have
    two, for other tasks and for other datasets. Shares of true claims that are called (hit_rate),
    of untrue ones (false_alarm_rate), of those where the region is not the attribute's place
    (false_alarm_place_rate), and of those of level-0 models (level_0_rate), beside the band in
    which 95 % of such shares lie if each model is called at the nominal rate. rank: by the mean
    correlation with flips within tasks, for images with the attribute (and tests), where there are
    both cells whose claim is true and cells whose claim is not.

    Parameters
    ----------
    rows
        What `tables.yardstick_tasks.held` returns of the table `reliance`.
    tasks
        What `by_task` returns of them.
    rate
        The nominal rate at which level-0 models are called.
    copies
        Methods whose maps are the original's: at level 0 they are no further models.
    seed, replicates
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row per explainer, metric, kind of image and truth; no rows where all models collapsed.
    """
    in_tasks = _looked_up(tasks)
    made = []
    for key, part in rows.groupby(CLAIM, sort=False, observed=True):
        names = dict(zip(CLAIM, key, strict=True))
        here = part[part["place"]].dropna(subset=["said"])
        rng = numpy_rng(seed, "yardstick", *map(str, key))
        drawn = _Drawn(here, rng, replicates)
        fixed = {**_rates(part), **_level_0(part, rate, copies), **drawn.area(here)}
        for truth in TRUTHS:
            of_tasks = numbers_over_tasks(in_tasks.get((*names.values(), truth), NO_ROWS))
            numbers = {**drawn.correlation(here, truth), **fixed, **of_tasks}
            made.append({**names, "truth": truth, **numbers})
    if not made:
        return pd.DataFrame({"study": []})
    result = pd.DataFrame(made)
    seen = (result["truth"] == "flips") & (result["shown"] != "without")
    ranked = result["within"].where(seen & result["area"].notna())
    result["rank"] = ranked.rank(ascending=False, method="min").astype("Int64")
    return result.sort_values(["truth", "rank", *CLAIM], ignore_index=True)


def _looked_up(tasks: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    """Return the rows of the table `yardstick_tasks` by CLAIM and truth."""
    if tasks.empty:
        return {}
    groups = tasks.groupby([*CLAIM, "truth"], sort=False, observed=True)
    return {tuple(key): part for key, part in groups}


class _Drawn:
    """Cells of one explainer, metric and kind of image, and their bootstrap over seeds.

    Parameters
    ----------
    cells
        Rows of the table `reliance`.
    rng, replicates
        Of the bootstrap. The first of the draws counts every cell once. Few seeds have few draws
        that differ, each of which is computed once.
    """

    def __init__(self, cells: pd.DataFrame, rng: np.random.Generator, replicates: int) -> None:
        self.strata = cells.groupby(["dataset", "design"], observed=True).ngroup().to_numpy()
        self.seeds = cells["seed"].to_numpy()
        drawn = cluster_weights(self.strata, self.seeds, rng=rng, replicates=replicates)
        every = np.concatenate([np.ones((1, len(cells))), drawn])
        self.weights, which = np.unique(every, axis=0, return_inverse=True)
        self.which = which.ravel()

    def correlation(self, cells: pd.DataFrame, truth: str) -> dict[str, float]:
        """Return Spearman's correlation of claim and truth, with interval and numbers."""
        true = cells[f"true_{truth}"].to_numpy(float)
        known = ~np.isnan(true)
        said = cells["said"].to_numpy(float)[known]
        found = rank_correlations(said, true[known], self.weights[:, known])[self.which]
        if known.sum() < 3:
            found = np.full_like(found, np.nan)
        at = self._interval(found, known, (-1, 1))
        bounds = {"estimate": at.value, "ci_low": at.low, "ci_high": at.high}
        return {**bounds, "cells": int(known.sum()), "seeds": at.n}

    def area(self, cells: pd.DataFrame) -> dict[str, float]:
        """Return the ROC area of the metric's value, with interval and numbers."""
        true = cells["reliant"].to_numpy(bool)
        found = roc_areas(beyond(cells).to_numpy(float), true, self.weights)[self.which]
        at = self._interval(found, np.full(len(cells), True), (0, 1))
        bounds = {"area": at.value, "area_low": at.low, "area_high": at.high}
        return {**bounds, "n_reliant": int(true.sum()), "n_not_reliant": int((~true).sum())}

    def _interval(self, found: Array, known: Array, bounds: tuple[float, float]) -> Interval:
        drawn = self.strata[known], self.seeds[known]
        return cluster_interval(float(found[0]), found[1:], *drawn, bounds)


def _rates(rows: pd.DataFrame) -> dict[str, float]:
    """Return shares of claims that were called, of those that could be."""
    judged = rows[rows["called"].notna()]
    called = judged["called"].astype(float)
    true, place = judged["reliant"].astype(bool), judged["place"].astype(bool)
    return {
        "hit_rate": _share(called[true]),
        "false_alarm_rate": _share(called[~true & place]),
        "false_alarm_place_rate": _share(called[~place]),
        "n_uncalled": len(rows) - len(judged),
    }


def _level_0(rows: pd.DataFrame, rate: float, copies: Collection[str]) -> dict[str, object]:
    """Return the share of level-0 models that are called, and the band of the nominal rate.

    Metrics that call by their own test have a rate of their own, and no band.
    """
    normal = rows[rows["called"].notna() & (rows["level"] == 0)]
    normal = normal[~normal["method"].isin(list(copies))]
    share, n = _share(normal["called"].astype(float)), len(normal)
    numbers: dict[str, object] = {"level_0_rate": share, "level_0_models": n}
    if not n or (normal["null"] == "own test").any():
        return {**numbers, "level_0_low": np.nan, "level_0_high": np.nan, "level_0_inside": None}
    low, high = binomial_band(n, rate)
    inside = bool(low - 1e-9 <= share <= high + 1e-9)
    return {**numbers, "level_0_low": low, "level_0_high": high, "level_0_inside": inside}


def _share(called: pd.Series) -> float:
    return float(called.mean()) if len(called) else np.nan
