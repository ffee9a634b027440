"""Performance profiles: the share of runs that are better than each threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import better, short_name, unit
from rightreasons.figures._over_blocks import metrics_of, remarks
from rightreasons.figures._style import (
    Style,
    draw_legend,
    legend_handles,
    method_styles,
    note,
    nothing,
    page,
    panel_title,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Performance profiles: of all runs of a method (task, design, level, seed) the share that is better
than the threshold below it, a panel per metric. The higher a line, the better; where one method's
line lies above another's throughout, it is better in every part of the distribution. Bands: 95 %
bootstrap intervals, seeds drawn within tasks. A collapsed run of a metric of which less is better
is never better than a threshold.
"""
COLUMNS = 2
MARKS = 10  # thresholds from a marker to the next


@FIGURES.register(
    "performance_profiles",
    title="Share of runs that are better than each threshold, over tasks, levels and seeds",
    paper="Dolan and Moré 2002; Agarwal et al. 2021",
    caption=CAPTION,
    category="4 Comparisons",
    label="performance profiles",
    when=("blocks",),
    tables=("profiles",),
)
def performance_profiles(given: Given, params: Params) -> Figure:
    """Draw a panel per metric, a line with its band per method."""
    table = given.tables["profiles"].dropna(subset=["share"])
    if table.empty:
        return nothing("no runs to compare")
    metrics = metrics_of(table)
    styles = method_styles(table["method"], given.roles)
    columns = min(COLUMNS, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = page(max(0.6 + 2.1 * rows, 0.7 + 0.16 * len(styles)))
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(len(metrics))]
    for axes, metric in zip(panels, metrics, strict=True):
        _panel(axes, table[table["metric"] == metric], styles)
        panel_title(axes, short_name(metric), remarks([unit(metric), better(metric)]))
        axes.set_xlabel("threshold")
    for axes in panels[::columns]:
        axes.set_ylabel("share of runs better")
    title(figure, "Share of runs better than a threshold")
    draw_legend(figure, legend_handles(styles), crossed=False, loc="outside right upper")
    note(figure, ["A run: one task, design, level and seed. Bands: 95 % intervals over seeds."])
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, styles: dict[str, Style]) -> None:
    """Draw the lines, over the thresholds at which they are not all alike."""
    counts = rows.groupby("tau")["share"].agg(["min", "max"])
    inside = counts.index[(counts["max"] > 0) & (counts["min"] < 1)]
    step = counts.index[1] - counts.index[0]
    for i, (method, style) in enumerate(styles.items()):
        part = rows[rows["method"] == method].sort_values("tau")
        look: dict[str, Any] = {"color": style.color, "lw": 0.9, "marker": style.marker, "ms": 3}
        axes.plot(part["tau"], part["share"], ls=style.line, zorder=3,
                  markevery=(i % MARKS, MARKS), **look)  # fmt: skip
        axes.fill_between(part["tau"], part["share_low"], part["share_high"], color=style.color,
                          alpha=0.1, lw=0)  # fmt: skip
    axes.set(ylim=(-0.02, 1.02))
    if len(inside):
        axes.set_xlim(inside.min() - step, inside.max() + step)
