"""The yardstick: do saliency metrics say what a model really relies on?

Where images have twins (an injected artifact, or an attribute that the dataset can switch), the
true reliance of a model on the protected attribute is known: how its outputs change when nothing
else does. Every saliency metric makes a claim about it (the trait `claims` of a metric):

- most say how much the model looks at the region: +1, larger is more; -1, smaller is more;
- metrics of pairs say that the model looks there *less than the original*.

A claim is *called* where the metric's value lies beyond what level-0 models give
(`rightreasons.tables.claims`). It is *true* where the flips of decisions differ from those of
the model that never saw the attribute go with the target (level 0), for pairs where they are fewer
than the original's; and never where the region is not where the attribute is (`place`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from rightreasons.metrics import METRICS, playing
from rightreasons.metrics.views import by_attribute
from rightreasons.statistics.intervals import wilson
from rightreasons.statistics.student import t_quantile
from rightreasons.tables.claims import CLAIM, GROUP, MODEL, Calling, call, is_pair

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
    regions: Mapping[str, str] | None = None,
    calling: Calling | None = None,
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
    regions
        What tells each task's ROI from that of others, as `call` takes it.
    calling
        How claims are called; by default as the configuration's defaults say.
    """
    rows = pd.concat([maps, _of_tests(cell_metrics)], ignore_index=True)
    rows = rows.merge(truth, on=MODEL).merge(_collapsed(cell_metrics), how="left", on=MODEL)
    rows["place"] = ~rows["task"].isin(list(elsewhere))
    rows["reliant"] = _claim_is_true(rows, original)
    return call(
        rows,
        original=original,
        controls=controls,
        regions=regions or {},
        calling=calling or Calling(),
    )


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
        images (flips_low, flips_high; Wilson's, Student's where lots decide), logit_change (mean
        |change of the difference of logits|), accuracy_change (accuracy without the attribute minus
        accuracy with it). Where an attribute is watched also watched_flips, the share of decisions
        that change when it alone is switched, with its interval.
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
    if (part["target"] > 1).any():  # of the decided class, whatever the others are
        right, twin_right = (
            (part[name] == part["target"]).astype(float) for name in ("decision", "twin_decision")
        )
    values = part[MODEL].assign(
        flips=(part["chance"] - part["twin_chance"]).abs(),
        logit_change=(gap - (part["twin_logit_1"] - part["twin_logit_0"])).abs(),
        accuracy_change=np.where(carries, twin_right - right, right - twin_right),
    )
    mean = values.groupby(MODEL, sort=False)[list(TRUTHS)].mean().reset_index()
    flips = _shares(values[MODEL], values["flips"], "flips").drop(columns="flips")
    found = mean.merge(flips, on=MODEL)
    views = by_attribute(predictions)
    if "watched" not in views:
        return found
    other = (views["watched"]["chance"] - views["watched"]["twin_chance"]).abs()
    return found.merge(_shares(predictions[MODEL], other, "watched_flips"), how="left", on=MODEL)


def _shares(models: pd.DataFrame, flips: pd.Series, name: str) -> pd.DataFrame:
    """Return a row per model: the mean of 1 and 0 as `name`, and its interval's ends."""
    mean = summarised(models.assign(value=flips), MODEL, shares=True)
    names = {"value": name, "ci_low": f"{name}_low", "ci_high": f"{name}_high"}
    return mean.drop(columns="n").rename(columns=names)


def summarised(rows: pd.DataFrame, by: list[str], *, shares: bool = False) -> pd.DataFrame:
    """Return mean, 95 % interval and n of the column `value` by some columns.

    Parameters
    ----------
    rows
        With the column `value`, whose missing values are left out.
    by
        Columns that tell apart what is summarised.
    shares
        Whether 1 and 0 stand for yes and no: the interval is Wilson's wherever there is nothing
        else, so that none of 300 is not certainly none. It is Student's otherwise.

    Returns
    -------
    pandas.DataFrame
        `by`, value, ci_low, ci_high, n. With fewer than two values there is no interval of
        Student's, with none no row.
    """
    known = rows[rows["value"].notna()]
    known = known[[*by, "value"]].assign(yes_or_no=known["value"].isin((0, 1)))
    groups = known.groupby(by, sort=False, observed=True)
    table = groups["value"].agg(["mean", "std", "count", "sum"]).reset_index()
    margin = t_quantile(table["count"].to_numpy() - 1) * table["std"] / np.sqrt(table["count"])
    low, high = table["mean"] - margin, table["mean"] + margin
    if shares:
        whole = groups["yes_or_no"].all().to_numpy()
        score_low, score_high = wilson(table["sum"].to_numpy(), table["count"].to_numpy())
        low, high = low.where(~whole, score_low), high.where(~whole, score_high)
    return table[by].assign(value=table["mean"], ci_low=low, ci_high=high, n=table["count"])


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
    return summarised(claiming(image_metrics), [*MODEL, *CLAIM])


def claiming(image_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of metrics that claim something, and on which images (shown) they do."""
    claims = [c.name for c in METRICS if c.traits["claims"] and c.traits["kind"] != "test"]
    rows = image_metrics[image_metrics["metric"].isin(claims)]
    return rows.assign(shown=np.where(rows["protected"] == 1, "with", "without"))


def _of_tests(cell_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the significance tests, which are about all images and call by themselves."""
    tests = [c.name for c in METRICS if c.traits["claims"] and c.traits["kind"] == "test"]
    rows = cell_metrics[cell_metrics["metric"].isin(tests)]
    return rows[[*MODEL, "explainer", "metric", "value", "n"]].assign(shown="all")


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
