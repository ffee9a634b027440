"""How far each explainer and metric can be believed: the table `yardstick`."""

from __future__ import annotations

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
from rightreasons.tables.claims import CLAIM, GROUP, beyond, is_pair, of_itself, signs
from rightreasons.tables.reliance import TRUTHS

Array = np.ndarray


def yardstick(
    table: pd.DataFrame, original: str, *, seed: int = 0, replicates: int = 1000
) -> pd.DataFrame:
    """Return the table `yardstick`: how far each (explainer, metric, shown) can be believed.

    For each of TRUTHS Spearman's correlation over cells between what the metric claims and the
    truth (for metrics of pairs: the change against the original). The ROC area: how often a cell
    where the claim is true has a value beyond that of one where it is not. Both with an interval
    from a bootstrap over seeds, as models of a seed share images. Shares of true claims that are
    called (hit_rate), of untrue ones (false_alarm_rate), of those where the region is not the
    attribute's place (false_alarm_place_rate), and of those of level-0 models (level_0_rate), which
    should be near the nominal rate. Models that collapsed, or are compared with themselves, are
    left out. rank: by the correlation with flips, for images with the attribute (and tests), where
    there are both cells whose claim is true and cells whose claim is not.

    Parameters
    ----------
    table
        The table `reliance`.
    original
        The method that metrics of pairs compare with.
    seed, replicates
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row per explainer, metric, kind of image and truth; no rows where all models collapsed.
    """
    sound = table[~table["collapsed"].fillna(False).astype(bool)]
    sound = sound[~of_itself(sound, original)]
    rows = []
    for key, part in sound.groupby(CLAIM, sort=False, observed=True):
        names = dict(zip(CLAIM, key, strict=True))
        here = part[part["place"]].dropna(subset=["value"])
        rng = numpy_rng(seed, "yardstick", *map(str, key))
        drawn = _Drawn(here, rng, replicates)
        fixed = {**_rates(part), **drawn.area(here)}
        for truth in TRUTHS:
            true = _truth(here, truth, table, original)
            rows.append({**names, "truth": truth, **drawn.correlation(here, true), **fixed})
    if not rows:
        return pd.DataFrame({"study": []})
    result = pd.DataFrame(rows).assign(study=table["study"].iloc[0])
    seen = (result["truth"] == "flips") & (result["shown"] != "without")
    ranked = result["estimate"].where(seen & result["area"].notna())
    result["rank"] = ranked.rank(ascending=False, method="min").astype("Int64")
    return result.sort_values(["truth", "rank", *CLAIM], ignore_index=True)


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

    def correlation(self, cells: pd.DataFrame, true: Array) -> dict[str, float]:
        """Return Spearman's correlation of claim and truth, with interval and numbers."""
        known = ~np.isnan(true)
        said = (signs(cells["metric"]) * cells["value"]).to_numpy(float)[known]
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


def _truth(rows: pd.DataFrame, truth: str, table: pd.DataFrame, original: str) -> Array:
    """Return the truth; for metrics of pairs its change against the original."""
    values = rows[truth].to_numpy(float)
    if not is_pair(rows["metric"]).any():
        return values
    first = table[table["method"] == original][[*GROUP, truth]].drop_duplicates(GROUP)
    return values - rows[GROUP].merge(first, how="left", on=GROUP)[truth].to_numpy(float)


def _rates(rows: pd.DataFrame) -> dict[str, float]:
    """Return shares of claims that were called, of those that could be."""
    judged = rows[rows["called"].notna()]
    called = judged["called"].astype(float)
    true, place = judged["reliant"].astype(bool), judged["place"].astype(bool)
    return {
        "hit_rate": _share(called[true]),
        "false_alarm_rate": _share(called[~true & place]),
        "false_alarm_place_rate": _share(called[~place]),
        "level_0_rate": _share(called[judged["level"] == 0]),
        "n_uncalled": len(rows) - len(judged),
    }


def _share(called: pd.Series) -> float:
    return float(called.mean()) if len(called) else np.nan
