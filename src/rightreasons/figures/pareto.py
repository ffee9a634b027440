"""Fairness against what it costs, and against true or apparent reliance: a dot per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import better, short_name
from rightreasons.figures._style import (
    GREY,
    Style,
    draw_legend,
    handle,
    legend_handles,
    method_styles,
    note,
    nothing,
    page,
    panel_title,
    title_above,
)
from rightreasons.metrics import METRICS, headline, playing, ranking, utility

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Task ``{task}``: no method is best by one number. Upper row: fairness against utility, means over
seeds with 95 % intervals by seed; the line is the Pareto front of the methods that take part.
Lower row: the same fairness against reliance on the protected attribute. Fair for the right reasons
is low in both rows. Hollow: takes no part, as a constant classifier, a control, or because it tells
no more of the target than chance.
"""
ENTRIES = 5
MOST_LEVELS = 4


@FIGURES.register(
    "pareto",
    title="Fairness against utility and against reliance",
    paper="Own",
    caption=CAPTION,
    category="0 Leaderboard",
    label="pareto",
    over=("task", "design"),
    when=("rivals",),
    tables=("leaderboard",),
)
def pareto(given: Given, params: Params) -> Figure:
    """Draw a column per level: fairness against utility, and below it against reliance.

    Of more than four levels the farthest from 0 are shown. Reliance is the share of decisions that
    twins flip; where there are no twins, the share of relevance in the region by the first
    explainer that is shown.
    """
    board = given.table("leaderboard")
    board = board[board["explainer"].isna() | board["explainer"].isin(given.facts.shown)]
    if board.empty or board[ranking().name].isna().all():
        return nothing("no method to compare")
    reliance, board = _reliance(board, given.facts.shown)
    levels = sorted(sorted(board["level"].unique(), key=abs)[-MOST_LEVELS:])
    styles = method_styles(board["method"], given.roles)
    lines = -(-(len(styles) + 2) // ENTRIES)
    figure = page(4.4 + 0.16 * lines)
    grid = figure.subplots(2, len(levels), squeeze=False, sharey=True, sharex="row")
    for (above, below), level in zip(grid.T, levels, strict=True):
        rows = board[board["level"] == level]
        panel_title(above, f"level {level:g}")
        _dots(above, rows, utility().name, styles)
        _front(above, rows)
        _dots(below, rows, reliance, styles)
        above.set_xlabel(f"{short_name(utility().name)} ({better(utility().name)})")
        below.set_xlabel(f"{short_name(reliance)} ({better(reliance)})")
    for first in grid[:, 0]:
        first.set_ylabel(f"{short_name(ranking().name)} ({better(ranking().name)})")
    place = title_above(figure, f"{given.task}: what fairness costs, and rests on", lines)
    marks = [
        handle("Pareto front", color=GREY, ls="-", lw=0.9),
        handle("takes no part", color=GREY, marker="o", mfc="white", ms=4),
    ]
    names = [handle(str(h.get_label()), color=h.get_color(), marker=h.get_marker(), ms=4)
             for h in legend_handles(styles)]  # fmt: skip
    draw_legend(figure, [*names, *marks], crossed=False, ncols=ENTRIES, **place)
    seeds = int(board["n_seeds"].max())
    over = f"{seeds} seeds" if seeds > 1 else "one run: intervals over images"
    note(figure, [f"Means over {over}." if seeds > 1 else f"{over.capitalize()}."])
    return figure


def _reliance(board: pd.DataFrame, shown: Sequence[str]) -> tuple[str, pd.DataFrame]:
    """Return the metric of reliance that the board has, and a row per level and method."""
    of_twins = [
        m
        for m in headline("leaderboard", "reliance")
        if METRICS[m].traits["attribute"] == "protected" and board[m].notna().any()
    ]
    metric = of_twins[0] if of_twins else playing("shift")[-1]
    if not of_twins:
        metric = next(m for m in playing("shift") if METRICS[m].traits["needs"] == "view")
    order = {explainer: i for i, explainer in enumerate(shown)}
    board = board.sort_values("explainer", key=lambda names: names.map(order), kind="stable")
    return metric, board.drop_duplicates(["level", "method"])


def _dots(axes: Axes, rows: pd.DataFrame, metric: str, styles: Mapping[str, Style]) -> None:
    """Draw each method's fairness against another number, with the intervals that there are."""
    fairness = ranking().name
    for row in rows.dropna(subset=[metric, fairness]).to_dict("records"):
        style, x, y = styles[row["method"]], row[metric], row[fairness]
        bars: dict[str, Any] = {"color": style.color, "lw": 0.7, "alpha": 0.35, "zorder": 1}
        axes.vlines(x, row[f"{fairness}_low"], row[f"{fairness}_high"], **bars)
        if f"{metric}_low" in row:
            axes.hlines(y, row[f"{metric}_low"], row[f"{metric}_high"], **bars)
        face = style.color if row["takes_part"] else "white"
        axes.plot(x, y, style.marker, ms=4.5, mec=style.color, mfc=face, mew=0.8, zorder=3)
    axes.margins(0.08)


def _front(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the steps between the methods on the front."""
    fairness, kept = ranking().name, utility().name
    front = rows[rows["front"]].sort_values(kept)
    axes.step(front[kept], front[fairness], where="pre", color=GREY, lw=0.9, zorder=2)
