"""The yardstick's ranking: which explainer and metric follow what a model truly relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._ranked import (
    BLUE,
    bars,
    colours,
    counted,
    ends,
    hidden,
    interval,
    label_rows,
    ranked,
)
from rightreasons.figures._style import (
    GREY,
    handle,
    note,
    nothing,
    page,
    panel_title,
    spread,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CAPTION = """
Which explainer and metric say what a model truly relies on? Test images exist with and without the
protected attribute, so the share of decisions that it alone flips is known for every model. Left:
Spearman's rank correlation over the models of a task between that share and what the metric claims,
as a mean over tasks and datasets. Middle: how often a model that relies on the attribute has a
value beyond that of one that does not (ROC area), likewise. Intervals are for other datasets; with
one dataset for other tasks, with one task for other seeds. Right: how often the metric
makes its claim (its value lies beyond what level-0 models of other seeds give) where it is true
(hits), where it is not (false alarms), and where the region of interest is not the attribute's
place at all. Grey: explainers that know nothing of the model.
"""
# Column, label, colour and marker of each rate.
RATES = (
    ("hit_rate", "hits", BLUE, "o"),
    ("false_alarm_rate", "false alarms", "#D55E00", "X"),
    ("false_alarm_place_rate", "false alarms in the wrong place", "#E69F00", "d"),
)


@FIGURES.register(
    "yardstick",
    title="Ranking of explainers and metrics by what models truly rely on",
    paper="Own",
    caption=CAPTION,
    category="9 Yardstick",
    label="ranking",
    tables=("yardstick",),
    controls=True,
)
def yardstick(given: Given, params: Params) -> Figure:
    """Draw a row per explainer and metric, by rank: rank correlation, ROC area, hits, false alarms.

    Of more than 25 rows the best 20 and the last 5 are shown. Bars: 95 % intervals, for other
    datasets where there are several. The control explainers are grey.
    """
    rows = ranked(given.tables["yardstick"])
    if rows.empty:
        return nothing("no ranking")
    chosen, places = ends(rows)
    figure = page(1.6 + 0.17 * (len(chosen) + (len(chosen) < len(rows))))
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=(1.1, 0.8, 1))
    colors = colours(chosen, given.roles.controls)
    about = _means(left, chosen, "within", ("ci_low", "ci_high"), places, colors, 0.0)
    panel_title(left, "Spearman's ρ within a task", "with decisions flipped, ↑ better")
    seeds = ("area_low", "area_high")
    _means(middle, chosen, "area_within", seeds, places, colors, 0.5)
    panel_title(middle, "ROC area", "reliant or not, ↑ better")
    _rates(right, chosen, places)
    label_rows(left, chosen, places, given.roles.controls)
    place = title_above(figure, "Which maps say what a model relies on?", lines=1)
    figure.legend(handles=_handles(chosen), ncols=len(RATES), **place)
    note(figure, [*_remarks(rows, about), *hidden(rows, chosen)])
    return figure


def _means(
    axes: Axes,
    rows: pd.DataFrame,
    name: str,
    over_seeds: tuple[str, str],
    places: list[float],
    colors: list[str],
    chance: float,
) -> str:
    """Draw a mean over tasks with its interval, and return what the interval is about."""
    low, high, about = interval(rows, name, over_seeds)
    bars(axes, rows[[low, name, high]], places, colors)
    axes.axvline(chance, color=GREY, lw=0.5, zorder=0)
    axes.set_xlim(np.nanmin([chance, *rows[low], *rows[name]]) - 0.04, 1.04)
    return about


def _rates(axes: Axes, rows: pd.DataFrame, places: list[float]) -> None:
    for shift, (column, _, color, marker) in zip(spread(len(RATES), 0.24), RATES, strict=True):
        look: dict[str, Any] = {"marker": marker, "color": color, "clip_on": False, "lw": 0}
        axes.scatter(rows[column], np.add(places, shift), s=16, zorder=3, **look)
    axes.hlines(places, 0, 1, color="#EEEEEE", lw=0.6, zorder=0)
    axes.set_xlim(-0.03, 1.03)
    axes.tick_params(axis="y", length=0)
    panel_title(axes, "Claims made", "hits ↑, false alarms ↓ better")


def _handles(rows: pd.DataFrame) -> list[Line2D]:
    return [
        handle(label, marker=marker, color=color, mew=0, ms=5)
        for column, label, color, marker in RATES
        if rows[column].notna().any()
    ]


def _remarks(rows: pd.DataFrame, about: str) -> list[str]:
    lines = [
        f"Claims of a row: {counted(rows, 'n_reliant')} true, "
        f"{counted(rows, 'n_not_reliant')} untrue. {counted(rows, 'cells')} models of "
        f"{counted(rows, 'tasks')} tasks and {counted(rows, 'datasets')} datasets.",
        f"Intervals: {about}.",
    ]
    if rows["n_uncalled"].any():
        lines += [f"Models whose claims cannot be judged: {counted(rows, 'n_uncalled')} of a row."]
    return lines
