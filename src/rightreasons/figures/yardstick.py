"""The yardstick's ranking: which explainer and metric follow what a model truly relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import short_name
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
Spearman's rank correlation over models between that share and what the metric claims. Middle: how
often a model that relies on the attribute has a value beyond that of one that does not (ROC area).
Both with an interval over seeds, as models of a seed share images. Right: how often the metric
makes its claim (its value lies beyond what level-0 models of other seeds give) where it is true
(hits), where it is not (false alarms), and where the region of interest is not the attribute's
place at all. Grey: explainers that know nothing of the model.
"""
BEST, LAST = 20, 5
BLUE = "#0072B2"
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

    Of more than 25 rows the best 20 and the last 5 are shown. Bars: 95 % intervals. The control
    explainers are grey.
    """
    ranked = (
        given.tables["yardstick"]
        .dropna(subset=["rank"])
        .sort_values(["rank", "explainer", "metric"])
    )
    if ranked.empty:
        return nothing("no ranking")
    rows, cut = _ends(ranked)
    places = [i + (0.6 if cut and i >= BEST else 0.0) for i in range(len(rows))]
    figure = page(1.6 + 0.17 * (len(rows) + cut))
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=(1.1, 0.8, 1))
    colors = [
        GREY if explainer in given.roles.controls else BLUE for explainer in rows["explainer"]
    ]
    _correlations(left, rows, places, colors)
    _areas(middle, rows, places, colors)
    _rates(right, rows, places)
    left.set_yticks(places, [_label(row) for row in rows.to_dict("records")])
    for label, color in zip(left.get_yticklabels(), colors, strict=True):
        label.set_color("black" if color == BLUE else GREY)
    left.set_ylim(places[-1] + 0.7, -0.7)
    place = title_above(figure, "Which maps say what a model relies on?", lines=1)
    figure.legend(handles=_handles(rows), ncols=len(RATES), **place)
    note(figure, _remarks(rows, ranked))
    return figure


def _ends(ranked: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    if len(ranked) <= BEST + LAST:
        return ranked, False
    return pd.concat([ranked.head(BEST), ranked.tail(LAST)]), True


def _label(row: dict[Any, Any]) -> str:
    return f"{int(row['rank'])}.  {short_name(row['metric'])} of {row['explainer']}"


def _correlations(axes: Axes, rows: pd.DataFrame, places: list[float], colors: list[str]) -> None:
    _bars(axes, rows[["ci_low", "estimate", "ci_high"]], places, colors)
    axes.axvline(0, color=GREY, lw=0.5, zorder=0)
    axes.set_xlim(np.nanmin([0, *rows["ci_low"], *rows["estimate"]]) - 0.05, 1.05)
    panel_title(axes, "Spearman's ρ over models", "with decisions flipped, ↑ better")


def _areas(axes: Axes, rows: pd.DataFrame, places: list[float], colors: list[str]) -> None:
    _bars(axes, rows[["area_low", "area", "area_high"]], places, colors)
    axes.axvline(0.5, color=GREY, lw=0.5, zorder=0)
    axes.set_xlim(np.nanmin([0.5, *rows["area_low"], *rows["area"]]) - 0.03, 1.03)
    panel_title(axes, "ROC area", "reliant or not, ↑ better")


def _bars(axes: Axes, values: pd.DataFrame, places: list[float], colors: list[str]) -> None:
    """Draw values (low, value, high) as dots with intervals."""
    low, value, high = (values[name] for name in values)
    axes.hlines(places, low, high, color=colors, lw=1.0, alpha=0.6)
    axes.scatter(value, places, s=14, color=colors, zorder=3)
    axes.tick_params(axis="y", length=0)


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


def _remarks(rows: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    lines = [
        f"Claims of a row: {_count(ranked, 'n_reliant')} true, "
        f"{_count(ranked, 'n_not_reliant')} untrue. ρ over {_count(ranked, 'cells')} models, "
        f"intervals over {_count(ranked, 'seeds')} seeds and designs."
    ]
    if ranked["n_uncalled"].any():
        lines += [f"Models whose claims cannot be judged: {_count(ranked, 'n_uncalled')} of a row."]
    if hidden := len(ranked) - len(rows):
        lines += [f"The best {BEST} and the last {LAST} of {len(ranked)}; {hidden} not shown."]
    return lines


def _count(ranked: pd.DataFrame, column: str) -> str:
    low, high = int(ranked[column].min()), int(ranked[column].max())
    return str(low) if low == high else f"{low} to {high}"
