"""The yardstick at a glance: rank correlation with true reliance of every explainer and metric."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rightreasons.figures.metric_labels import short_name
from rightreasons.figures.style import WIDTH, note, styled
from rightreasons.figures.tiles import nothing

TRUTHS = {
    "flips": "decisions that the protected attribute flips",
    "logit_change": "the change of the logit by the protected attribute",
    "accuracy_change": "the change of accuracy by the protected attribute",
}
COLORS = "RdBu"
NUMBERED = 14  # columns that leave room for numbers
DARK = 0.6  # beyond this |ρ| numbers are white


@styled
def yardstick_heatmap(yardstick: pd.DataFrame, *, truth: str = "flips") -> Figure:
    """Return explainers x metrics in the colour of Spearman's rho, its number written in.

    yardstick: the table; its rows of this `truth` over images with the protected attribute, or
    over all for metrics that are tests. The order is that of the means, best first. In brackets:
    the 95 % interval holds 0. A pair that the table lacks is white. More than 14 metrics leave no
    room for numbers.
    """
    rows = yardstick[(yardstick["truth"] == truth) & (yardstick["shown"] != "without")]
    rows = rows.dropna(subset=["estimate"])
    if rows.empty:
        return nothing("no correlations")
    values = _ordered(rows.pivot(index="explainer", columns="metric", values="estimate"))
    unsure = rows.assign(unsure=(rows["ci_low"] <= 0) & (rows["ci_high"] >= 0))
    unsure = unsure.pivot(index="explainer", columns="metric", values="unsure")
    figure = Figure((WIDTH, 1.6 + 0.21 * len(values)), layout="constrained")
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
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.01)
    bar.set_label("Spearman's ρ over models")
    figure.suptitle(f"Claims of maps against {TRUTHS[truth]}", x=0.01, ha="left")
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
