"""The yardstick at a glance: rank correlation with true reliance of every explainer and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import short_name
from rightreasons.figures._style import note, nothing, page, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Spearman's rank correlation over models between what a metric of maps claims and the share of
decisions that the protected attribute alone flips, for every explainer and metric, over the test
images with the protected attribute. Blue: the metric follows true reliance, red: it runs against
it. In brackets: the interval over seeds holds 0. Or, by the parameter `shows`, the ROC area: how
often a model that relies on the attribute has a value beyond that of one that does not.
"""
TRUTHS = {
    "flips": "decisions that the protected attribute flips",
    "logit_change": "the change of the logit by the protected attribute",
    "accuracy_change": "the change of accuracy by the protected attribute",
}
# Column, its interval, what it is without an association, distance from there to the ends, name.
SHOWN = {
    "correlation": ("estimate", "ci_low", "ci_high", 0.0, 1.0, "Spearman's ρ"),
    "area": ("area", "area_low", "area_high", 0.5, 0.5, "ROC area"),
}
COLORS = "RdBu"
NUMBERED = 14  # columns that leave room for numbers
DARK = 0.6  # beyond this share of the way to an end numbers are white


class HeatmapParams(Params):
    """Parameters of `yardstick_heatmap`."""

    truth: Literal["flips", "logit_change", "accuracy_change"] = Field(
        "flips", description="what true reliance is measured by"
    )
    shows: Literal["correlation", "area"] = Field(
        "correlation",
        description="Spearman's correlation with true reliance, or the ROC area: models that rely "
        "on the attribute against those that do not (the same for every truth)",
    )


@FIGURES.register(
    "yardstick_heatmap",
    title="Rank correlation with true reliance, explainers x metrics",
    paper="Own",
    params=HeatmapParams,
    caption=CAPTION,
    category="9 Yardstick",
    label="heatmap",
    tables=("yardstick",),
    controls=True,
)
def yardstick_heatmap(given: Given, params: HeatmapParams) -> Figure:
    """Draw explainers x metrics in the colour of Spearman's rho or ROC area, its number written in.

    Of images with the protected attribute, or of all for metrics that are tests. The order is that
    of the means, best first. In brackets: the 95 % interval holds 0 (an area of 0.5), or there is
    none. A pair that the table lacks is white. More than 14 metrics leave no room for numbers.
    """
    yardstick, truth = given.tables["yardstick"], params.truth
    rows = yardstick[(yardstick["truth"] == truth) & (yardstick["shown"] != "without")]
    column, low, high, middle, reach, name = SHOWN[params.shows]
    rows = rows.dropna(subset=[column])
    if rows.empty:
        return nothing("no correlations" if params.shows == "correlation" else "no areas")
    values = _ordered(rows.pivot(index="explainer", columns="metric", values=column))
    sure = (rows[low] > middle) | (rows[high] < middle)
    unsure = rows.assign(unsure=~sure).pivot(index="explainer", columns="metric", values="unsure")
    figure = page(1.6 + 0.21 * len(values))
    axes = figure.subplots()
    ends = (middle - reach, middle + reach)
    image = axes.imshow(values, cmap=COLORS, vmin=ends[0], vmax=ends[1], aspect="auto")
    numbered = len(values.columns) <= NUMBERED
    if numbered:
        _numbers(axes, values, unsure, (values - middle).abs() > DARK * reach)
    axes.set_yticks(range(len(values)), values.index)
    names = [short_name(metric) for metric in values.columns]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=[ends[0], middle, ends[1]])
    bar.set_label(name)
    truth_name = TRUTHS[truth] if params.shows == "correlation" else "true reliance"
    title(figure, f"Claims of maps against {truth_name}")
    brackets = f" In brackets: the 95 % interval holds {middle:g}, or there is none." * numbered
    note(figure, [f"Test images with the protected attribute (tests: all).{brackets}"])
    return figure


def _numbers(axes: Axes, values: pd.DataFrame, unsure: pd.DataFrame, dark: pd.DataFrame) -> None:
    for (row, column), value in np.ndenumerate(values.to_numpy()):
        if np.isnan(value):
            continue
        text = f"{value:.2f}".replace("-", "−")
        if unsure.loc[values.index[row], values.columns[column]]:
            text = f"({text})"
        color = "white" if dark.to_numpy()[row, column] else "black"
        axes.text(column, row, text, ha="center", va="center", color=color)


def _ordered(values: pd.DataFrame) -> pd.DataFrame:
    """Return explainers and metrics by the mean of their numbers, the largest first."""
    rows = values.mean(axis=1).sort_values(ascending=False, kind="stable").index
    columns = values.mean(axis=0).sort_values(ascending=False, kind="stable").index
    return values.loc[rows, columns]
