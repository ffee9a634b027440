"""Does a metric of maps follow what models truly rely on? One dot per model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pydantic import Field

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import is_flag, short_name
from rightreasons.figures._style import (
    GREY,
    draw_legend,
    handle,
    note,
    nothing,
    page,
    panel_title,
    spread,
    title_above,
)
from rightreasons.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CAPTION = """
True reliance against what {explainer} maps say of it: a dot per model (task, design, level, seed,
method), a panel per metric. Sideways: the share of decisions that the protected attribute alone
flips. Filled: the metric makes its claim, as its value lies beyond what level-0 models of other
seeds give. Dashed: the mean of random maps. Triangles: the region of interest is not where the
protected attribute is, so that no metric of the region can see it. Crossed: a constant classifier.
"""
COLUMNS, MOST_COLUMNS = 4, 5
ENTRIES = 6  # in a line of the legend
NAMES = {
    "flips": "decisions flipped",
    "logit_change": "change of logit",
    "accuracy_change": "change of accuracy",
}
CALLS = {"claim made": (4.0, True), "not made": (4.0, False), "cannot be told": (2.0, False)}


class RelianceParams(Params):
    """Parameters of `reliance`."""

    truth: Literal["flips", "logit_change", "accuracy_change"] = Field(
        "flips", description="what true reliance is measured by"
    )


@FIGURES.register(
    "reliance",
    title="Every metric of maps against what models truly rely on, a dot per model",
    paper="Own",
    params=RelianceParams,
    caption=CAPTION,
    category="9 Yardstick",
    label="reliance",
    over=("explainer",),
    when=("twins", "signal"),
    tables=("reliance", "yardstick"),
    controls=True,
)
def reliance(given: Given, params: RelianceParams) -> Figure:
    """Draw a panel per metric: true reliance against the metric's value, a dot per model.

    Of the images with the protected attribute, or of all for metrics that are tests. Filled: the
    metric's claim is made. Hollow: it is not. Small: it cannot be told, for want of level-0 models,
    say. Triangles: the ROI is not where the protected attribute is. Crossed: a constant classifier.
    Dashed: the control's mean value. Above: Spearman's rho and the ROC area.
    """
    reliance, yardstick = given.tables["reliance"], given.tables["yardstick"]
    explainer, truth = given.explainer, params.truth
    rows = reliance[(reliance["explainer"] == explainer) & (reliance["shown"] != "without")]
    rows = rows.dropna(subset=["value", truth])
    rows = rows.assign(call=[_call(called) for called in rows["called"]])
    if rows.empty:
        return nothing(f"no reliance by {explainer}")
    colors = _shades(sorted(rows["level"].unique()))
    metrics = sorted(dict.fromkeys(rows["metric"]), key=_place)
    crossed, handles = bool(rows["collapsed"].any()), _handles(rows, colors)
    lines = -(-(len(handles) + crossed) // ENTRIES)
    figure, panels = _grid(len(metrics), lines)
    for axes, metric in zip(panels, metrics, strict=True):
        part = rows[rows["metric"] == metric]
        _panel(axes, part, truth, colors)
        ours = (yardstick["explainer"] == explainer) & (yardstick["metric"] == metric)
        ours &= (yardstick["truth"] == truth) & (yardstick["shown"] != "without")
        panel_title(axes, short_name(metric), _believed(yardstick[ours]))
    for axes in panels[-_columns(len(metrics)) :]:
        axes.set_xlabel(NAMES[truth])
    place = title_above(figure, f"True reliance and saliency by {explainer}", lines)
    draw_legend(figure, handles, crossed=crossed, ncols=ENTRIES, **place)
    models = len(rows.groupby(["task", "design", "level", "seed", "method"]))
    note(figure, [f"A dot per model ({models}). Images with the protected attribute (tests: all). "
                  f"Dashed: mean of {' and '.join(given.roles.noise)}."])  # fmt: skip
    return figure


def _grid(count: int, lines: int) -> tuple[Figure, list[Axes]]:
    columns = _columns(count)
    rows = -(-count // columns)
    figure = page(0.75 + 0.15 * lines + 1.5 * rows)
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def _columns(count: int) -> int:
    return MOST_COLUMNS if count > 12 else COLUMNS


def _place(metric: str) -> int:
    """Return the place of a metric among those that are shown."""
    return METRICS[metric].traits["order"] if metric in METRICS else 0


def _shades(levels: Sequence[float]) -> dict[float, Any]:
    from matplotlib import colormaps

    return dict(zip(levels, colormaps["viridis"](0.45 - spread(len(levels), 0.45)), strict=True))


def _call(called: Any) -> str:
    if pd.isna(called):
        return "cannot be told"
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
    if is_flag(rows["metric"].iloc[0]):
        axes.set(yticks=[0, 1], yticklabels=["no", "yes"], ylim=(-0.25, 1.25))
    if rows["chance"].notna().any():
        axes.axhline(rows["chance"].mean(), color=GREY, lw=0.7, ls="--", zorder=0)


def _believed(found: pd.DataFrame) -> str:
    """Return Spearman's rho and the ROC area; "" where the yardstick has neither."""
    known = found[["estimate", "area"]].dropna(how="all")
    if known.empty:
        return ""
    rho, area = known.iloc[0]
    parts = [f"ρ {rho:.2f}"] * pd.notna(rho) + [f"area {area:.2f}"] * pd.notna(area)
    return ", ".join(parts).replace("-", "−")


def _handles(rows: pd.DataFrame, colors: dict[float, Any]) -> list[Line2D]:
    look: dict[str, Any] = {"ms": 4, "mew": 0.8}
    handles = [
        handle(f"level {level:g}", marker="o", color=color, **look)
        for level, color in colors.items()
    ]
    for call, (size, filled) in CALLS.items():
        if (rows["call"] == call).any():
            own = {**look, "ms": size, "mfc": GREY if filled else "none"}
            handles.append(handle(call, marker="o", color=GREY, **own))
    if not rows["place"].all():
        handles.append(handle("ROI elsewhere", marker="^", color=GREY, **look))
    return handles
