"""The yardstick: do saliency metrics say what a model really relies on?

Where images have twins (an injected artifact, or an attribute that the dataset can switch), the
true reliance of a model on the protected attribute is known: how its outputs change when nothing
else does. Every saliency metric makes a claim about it (the trait `claims` of a metric):

- most say how much the model looks at the region: +1, larger is more; -1, smaller is more;
- metrics of pairs say that the model looks there *less than the original*.

A claim is *called* where the metric's interval lies beyond that of the explainer that is noise,
which knows neither model nor image. It is *true* where the flips of decisions differ from those of
the model that never saw the attribute go with the target (level 0), for pairs where they are fewer
than the original's; and never where the region is not where the attribute is (`place`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS, playing
from rightreasons.statistics.associations import rank_correlation
from rightreasons.statistics.student import t_quantile

GROUP = ["study", "dataset", "task", "design", "level", "seed"]
MODEL = [*GROUP, "method"]
CLAIM = ["explainer", "metric", "shown"]
TRUTHS = ("flips", "logit_change", "accuracy_change")
#: Share of decisions flipped from which a model counts as reliant where a study has no level 0.
RELIANT = 0.05


def reliance(
    cell_metrics: pd.DataFrame,
    maps: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    original: str,
    elsewhere: Collection[str],
    controls: Collection[str],
) -> pd.DataFrame:
    """Return the table `reliance`: a row per cell, metric and kind of image (shown).

    Tasks without twins have no rows.

    Parameters
    ----------
    cell_metrics
        The study's table.
    maps, truth
        What `map_means` and `true_reliance` return of every level.
    original
        The method that metrics of pairs compare with.
    elsewhere
        Tasks whose ROI is not where the protected attribute is.
    controls
        Names of the explainers that are noise.
    """
    rows = pd.concat([maps, _of_tests(cell_metrics)], ignore_index=True)
    rows = rows.merge(truth, on=MODEL).merge(_collapsed(cell_metrics), how="left", on=MODEL)
    rows["place"] = ~rows["task"].isin(list(elsewhere))
    rows["reliant"] = _claim_is_true(rows, original)
    return _called(rows, controls)


def _collapsed(cell_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return a row per model: whether any metric that plays "collapse" says that it did."""
    flags = cell_metrics[cell_metrics["metric"].isin(playing("collapse"))]
    said = flags[MODEL].assign(collapsed=flags["value"] == 1)
    return said.groupby(MODEL, sort=False, as_index=False).any()


def true_reliance(predictions: pd.DataFrame, injected: Collection[str] = ()) -> pd.DataFrame:
    """Return how every model's outputs change when the protected attribute alone is switched.

    Parameters
    ----------
    predictions
        The table `predictions`. Images without a twin are left out.
    injected
        Tasks whose images are all there twice: each pair is counted once.

    Returns
    -------
    pandas.DataFrame
        A row per model: MODEL, flips (share of decisions that change) with its 95 % interval over
        images (flips_low, flips_high), logit_change (mean |change of the difference of logits|),
        accuracy_change (accuracy without the attribute minus accuracy with it).
    """
    has_twin = predictions["twin_score"].notna()
    once = (predictions["protected"] == 0) | ~predictions["task"].isin(list(injected))
    part = predictions[has_twin & once]
    carries = part["protected"] == 1
    positive = part["target"] == 1
    right, twin_right = (
        chance.where(positive, 1 - chance) for chance in (part["chance"], part["twin_chance"])
    )
    gap = part["logit_1"] - part["logit_0"]
    values = part[MODEL].assign(
        flips=(part["chance"] - part["twin_chance"]).abs(),
        logit_change=(gap - (part["twin_logit_1"] - part["twin_logit_0"])).abs(),
        accuracy_change=np.where(carries, twin_right - right, right - twin_right),
    )
    mean = values.groupby(MODEL, sort=False)[list(TRUTHS)].mean().reset_index()
    flips = summarised(values.rename(columns={"flips": "value"}), MODEL)
    bounds = flips[[*MODEL, "ci_low", "ci_high"]]
    return mean.merge(
        bounds.rename(columns={"ci_low": "flips_low", "ci_high": "flips_high"}), on=MODEL
    )


