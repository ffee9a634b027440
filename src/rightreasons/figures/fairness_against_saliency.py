"""Change of fairness against shift of saliency, over all cells (RQ1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._cells import CELL, changes, collapsed_cells, values_of
from rightreasons.figures._labels import better, compares, short_name, unit
from rightreasons.figures._style import (
    GREY,
    Style,
    draw_legend,
    draw_point,
    handle,
    method_styles,
    note,
    nothing,
    page,
    title,
)
from rightreasons.metrics import METRICS, playing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Does a model become fairer where it stops looking at the protected attribute (RQ1)? Each dot is one
method in one cell (task, design, level, seed), compared with ``{original}`` of the same cell. Dots
in the shaded quarter are fairer and look into the region of interest less; dots below the line but
outside the shade are fairer and look there as much as before or more. Above each panel: Spearman's
rank correlation with its bootstrap interval over cells, and the slope of the regression that the
table ``associations`` names in its column ``note``. Hollow crossed dots are constant classifiers,
or compared with one; neither number uses them.
"""
MARKERS = "os^DvPph<>"
SHADE = "#E8F3EC"


@dataclass(frozen=True)
class Dots:
    """All dots of a figure.

    Attributes
    ----------
    panels
        x and y of every dot, indexed by its cell, by explainer and metric of maps.
    by, markers
        The column that markers stand for, task where there are several, and the markers.
    styles
        Of every method.
    constant
        The cells of constant classifiers, and of what is compared with one.
    missing
        How many dots are left out.
    """

    panels: dict[tuple[str, str], pd.DataFrame]
    by: str
    markers: dict[object, str]
    styles: dict[str, Style]
    constant: set[tuple[object, ...]]
    missing: int


@FIGURES.register(
    "fairness_against_saliency",
    title="Change of fairness against shift of saliency, all cells",
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, RQ1",
    caption=CAPTION,
    category="3 Fairness against saliency",
    label="all cells",
    when=("rivals",),
    tables=("cell_metrics", "associations"),
)
def fairness_against_saliency(given: Given, params: Params) -> Figure:
    """Draw a dot per cell and method: shift of saliency against change of fairness.

    A row of panels per explainer that has any, a column per metric of maps that plays the part
    "shift". Changes are against the original of the same cell. The table `associations` has the
    rank correlation and slope above the panels. Hollow crossed dots: constant classifiers, or
    compared with one. Cells with a missing number are left out.
    """
    outcome = playing("outcome")[0]
    dots = _dots(given, outcome)
    explainers = list(dict.fromkeys(explainer for explainer, _ in dots.panels))
    metrics = list(dict.fromkeys(metric for _, metric in dots.panels))
    if not dots.panels:
        return nothing("no method with maps of its own to compare")
    figure = page(0.8 + 2.3 * len(explainers))
    grid = figure.subplots(len(explainers), len(metrics), squeeze=False, sharey=True)
    for row, explainer in zip(grid, explainers, strict=True):
        for axes, metric in zip(row, metrics, strict=True):
            if (explainer, metric) not in dots.panels:
                axes.set_visible(False)
                continue
            _panel(axes, dots, dots.panels[explainer, metric], better(metric).startswith("↑"))
            lines = _statistics(given.tables["associations"], metric, outcome, explainer)
            axes.set_title("\n".join(lines), fontsize=7)
            axes.set_xlabel(_axis(metric, given.roles.original))
        change = f"change of {short_name(outcome).lower()}\nagainst {given.roles.original}"
        row[0].set_ylabel(f"maps by {explainer}\n{change} ({better(outcome)})")
    _finish(figure, dots, given.roles.original)
    return figure


def _dots(given: Given, outcome: str) -> Dots:
    cells, original = given.tables["cell_metrics"], given.roles.original
    cells = cells[~cells["method"].isin(given.roles.chance)]
    fairer = changes(cells, outcome, original).rename("y")
    panels, missing = {}, 0
    for explainer in cells["explainer"].dropna().unique():
        for metric in playing("shift"):
            shift = (
                values_of(cells, metric, explainer)
                if compares(metric)
                else changes(cells, metric, original, explainer)
            )
            both = pd.concat([shift.rename("x"), fairer], axis=1, join="inner")
            if len(known := both.dropna()):
                panels[explainer, metric] = known
                missing += len(both) - len(known)
    keys = pd.concat(list(panels.values())).index.to_frame() if panels else pd.DataFrame()
    by = "task" if panels and keys["task"].nunique() > 1 else "level"
    values = sorted(keys[by].unique()) if panels else []
    collapsed = set(collapsed_cells(cells).itertuples(index=False, name=None))
    constant = {
        key
        for part in panels.values()
        for key in part.index
        if not collapsed.isdisjoint([key, (*key[:-1], original)])
    }
    styles = method_styles(keys["method"] if panels else [], given.roles)
    markers = {value: MARKERS[i % len(MARKERS)] for i, value in enumerate(values)}
    return Dots(panels, by, markers, styles, constant, missing)


