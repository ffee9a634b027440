"""Every metric against the level, a line per method (the saliency paper's Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rightreasons.figures.cells import STUDENT_SEEDS, collapsed_cells, metric_rows, over_seeds
from rightreasons.figures.metric_labels import bounds, is_flag, remark, short_name
from rightreasons.figures.style import (
    GREY,
    WIDTH,
    MethodStyle,
    draw_legend,
    draw_point,
    empty,
    legend_handles,
    method_styles,
    note,
    panel_title,
    spread,
    styled,
)

SHOWN = (
    "equalized_odds",
    "twin_flip_rate",
    "accuracy",
    "worst_group_accuracy",
    "rrf",
    "hrf",
    "mrr",
    "det",
    "adr",
    "dif",
    "rddt",
)
COLUMNS = 4


@styled
def metrics_by_level(
    cell_metrics: pd.DataFrame,
    *,
    task: str,
    design: str,
    explainer: str,
    metrics: Sequence[str] = SHOWN,
) -> Figure:
    """Return a panel per metric: level against the mean over seeds, with 95 % intervals.

    cell_metrics: the table. Metrics without any value are left out and named below, as are single
    missing values. Hollow crossed markers: a constant classifier in at least one seed.
    """
    cells = cell_metrics[(cell_metrics["task"] == task) & (cell_metrics["design"] == design)]
    styles = method_styles(cells["method"].dropna())
    rows = {metric: metric_rows(cells, metric, explainer) for metric in metrics}
    known = {metric: part for metric, part in rows.items() if part["value"].notna().any()}
    levels = sorted(cells["level"].unique())
    shifts = _dodge(list(styles), levels)
    collapsed = set(collapsed_cells(cells)[["level", "method"]].itertuples(index=False, name=None))
    figure, panels = _grid(max(len(known), 1) + 1)
    cut = False
    for axes, (metric, part) in zip(panels, known.items(), strict=False):
        cut |= _panel(axes, metric, over_seeds(part), styles, shifts, collapsed, levels)
    if not known:
        empty(panels[0], "no values")
    for axes in panels[-COLUMNS - 1 : -1]:
        axes.set_xlabel(_level_name(design))
    figure.suptitle(f"{task}: metrics by level, maps by {explainer}", x=0.01, ha="left")
    draw_legend(figure, legend_handles(styles), crossed=bool(collapsed), axes=panels[-1])
    note(figure, _remarks(rows, known, cells["seed"].nunique(), cut))
    return figure


def _grid(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = Figure((WIDTH, 0.75 + 1.5 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def _panel(
    axes: Axes,
    metric: str,
    summary: pd.DataFrame,
    styles: dict[str, MethodStyle],
    shifts: dict[str, float],
    collapsed: set[tuple[float, str]],
    levels: list[float],
) -> bool:
    """Draw one metric; return whether an interval is cut at the panel's edge."""
    for method, style in styles.items():
        line = summary[summary["method"] == method]
        x = line["level"] + shifts[method]
        axes.plot(x, line["mean"], color=style.color, ls=style.line, lw=0.9, zorder=2)
        if not is_flag(metric):
            bars: dict[str, Any] = {"color": style.color, "lw": 0.8, "alpha": 0.5, "zorder": 1}
            axes.vlines(x, line["low"], line["high"], **bars)
        for at, level, mean in zip(x, line["level"], line["mean"], strict=True):
            draw_point(axes, at, mean, style, collapsed=(level, method) in collapsed, size=3.2)
    panel_title(axes, short_name(metric), remark(metric))
    if metric in ("adr", "rddt"):
        axes.axhline(0, color=GREY, lw=0.5, zorder=0)
    axes.set_xticks(levels if len(levels) <= 5 else levels[:: -(-len(levels) // 5)])
    if is_flag(metric):
        axes.set_ylim(-0.06, 1.06)
        return False
    low, high = _limits(summary, bounds(metric))
    axes.set_ylim(low, high)
    return bool((summary["low"] < low).any() or (summary["high"] > high).any())


def _limits(summary: pd.DataFrame, bound: tuple[float, float]) -> tuple[float, float]:
    """Return limits that show all means, and intervals up to half as far again.

    One wide interval, shown whole, would flatten everything else.
    """
    low, high = summary["mean"].min(), summary["mean"].max()
    widths = (summary["high"] - summary["low"]).dropna()
    reach = max(high - low, widths.median() if len(widths) else 0.0, 0.01)
    pad = 0.06 * reach
    bottom = max(np.nanmin([low, summary["low"].min()]), low - 0.5 * reach, bound[0])
    top = min(np.nanmax([high, summary["high"].max()]), high + 0.5 * reach, bound[1])
    return bottom - pad, top + pad


def _dodge(methods: list[str], levels: list[float]) -> dict[str, float]:
    """Return each method's shift to the side, so that the markers of a level do not cover."""
    gap = min(np.diff(levels)) if len(levels) > 1 else 1.0
    return dict(zip(methods, spread(len(methods), 0.28 * gap), strict=True))


def _level_name(design: str) -> str:
    return "level (φ)" if design == "phi" else f"level ({design})"


def _remarks(
    rows: dict[str, pd.DataFrame], known: dict[str, pd.DataFrame], seeds: int, cut: bool
) -> list[str]:
    interval = "Student's" if seeds >= STUDENT_SEEDS else "bootstrapped over images"
    over = f"{seeds} seeds" if seeds > 1 else "1 seed"
    lines = [f"Points: means over {over}, shifted sideways. Bars: 95 % intervals, {interval}."]
    if cut:
        lines[0] += " Bars that leave a panel are cut."
    if gone := [short_name(metric) for metric in rows if metric not in known]:
        lines.append(f"Without values: {', '.join(gone)}.")
    missing = {short_name(m): int(part["value"].isna().sum()) for m, part in known.items()}
    if any(missing.values()):
        counts = ", ".join(f"{name} {count}" for name, count in missing.items() if count)
        lines.append(f"Missing values left out: {counts}.")
    return lines