def summarised(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return mean, Student's 95 % interval and n of the column `value` by some columns.

    Parameters
    ----------
    rows
        With the column `value`, whose missing values are left out.
    by
        Columns that tell apart what is summarised.

    Returns
    -------
    pandas.DataFrame
        `by`, value, ci_low, ci_high, n. With fewer than two values there is no interval, with none
        no row.
    """
    known = rows[rows["value"].notna()]
    groups = known.groupby(by, sort=False, observed=True)["value"]
    table = groups.agg(["mean", "std", "count"]).reset_index()
    margin = t_quantile(table["count"].to_numpy() - 1) * table["std"] / np.sqrt(table["count"])
    low, high = table["mean"] - margin, table["mean"] + margin
    named = table[by].assign(value=table["mean"], ci_low=low, ci_high=high, n=table["count"])
    return named


def yardstick(
    table: pd.DataFrame, original: str, *, seed: int = 0, replicates: int = 1000
) -> pd.DataFrame:
    """Return the table `yardstick`: how far each (explainer, metric, shown) can be believed.

    For each of TRUTHS Spearman's correlation over cells between what the metric claims and the
    truth (for metrics of pairs: the change against the original), with a bootstrap interval over
    cells; shares of true claims that are called (hit_rate), of untrue ones (false_alarm_rate), and
    of those where the region is not the attribute's place (false_alarm_place_rate). Models that
    collapsed are left out. rank: by the correlation with flips, for images with the attribute (and
    tests).

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
    rows = []
    for key, part in sound.groupby(CLAIM, sort=False, observed=True):
        names = dict(zip(CLAIM, key, strict=True))
        rates = _rates(part, original)
        here = part[part["place"]]
        for truth in TRUTHS:
            rng = numpy_rng(seed, "yardstick", *map(str, key), truth)
            said, true = _said(here), _truth(here, truth, original)
            found = rank_correlation(said, true, rng=rng, replicates=replicates)
            bounds = {"estimate": found.value, "ci_low": found.low, "ci_high": found.high}
            rows.append({**names, "truth": truth, **bounds, "cells": found.n, **rates})
    if not rows:
        return pd.DataFrame({"study": []})
    result = pd.DataFrame(rows).assign(study=table["study"].iloc[0])
    ranked = result["estimate"].where((result["truth"] == "flips") & (result["shown"] != "without"))
    result["rank"] = ranked.rank(ascending=False, method="min").astype("Int64")
    return result.sort_values(["truth", "rank", *CLAIM], ignore_index=True)


def map_means(image_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the means of metrics that claim something, with and without the attribute.

    Parameters
    ----------
    image_metrics
        The table, or the rows of some of its groups.

    Returns
    -------
    pandas.DataFrame
        A row per MODEL and CLAIM: value, ci_low, ci_high, n as from `summarised`.
    """
    claims = [c.name for c in METRICS if c.traits["claims"] and c.traits["kind"] != "test"]
    rows = image_metrics[image_metrics["metric"].isin(claims)]
    shown = np.where(rows["protected"] == 1, "with", "without")
    return summarised(rows.assign(shown=shown), [*MODEL, *CLAIM])


def _of_tests(cell_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the significance tests, which are about all images and call by themselves."""
    tests = [c.name for c in METRICS if c.traits["claims"] and c.traits["kind"] == "test"]
    rows = cell_metrics[cell_metrics["metric"].isin(tests)]
    return rows[[*MODEL, "explainer", "metric", "value", "n"]].assign(shown="all")


def is_pair(metrics: pd.Series) -> pd.Series:
    """Return for each metric's name whether it compares a model with the original."""
    pairs = {c.name for c in METRICS if c.traits["needs"] == "pair"}
    return metrics.isin(pairs)


def _claim_is_true(rows: pd.DataFrame, original: str) -> pd.Series:
    """Return whether what the metric may claim is true of the cell."""
    first = rows[rows["method"] == original][[*GROUP, "flips_low", "flips_high"]]
    first = first.drop_duplicates()
    normal = first[first["level"] == 0].drop(columns=["level", "flips_low"])
    cell = [name for name in GROUP if name != "level"]
    bound = rows[cell].merge(normal, how="left", on=cell)["flips_high"].fillna(RELIANT)
    own = rows[GROUP].merge(first, how="left", on=GROUP)["flips_low"]
    relies = (rows["flips_low"].to_numpy() > bound.to_numpy()) & (rows["level"] != 0)
    fewer = rows["flips_high"].to_numpy() < own.to_numpy()
    return pd.Series(np.where(is_pair(rows["metric"]), fewer, relies), rows.index) & rows["place"]


def _called(rows: pd.DataFrame, controls: Collection[str]) -> pd.DataFrame:
    """Add `chance`, the control's value, and `called`."""
    key = [*MODEL, "metric", "shown"]
    noise = rows[rows["explainer"].isin(list(controls))].drop_duplicates(key)
    noise = noise[[*key, "value", "ci_low", "ci_high"]].rename(
        columns={"value": "chance", "ci_low": "chance_low", "ci_high": "chance_high"}
    )
    rows = rows.merge(noise, how="left", on=key)
    sign = _claims(rows["metric"]).where(~is_pair(rows["metric"]), 1)
    above = rows["ci_low"] > rows["chance_high"]
    below = rows["ci_high"] < rows["chance_low"]
    called = pd.Series(np.where(sign > 0, above, below), rows.index).astype("boolean")
    called = called.mask(rows["chance_low"].isna() | rows["ci_low"].isna())
    tests = rows["shown"] == "all"
    rows["called"] = called.mask(tests, (rows["value"] == 1).where(rows["value"].notna()))
    return rows.drop(columns=["chance_low", "chance_high"])


def _claims(metrics: pd.Series) -> pd.Series:
    signs: Mapping[str, int] = {c.name: c.traits["claims"] for c in METRICS}
    return pd.to_numeric(metrics.map(signs).astype(object))


def _said(rows: pd.DataFrame) -> np.ndarray:
    """Return what the metric says: larger is more reliance, or more than the original's."""
    return (_claims(rows["metric"]) * rows["value"]).to_numpy(float)


def _truth(rows: pd.DataFrame, truth: str, original: str) -> np.ndarray:
    """Return the truth; for metrics of pairs its change against the original, which has none."""
    values = rows[truth].to_numpy(float)
    if not is_pair(rows["metric"]).any():
        return values
    first = rows[rows["method"] == original][[*GROUP, truth]]
    own = rows[GROUP].merge(first, how="left", on=GROUP)[truth].to_numpy(float)
    return np.where(rows["method"] == original, np.nan, values - own)


def _rates(rows: pd.DataFrame, original: str) -> dict[str, float]:
    """Return numbers and shares of true and untrue claims that were called."""
    rows = rows[rows["called"].notna()]
    if is_pair(rows["metric"]).any():
        rows = rows[rows["method"] != original]
    called = rows["called"].astype(float)
    true = rows["reliant"].astype(bool)
    place = rows["place"].astype(bool)
    return {
        "n_reliant": int(true.sum()),
        "n_not_reliant": int((~true & place).sum()),
        "hit_rate": _share(called[true]),
        "false_alarm_rate": _share(called[~true & place]),
        "false_alarm_place_rate": _share(called[~place]),
    }


def _share(called: pd.Series) -> float:
    return float(called.mean()) if len(called) else np.nan