def _axis(metric: str, original: str) -> str:
    """Return an axis's name: what is on it, and which way a model looks at the ROI less."""
    name = short_name(metric)
    what = METRICS[metric].title if compares(metric) else f"Change of {name} against {original}"
    arrow = "→" if better(metric).startswith("↑") else "←"
    return f"{what}, {unit(metric)}\n({arrow} {better(metric)[2:]})"


def _panel(axes: Axes, dots: Dots, part: pd.DataFrame, rising: bool) -> None:
    constant = np.array([key in dots.constant for key in part.index])
    size = 4.2 if len(part) < 200 else 2.8
    for value, some in part[~constant].groupby(level=dots.by, sort=True):
        colors = [dots.styles[m].color for m in some.index.get_level_values("method")]
        look: dict[str, Any] = {"marker": dots.markers[value], "alpha": 0.85, "lw": 0, "zorder": 3}
        axes.scatter(some["x"], some["y"], size**2, colors, **look)
    for key, x, y in part[constant].itertuples(name=None):
        named = dict(zip(CELL, key, strict=True))
        style = Style(dots.styles[named["method"]].color, dots.markers[named[dots.by]], "")
        draw_point(axes, x, y, style, collapsed=True, size=size)
    axes.axhline(0, color=GREY, lw=0.6, zorder=1)
    axes.axvline(0, color=GREY, lw=0.6, zorder=1)
    axes.margins(0.08)
    axes.locator_params(axis="x", nbins=5)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.set(xlim=(min(left, -0.15 * right), max(right, -0.15 * left)))
    axes.set(ylim=(min(bottom, -0.2 * top), max(top, -0.2 * bottom)))
    edge = axes.get_xlim()[rising]
    axes.fill_between([0, edge], axes.get_ylim()[0], 0, color=SHADE, zorder=0, lw=0)
    axes.set_xlim(*axes.get_xlim())


def _statistics(associations: pd.DataFrame, metric: str, outcome: str, explainer: str) -> list[str]:
    """Return what the associations say of this panel, a line per model."""
    if associations.empty:
        return ["too few cells for a correlation"]
    ours = associations["predictor"].isin([metric, f"{metric}_change"])
    ours &= associations["outcome"].isin([outcome, f"{outcome}_change"])
    ours &= associations["explainer"] == explainer
    rows = associations[ours].dropna(subset=["estimate"])
    lines = [_statistic(row) for row in rows.to_dict("records")]
    return lines or ["too few cells for a correlation"]


def _statistic(row: dict[Any, Any]) -> str:
    numbers = (row["estimate"], row["ci_low"], row["ci_high"])
    if row["model"] == "spearman":
        text = "Spearman's ρ = {:.2f} [{:.2f}, {:.2f}], n = {:.0f}".format(*numbers, row["n"])
        return text.replace("-", "−")
    p = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}"
    text = "slope = {:#.3g} [{:#.3g}, {:#.3g}]".format(*numbers)
    return f"{text}, {p}".replace("-", "−")


def _finish(figure: Figure, dots: Dots, original: str) -> None:
    from matplotlib.patches import Patch

    methods = [handle(m, color=s.color, marker="o", ms=4.5) for m, s in dots.styles.items()]
    shapes = [
        handle(
            f"level {value:g}" if isinstance(value, float) else str(value),
            color=GREY,
            marker=marker,
            ms=4.5,
        )
        for value, marker in dots.markers.items()
    ]
    aim = Patch(color=SHADE, label="fairer, and\nlooks there less")
    handles = [*methods, *(shapes if len(shapes) > 1 else []), aim]
    look: dict[str, Any] = {"loc": "outside right upper", "labelspacing": 0.8}
    draw_legend(figure, handles, crossed=bool(dots.constant), **look)
    title(figure, f"Fairer, and for the right reasons? All cells against {original}")
    lines = ["A dot: one method at one level with one seed. ρ and slope: [95 % interval]."]
    if dots.constant:
        lines[0] += " Both leave constant classifiers out."
    if dots.missing:
        lines.append(f"Left out for a missing value: {dots.missing} dots.")
    note(figure, lines)
