"""Every metric against the level, a line per method (the saliency paper's Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._cells import STUDENT_SEEDS, collapsed_cells, metric_rows, over_seeds
from rightreasons.figures._labels import better, bounds, compares, is_flag, remark, short_name
from rightreasons.figures._style import (
    GREY,
    Style,
    draw_legend,
    draw_point,
    legend_handles,
    method_styles,
    note,
    nothing,
    page,
    panel_title,
    spread,
    title,
    title_above,
)
from rightreasons.metrics import METRICS, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Every metric of task ``{task}`` against the level of design ``{design}``; saliency metrics from
{explainer} maps. Points are means over seeds, bars 95 % intervals: Student's over seeds from three
seeds on, else the mean of the cells' bootstrap intervals over images. RRF, HRF, MRR and DET say how
much a model looks into the region of interest (ROI); ADR, DIF and RDDT how much less than
``{original}`` it does. RDDT and DET are tests, with a marker per method and level: filled where the
test is significant, the paler the fewer the seeds. Hollow crossed markers: a constant classifier
with at least one seed.
"""
COLUMNS = 4
#: Entries of a legend for which a panel has room.
FITTING = 9
ENTRIES = 6  # at most in a line of the legend
ROOM = 100  # characters of such a line, five for each entry's mark among them


@FIGURES.register(
    "metrics_by_level",
    title="Every metric against the level, a line per method",
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, Fig. 3",
    caption=CAPTION,
    category="2 Metrics by level",
    label="metrics by level",
    over=("task", "design", "explainer"),
    when=("shown",),
    tables=("cell_metrics",),
)
def metrics_by_level(given: Given, params: Params) -> Figure:
    """Draw a panel per metric: level against the mean over seeds, with 95 % intervals.

    Shown are the metrics of the headline of figures; those against the original only beside other
    methods. Metrics without any value are left out and named below, as are single missing values.
    Hollow crossed markers: a constant classifier in at least one seed.
    """
    cells, explainer = given.table("cell_metrics"), given.explainer
    styles = method_styles(cells["method"].dropna(), given.roles)
    asked = "watched" if given.facts.watched else "protected"
    rows = {
        metric: metric_rows(cells, metric, explainer)
        for metric in headline("figures")
        if (len(styles) > 1 or not compares(metric))
        and METRICS[metric].traits["attribute"] in ("protected", asked)
    }
    known = {metric: part for metric, part in rows.items() if part["value"].notna().any()}
    levels = sorted(cells["level"].unique())
    shifts = _dodge(list(styles), levels)
    collapsed = set(collapsed_cells(cells)[["level", "method"]].itertuples(index=False, name=None))
    if not known:
        return nothing(f"no values of {given.task}")
    figure, panels = _grid(len(known))
    cut = False
    for axes, (metric, part) in zip(panels, known.items(), strict=True):
        summary = over_seeds(part)
        if is_flag(metric):
            _marks(axes, metric, summary, styles, collapsed)
        else:
            cut |= _lines(axes, metric, summary, styles, shifts, collapsed)
        axes.set_xticks(levels if len(levels) <= 5 else levels[:: -(-len(levels) // 5)])
    for axes in panels[-COLUMNS:]:
        axes.set_xlabel(f"level ({given.study.designs[given.design].symbol})")
    _legend(figure, f"{given.task}: metrics by level, maps by {explainer}", styles, bool(collapsed))
    note(figure, _remarks(rows, known, cells, cut))
    return figure


def _grid(count: int) -> tuple[Figure, list[Axes]]:
    rows = -(-count // COLUMNS)
    figure = page(0.75 + 1.5 * rows)
    return figure, [figure.add_subplot(rows, COLUMNS, i + 1) for i in range(count)]


def _legend(figure: Figure, text: str, styles: dict[str, Style], crossed: bool) -> None:
    """Write the title, and a legend: in the last panel's place where that has room, or above."""
    handles, free = legend_handles(styles), -len(figure.axes) % COLUMNS
    if free and len(handles) + crossed <= FITTING:
        rows = -(-len(figure.axes) // COLUMNS)
        axes = figure.add_subplot(rows, COLUMNS, rows * COLUMNS)
        title(figure, text)
        draw_legend(figure, handles, crossed=crossed, axes=axes)
    else:
        columns = _columns([*styles, *["constant classifier"] * crossed])
        lines = -(-(len(handles) + crossed) // columns)
        figure.set_figheight(figure.get_figheight() + 0.16 * lines)
        place = title_above(figure, text, lines)
        draw_legend(figure, handles, crossed=crossed, ncols=columns, **place)


def _columns(names: list[str]) -> int:
    """Return how many columns of names fit on the page, filled one after the other."""
    for columns in range(min(ENTRIES, len(names)), 1, -1):
        tall = -(-len(names) // columns)
        parts = [names[i : i + tall] for i in range(0, len(names), tall)]
        if sum(max(map(len, part)) + 5 for part in parts) <= ROOM:
            return columns
    return 1


def _lines(
    axes: Axes,
    metric: str,
    summary: pd.DataFrame,
    styles: dict[str, Style],
    shifts: dict[str, float],
    collapsed: set[tuple[float, str]],
) -> bool:
    """Draw one metric; return whether an interval is cut at the panel's edge."""
    for method, style in styles.items():
        line = summary[summary["method"] == method]
        x = line["level"] + shifts[method]
        axes.plot(x, line["mean"], color=style.color, ls=style.line, lw=0.9, zorder=2)
        bars: dict[str, Any] = {"color": style.color, "lw": 0.8, "alpha": 0.5, "zorder": 1}
        axes.vlines(x, line["low"], line["high"], **bars)
        for at, level, mean in zip(x, line["level"], line["mean"], strict=True):
            draw_point(axes, at, mean, style, collapsed=(level, method) in collapsed, size=3.2)
    panel_title(axes, short_name(metric), remark(metric))
    if compares(metric):
        axes.axhline(0, color=GREY, lw=0.5, zorder=0)
    low, high = _limits(summary, bounds(metric))
    axes.set_ylim(low, high)
    return bool((summary["low"] < low).any() or (summary["high"] > high).any())


def _marks(
    axes: Axes,
    metric: str,
    summary: pd.DataFrame,
    styles: dict[str, Style],
    collapsed: set[tuple[float, str]],
) -> None:
    """Draw a test: a row of marks per method, each as full as the share of seeds is."""
    shown = [method for method in styles if (summary["method"] == method).any()]
    for row, method in enumerate(shown):
        style, line = styles[method], summary[summary["method"] == method]
        axes.axhline(row, color="#EEEEEE", lw=0.6, zorder=0)
        look: dict[str, Any] = {"ls": "", "mec": style.color, "mew": 0.8, "clip_on": False}
        for level, share in zip(line["level"], line["mean"], strict=True):
            face = (style.color, float(share)) if share > 0 else "white"
            axes.plot(level, row, style.marker, ms=4, mfc=face, zorder=3, **look)
            if (level, method) in collapsed:
                axes.plot(level, row, "x", ms=6.5, zorder=4, **look)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks([])
    axes.margins(x=0.12)
    panel_title(axes, short_name(metric), f"test, {better(metric)}")


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


def _dodge(methods: list[str], levels: Sequence[float]) -> dict[str, float]:
    """Return each method's shift to the side, so that the markers of a level do not cover."""
    gap = min(np.diff(levels)) if len(levels) > 1 else 1.0
    return dict(zip(methods, spread(len(methods), 0.28 * gap), strict=True))


def _remarks(
    rows: dict[str, pd.DataFrame], known: dict[str, pd.DataFrame], cells: pd.DataFrame, cut: bool
) -> list[str]:
    seeds, shifted = cells["seed"].nunique(), ", shifted sideways" * (cells["method"].nunique() > 1)
    interval = "Student's" if seeds >= STUDENT_SEEDS else "bootstrapped over images"
    over = f"{seeds} seeds" if seeds > 1 else "1 seed"
    lines = [f"Points: means over {over}{shifted}. Bars: 95 % intervals, {interval}."]
    if cut:
        lines[0] += " Bars that leave a panel are cut."
    if any(is_flag(metric) for metric in known):
        paler = ", the paler the fewer the seeds" if seeds > 1 else ""
        lines.append(f"Tests: a row per method, filled where significant{paler}.")
    if gone := [short_name(metric) for metric in rows if metric not in known]:
        lines.append(f"Without values: {', '.join(gone)}.")
    missing = {short_name(m): int(part["value"].isna().sum()) for m, part in known.items()}
    if any(missing.values()):
        counts = ", ".join(f"{name} {count}" for name, count in missing.items() if count)
        lines.append(f"Missing values left out: {counts}.")
    return lines
