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
it. In brackets: the bootstrap interval holds 0.
"""
TRUTHS = {
    "flips": "decisions that the protected attribute flips",
    "logit_change": "the change of the logit by the protected attribute",
    "accuracy_change": "the change of accuracy by the protected attribute",
}
COLORS = "RdBu"
NUMBERED = 14  # columns that leave room for numbers
DARK = 0.6  # beyond this |ρ| numbers are white


class HeatmapParams(Params):
    """Parameters of `yardstick_heatmap`."""

    truth: Literal["flips", "logit_change", "accuracy_change"] = Field(
        "flips", description="what true reliance is measured by"
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
    """Draw explainers x metrics in the colour of Spearman's rho, its number written in.

    Of images with the protected attribute, or of all for metrics that are tests. The order is that
    of the means, best first. In brackets: the 95 % interval holds 0. A pair that the table lacks is
    white. More than 14 metrics leave no room for numbers.
    """
    yardstick, truth = given.tables["yardstick"], params.truth
    rows = yardstick[(yardstick["truth"] == truth) & (yardstick["shown"] != "without")]
    rows = rows.dropna(subset=["estimate"])
    if rows.empty:
        return nothing("no correlations")
    values = _ordered(rows.pivot(index="explainer", columns="metric", values="estimate"))
    unsure = rows.assign(unsure=(rows["ci_low"] <= 0) & (rows["ci_high"] >= 0))
    unsure = unsure.pivot(index="explainer", columns="metric", values="unsure")
    figure = page(1.6 + 0.21 * len(values))
    axes = figure.subplots()
    image = axes.imshow(values, cmap=COLORS, vmin=-1, vmax=1, aspect="auto")
    numbered = len(values.columns) <= NUMBERED
    if numbered:
        _numbers(axes, values, unsure)
    axes.set_yticks(range(len(values)), values.index)
    names = [short_name(metric) for metric in values.columns]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=[-1, 0, 1])
    bar.set_label("Spearman's ρ")
    title(figure, f"Claims of maps against {TRUTHS[truth]}")
    brackets = " In brackets: the 95 % interval holds 0." * numbered
    note(figure, [f"Test images with the protected attribute (tests: all).{brackets}"])
    return figure


def _numbers(axes: Axes, values: pd.DataFrame, unsure: pd.DataFrame) -> None:
    for (row, column), value in np.ndenumerate(values.to_numpy()):
        if np.isnan(value):
            continue
        text = f"{value:.2f}".replace("-", "−")
        if unsure.loc[values.index[row], values.columns[column]]:
            text = f"({text})"
        color = "white" if abs(value) > DARK else "black"
        axes.text(column, row, text, ha="center", va="center", color=color)


def _ordered(values: pd.DataFrame) -> pd.DataFrame:
    """Return explainers and metrics by the mean of their numbers, the largest first."""
    rows = values.mean(axis=1).sort_values(ascending=False, kind="stable").index
    columns = values.mean(axis=0).sort_values(ascending=False, kind="stable").index
    return values.loc[rows, columns]
