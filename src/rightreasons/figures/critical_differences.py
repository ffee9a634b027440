"""Critical-difference diagram: mean ranks over tasks and levels, and what cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import better, short_name
from rightreasons.figures._over_blocks import metrics_of, remarks, said_p
from rightreasons.figures._style import (
    GREY,
    handle,
    note,
    nothing,
    page,
    panel_title,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Which methods differ over all tasks and levels? Their mean ranks (1 is the best), a panel per
metric; the blocks that are ranked are tasks, designs and levels, each by its mean over seeds. A bar
joins neighbours of which no pair can be told apart: by Nemenyi's test after Friedman's, and by
Wilcoxon's signed-rank test with Holm's correction over all pairs. CD: the difference of mean ranks
that Nemenyi's test asks for. ``{original}`` is bold; grey methods decide without a look at the
image. A method that collapsed in a block ranks last there for metrics of which less is better.
"""
#: Columns of the table, what they are called, and their colours.
WAYS = (
    ("nemenyi_cliques", "not told apart by Nemenyi", "#0072B2"),
    ("wilcoxon_cliques", "not told apart by Wilcoxon and Holm", "#D55E00"),
)
LINE, BAR = 0.13, 0.07  # inches: of a label, of a bar of a clique
HEAD, TITLE = 0.42, 0.45  # inches: above the axis, and for a panel's title
NAMES = 1.55  # inches: at either side of the axis


@FIGURES.register(
    "critical_differences",
    title="Mean ranks over tasks and levels, with groups that cannot be told apart",
    paper="Demšar 2006; Benavoli et al. 2016",
    caption=CAPTION,
    category="4 Comparisons",
    label="critical differences",
    when=("blocks",),
    tables=("ranks",),
)
def critical_differences(given: Given, params: Params) -> Figure:
    """Draw a diagram per metric.

    Mean ranks lie on a line; methods of the better half have their names on the left, the others
    on the right. Bars below the line: groups that cannot be told apart, in a colour per test.
    """
    table = given.tables["ranks"].dropna(subset=["mean_rank"])
    if table.empty:
        return nothing("no methods to rank")
    parts = {m: table[table["metric"] == m].sort_values("mean_rank") for m in metrics_of(table)}
    heights = [_height(part) for part in parts.values()]
    figure = page(sum(heights) + TITLE * len(parts) + 0.75)
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (metric, part), height in zip(grid, parts.items(), heights, strict=True):
        _diagram(axes, part, height, given.roles.original)
        first = part.iloc[0]
        blocks = f"{first['blocks']:.0f} blocks"
        test = "" if np.isnan(first["friedman_p"]) else f"Friedman {said_p(first['friedman_p'])}"
        panel_title(axes, short_name(metric), remarks([better(metric), blocks, test]))
    place = title_above(figure, "Mean ranks over tasks and levels", lines=1)
    bars = [
        handle(label, color=color, ls="-", lw=2.5)
        for column, label, color in WAYS
        if table[column].fillna("").any()
    ]
    if bars:
        figure.legend(handles=bars, ncols=len(bars), **place)
    note(figure, _remarks(given.tables["ranks"], parts))
    return figure


def _cliques(part: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    """Return the mean ranks between which each group of a test lies."""
    members: dict[int, list[float]] = {}
    for rank, numbers in zip(part["mean_rank"], part[column].fillna(""), strict=True):
        for number in numbers.split():
            members.setdefault(int(number), []).append(rank)
    return [(min(ranks), max(ranks)) for _, ranks in sorted(members.items())]


def _height(part: pd.DataFrame) -> float:
    """Return the height of a panel in inches."""
    bars = sum(len(_cliques(part, column)) for column, _, _ in WAYS)
    return HEAD + BAR * (bars + 1) + LINE * (-(-len(part) // 2) + 0.5)


def _diagram(axes: Axes, part: pd.DataFrame, height: float, original: str) -> None:
    """Draw one diagram, upwards in inches with the axis of ranks at 0."""
    count = len(part)
    wide = (count - 1) / (7.0 - 2 * NAMES - 0.2)  # ranks an inch
    axes.set(xlim=(1 - NAMES * wide, count + NAMES * wide), ylim=(HEAD - height, HEAD))
    axes.axis("off")
    axes.hlines(0, 1, count, color="black", lw=0.8, zorder=2)
    for rank in _ticks(count):
        axes.vlines(rank, 0, 0.05, color="black", lw=0.8)
        axes.text(rank, 0.07, str(rank), ha="center", va="bottom")
    if not np.isnan(difference := part["critical_difference"].iloc[0]):
        _difference(axes, min(difference, count - 1), difference)
    below = -BAR
    for column, _, color in WAYS:
        for low, high in _cliques(part, column):
            reach = 0.04 * wide
            axes.plot([low - reach, high + reach], [below] * 2, color=color, lw=2.5,
                      solid_capstyle="butt", zorder=3)  # fmt: skip
            below -= BAR
    half = (count + 1) // 2
    rows = part.to_dict("records")
    for place, row in enumerate(rows[:half]):
        _name(axes, row, below - LINE * (place + 0.5), 1 - 0.1 * wide, original, left=True)
    for place, row in enumerate(reversed(rows[half:])):
        _name(axes, row, below - LINE * (place + 0.5), count + 0.1 * wide, original, left=False)


def _ticks(count: int) -> Sequence[int]:
    """Return the ranks that are written on the axis."""
    return range(1, count + 1, 1 + (count - 1) // 20)


def _difference(axes: Axes, shown: float, value: float) -> None:
    """Draw the critical difference above the axis, from rank 1 on."""
    axes.plot([1, 1 + shown], [0.27] * 2, color="#0072B2", lw=1.0)
    axes.vlines([1, 1 + shown], 0.24, 0.30, color="#0072B2", lw=1.0)
    axes.text(1 + shown, 0.27, f"  CD = {value:.2f}", ha="left", va="center", color="#0072B2")


def _name(
    axes: Axes, row: dict[Any, Any], y: float, edge: float, original: str, *, left: bool
) -> None:
    """Draw a method's name and mean rank, and the line from there to its place on the axis."""
    color = GREY if row["noise"] else "black"
    at = [row["mean_rank"], row["mean_rank"], edge]
    axes.plot(at, [0, y, y], color=GREY, lw=0.6, zorder=1)
    axes.plot(row["mean_rank"], 0, "o", ms=2.5, color=color, zorder=4)
    number = f"{row['mean_rank']:.2f}"
    words = f"{row['method']}  {number} " if left else f" {number}  {row['method']}"
    weight = "bold" if row["method"] == original else "normal"
    axes.text(edge, y, words, ha="right" if left else "left", va="center", color=color,
              fontweight=weight)  # fmt: skip


def _remarks(table: pd.DataFrame, parts: dict[str, pd.DataFrame]) -> list[str]:
    """Return what is to be known below the figure."""
    said: dict[str, list[str]] = {}
    for metric, part in parts.items():
        if isinstance(reason := part["note"].iloc[0], str):
            said.setdefault(reason, []).append(short_name(metric))
    lines = [fill(f"{', '.join(names)}: {reason}.", 120) for reason, names in said.items()]
    missing = table.loc[table["mean_rank"].isna(), "method"].unique()
    if len(missing):
        lines.append(
            f"Methods that are not ranked everywhere, not being in every block: {len(missing)}."
        )
    return lines
