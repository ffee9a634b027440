"""Does a metric of maps follow what models truly rely on? One dot per model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rightreasons.figures.metric_labels import short_name
from rightreasons.figures.style import (
    GREY,
    WIDTH,
    draw_legend,
    note,
    panel_title,
    spread,
    styled,
    title_above,
)
from rightreasons.figures.tiles import nothing

COLUMNS = 4
ENTRIES = 6  # in a line of the legend
NAMES = {
    "flips": "decisions flipped",
    "logit_change": "change of logit",
    "accuracy_change": "change of accuracy",
}
CALLS = {"claim made": (4.0, True), "not made": (4.0, False), "no control": (2.0, False)}


@styled
def reliance(
    reliance: pd.DataFrame,
    yardstick: pd.DataFrame,
    *,
    explainer: str,
    truth: str = "flips",
) -> Figure:
    """Return a panel per metric: true reliance against the metric's value, a dot per model.

    reliance, yardstick: the tables; rows of this explainer over the images with the protected
    attribute, or over all for metrics that are tests. Filled: the metric's claim is made. Hollow:
    it is not. Small: there is no control to tell. Triangles: the ROI is not where the protected
    attribute is. Crossed: a constant classifier. Dashed: the control's mean value. Above:
    Spearman's rho.
    """
    rows = reliance[(reliance["explainer"] == explainer) & (reliance["shown"] != "without")]
    rows = rows.dropna(subset=["value", truth])
    rows = rows.assign(call=[_call(called) for called in rows["called"]])
    if rows.empty:
        return nothing(f"no reliance by {explainer}")
    colors = _shades(sorted(rows["level"].unique()))
    metrics = list(dict.fromkeys(rows["metric"]))
    crossed, handles = bool(rows["collapsed"].any()), _handles(rows, colors)
    lines = -(-(len(handles) + crossed) // ENTRIES)
    figure, panels = _grid(len(metrics), lines)
    for axes, metric in zip(panels, metrics, strict=True):
        part = rows[rows["metric"] == metric]
        _panel(axes, part, truth, colors)
        ours = (yardstick["explainer"] == explainer) & (yardstick["metric"] == metric)
        ours &= (yardstick["truth"] == truth) & (yardstick["shown"] != "without")
        panel_title(axes, short_name(metric), _rho(yardstick[ours]))
    for axes in panels[-COLUMNS:]:
        axes.set_xlabel(NAMES[truth])
    place = title_above(figure, f"True reliance and saliency by {explainer}", lines)
    draw_legend(figure, handles, crossed=crossed, ncols=ENTRIES, **place)
    models = len(rows.groupby(["task", "design", "level", "seed", "method"]))
    note(figure, [f"A dot per model ({models}). Images with the protected attribute (tests: all). "
                  "Dashed: mean of the control random."])  # fmt: skip
    return figure


def _grid(count: int, lines: int) -> tuple[Figure, list[Axes]]:
    rows = -(-count // COLUMNS)
    figure = Figure((WIDTH, 0.75 + 0.15 * lines + 1.5 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, COLUMNS, i + 1) for i in range(count)]


def _shades(levels: Sequence[float]) -> dict[float, Any]:
    return dict(zip(levels, colormaps["viridis"](0.45 - spread(len(levels), 0.45)), strict=True))


def _call(called: Any) -> str:
    if pd.isna(called):
        return "no control"
    return "claim made" if called else "not made"


def _panel(axes: Axes, rows: pd.DataFrame, truth: str, colors: dict[float, Any]) -> None:
    for row in rows.to_dict("records"):
        at, color = (row[truth], row["value"]), colors[row["level"]]
        look: dict[str, Any] = {"mec": color, "mew": 0.8, "clip_on": False}
        size, filled = CALLS[row["call"]]
        marker, face = "o" if row["place"] else "^", color if filled else "none"
        axes.plot(*at, marker, ms=size, mfc=face, zorder=3, **look)
        if row["collapsed"]:
            axes.plot(*at, "x", ms=6.5, zorder=4, **look)
    if rows["chance"].notna().any():
        axes.axhline(rows["chance"].mean(), color=GREY, lw=0.7, ls="--", zorder=0)


def _rho(found: pd.DataFrame) -> str:
    """Return Spearman's rho with its interval; "" where the yardstick has none."""
    found = found.dropna(subset=["estimate"])
    if found.empty:
        return ""
    row = found.iloc[0]
    text = f"ρ = {row['estimate']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]"
    return text.replace("-", "−")


def _handles(rows: pd.DataFrame, colors: dict[float, Any]) -> list[Line2D]:
    look: dict[str, Any] = {"ls": "", "ms": 4, "mew": 0.8}
    handles = [
        Line2D([], [], marker="o", color=color, label=f"level {level:g}", **look)
        for level, color in colors.items()
    ]
    for call, (size, filled) in CALLS.items():
        if (rows["call"] == call).any():
            own = {**look, "ms": size, "mfc": GREY if filled else "none"}
            handles.append(Line2D([], [], marker="o", color=GREY, label=call, **own))
    if not rows["place"].all():
        handles.append(Line2D([], [], marker="^", color=GREY, label="ROI elsewhere", **look))
    return handles
