"""Change of fairness against shift of saliency, over all cells (RQ1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rightreasons.figures.cells import CELL, changes, collapsed_cells, values_of
from rightreasons.figures.style import (
    GREY,
    WIDTH,
    MethodStyle,
    draw_legend,
    draw_point,
    empty,
    method_styles,
    note,
    styled,
)

MARKERS = "os^DvPph<>"
OUTCOME = "equalized_odds"
SHADE = "#E8F3EC"


def _adr(cells: pd.DataFrame, explainer: str) -> pd.Series:
    return values_of(cells, "adr", explainer)


def _rrf(cells: pd.DataFrame, explainer: str) -> pd.Series:
    return changes(cells, "rrf", explainer)


# predictor: its values, the axis's name, and the sign of looking at the ROI less
PREDICTORS: dict[str, tuple[Callable[[pd.DataFrame, str], pd.Series], str, int]] = {
    "adr": (_adr, "ADR: decrease of intensity in the ROI\n(→ looks there less)", 1),
    "rrf": (_rrf, "change of RRF against vanilla (share)\n(← looks there less)", -1),
}


@styled
def fairness_against_saliency(cell_metrics: pd.DataFrame, associations: pd.DataFrame) -> Figure:
    """Return a dot per cell and method: shift of saliency against change of equalized odds.

    Columns of panels: ADR and the change of RRF; rows: explainers. Changes are against vanilla of
    the same cell. associations: the table; its rank correlation and slope are printed in the
    panels. Hollow crossed dots: constant classifiers, or compared with one. Cells with a missing
    number are left out.
    """
    explainers = list(cell_metrics["explainer"].dropna().unique()) or ["no explainer"]
    by, marker_of = _markers(cell_metrics)
    cells = cell_metrics["method"].dropna()
    styles = {m: s for m, s in method_styles(cells).items() if m != "vanilla"}
    collapsed = set(collapsed_cells(cell_metrics).itertuples(index=False, name=None))
    figure = Figure((WIDTH, 0.8 + 2.6 * len(explainers)), layout="constrained")
    grid = figure.subplots(len(explainers), len(PREDICTORS), squeeze=False, sharey=True)
    outcome, missing = changes(cell_metrics, OUTCOME), 0
    for row, explainer in zip(grid, explainers, strict=True):
        for axes, (predictor, (values, label, sign)) in zip(row, PREDICTORS.items(), strict=True):
            shift = values(cell_metrics, explainer).reindex(outcome.index)
            dots = pd.DataFrame({"x": shift, "y": outcome})
            missing += int(dots.isna().any(axis=1).sum())
            _panel(axes, dots.dropna(), styles, by, marker_of, collapsed, sign)
            axes.set_title("\n".join(_statistics(associations, predictor, explainer)), fontsize=7)
            axes.set_xlabel(label)
        y_label = "change of equalized odds\nagainst vanilla (↓ fairer)"
        row[0].set_ylabel(f"maps by {explainer}\n{y_label}")
    _finish(figure, styles, by, marker_of, bool(collapsed), missing)
    return figure


def _panel(
    axes: Axes,
    dots: pd.DataFrame,
    styles: dict[str, MethodStyle],
    by: str,
    marker_of: dict[object, str],
    collapsed: set[tuple[object, ...]],
    sign: int,
) -> None:
    if dots.empty:
        empty(axes, "no cells")
        return
    constant = np.array([not collapsed.isdisjoint([k, (*k[:-1], "vanilla")]) for k in dots.index])
    size = 4.2 if len(dots) < 200 else 2.8
    for value, part in dots[~constant].groupby(level=by, sort=True):
        colors = [styles[m].color for m in part.index.get_level_values("method")]
        look: dict[str, Any] = {"marker": marker_of[value], "alpha": 0.85, "lw": 0, "zorder": 3}
        axes.scatter(part["x"], part["y"], size**2, colors, **look)
    for key, x, y in dots[constant].itertuples(name=None):
        named = dict(zip(CELL, key, strict=True))
        style = MethodStyle(styles[named["method"]].color, marker_of[named[by]], "")
        draw_point(axes, x, y, style, collapsed=True, size=size)
    axes.axhline(0, color=GREY, lw=0.6, zorder=1)
    axes.axvline(0, color=GREY, lw=0.6, zorder=1)
    axes.margins(0.08)
    axes.locator_params(axis="x", nbins=5)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.set(xlim=(min(left, -0.15 * right), max(right, -0.15 * left)))
    axes.set(ylim=(min(bottom, -0.2 * top), max(top, -0.2 * bottom)))
    edge = axes.get_xlim()[sign > 0]
    axes.fill_between([0, edge], axes.get_ylim()[0], 0, color=SHADE, zorder=0, lw=0)
    axes.set_xlim(*axes.get_xlim())


def _markers(cell_metrics: pd.DataFrame) -> tuple[str, dict[object, str]]:
    """Return the column that markers stand for, task where there are several, and the markers."""
    by = "task" if cell_metrics["task"].nunique() > 1 else "level"
    values = sorted(cell_metrics[by].dropna().unique())
    return by, {value: MARKERS[i % len(MARKERS)] for i, value in enumerate(values)}


def _name(by: str, value: object) -> str:
    return f"level {value:g}" if isinstance(value, float) else str(value)


def _statistics(associations: pd.DataFrame, predictor: str, explainer: str) -> list[str]:
    """Return what the associations say of this panel, a line per model."""
    ours = associations["predictor"].astype(str).str.startswith(predictor)
    ours &= associations["outcome"].astype(str).str.startswith(OUTCOME)
    ours &= associations["explainer"] == explainer
    rows = associations[ours].dropna(subset=["estimate"])
    return [_statistic(row) for row in rows.to_dict("records")] or ["association: not in the table"]


def _statistic(row: dict[Any, Any]) -> str:
    numbers = (row["estimate"], row["ci_low"], row["ci_high"])
    if row["model"] == "spearman":
        text = "Spearman's ρ = {:.2f} [{:.2f}, {:.2f}], n = {:.0f}".format(*numbers, row["n"])
        return text.replace("-", "−")
    p = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}"
    text = "slope = {:#.3g} [{:#.3g}, {:#.3g}]".format(*numbers)
    return f"{text}, {p}".replace("-", "−")


def _finish(
    figure: Figure,
    styles: dict[str, MethodStyle],
    by: str,
    marker_of: dict[object, str],
    collapsed: bool,
    missing: int,
) -> None:
    dot: dict[str, Any] = {"marker": "o", "ls": "", "ms": 4.5}
    methods = [Line2D([], [], color=s.color, label=m, **dot) for m, s in styles.items()]
    shapes = [
        Line2D([], [], color=GREY, label=_name(by, value), **{**dot, "marker": marker})
        for value, marker in marker_of.items()
    ]
    aim = Patch(color=SHADE, label="fairer, and\nlooks there less")
    handles = [*methods, *shapes, aim]
    draw_legend(figure, handles, crossed=collapsed, loc="outside right upper", labelspacing=0.8)
    title = "Fairer, and for the right reasons? All cells against vanilla"
    figure.suptitle(title, x=0.01, ha="left")
    lines = ["A dot: one method at one level with one seed. ρ and slope: [95 % interval]."]
    if collapsed:
        lines[0] += " Both leave constant classifiers out."
    if missing:
        lines.append(f"Left out for a missing value: {missing} dots.")
    note(figure, lines)
