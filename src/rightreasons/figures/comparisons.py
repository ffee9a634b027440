"""Forest plot: every method against vanilla and against finetune."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rightreasons.figures.cells import collapsed_cells
from rightreasons.figures.metric_labels import better, short_name
from rightreasons.figures.style import (
    GREY,
    WIDTH,
    empty,
    method_order,
    panel_title,
    spread,
    styled,
)

SHOWN = ("equalized_odds", "accuracy", "rrf", "twin_flip_rate")
REFERENCES = ("vanilla", "finetune")
MARKERS = "os^Dvph<>P"
ALPHA = 0.05


@styled
def comparisons(
    tests: pd.DataFrame,
    cell_metrics: pd.DataFrame,
    *,
    task: str,
    design: str,
    metrics: Sequence[str] = SHOWN,
) -> Figure:
    """Return effects with 95 % intervals: a column per metric, a block per reference.

    tests: the table; its paired comparisons of this task and design are shown, a row per method
    and a shade per level. Filled: p below 0.05 after Holm's correction. cell_metrics says which
    models are constant classifiers: crossed. Missing comparisons are left out and counted.
    """
    rows = _paired(tests, task, design, metrics)
    cells = cell_metrics[(cell_metrics["task"] == task) & (cell_metrics["design"] == design)]
    collapsed = set(collapsed_cells(cells)[["level", "method"]].itertuples(index=False, name=None))
    panels = _panels(rows, metrics)
    references = [r for r in REFERENCES if (rows["reference"] == r).any()] or ["vanilla"]
    levels = sorted(rows["level"].unique())
    colors = _shades(levels)
    blocks = {r: method_order(rows.loc[rows["reference"] == r, "method"]) for r in references}
    figure, grid = _grid(blocks, len(panels), len(levels))
    for axes_row, (reference, methods) in zip(grid, blocks.items(), strict=True):
        of_reference = rows[rows["reference"] == reference]
        for axes, (metric, explainer) in zip(axes_row, panels, strict=True):
            part = of_reference[of_reference["metric"] == metric]
            if explainer:
                part = part[part["explainer"] == explainer]
            _forest(axes, part, methods, colors, collapsed)
            name = f"{short_name(metric)} {_initials(explainer)}".strip()
            panel_title(axes, name, better(metric))
        axes_row[0].set_yticks(range(len(methods)), methods)
        axes_row[0].set_ylabel(f"against {reference}", fontweight="bold")
    for axes in grid[-1]:
        axes.set_xlabel("difference")
    _finish(figure, task, panels, colors, bool(collapsed), int(rows["effect"].isna().sum()))
    return figure


def _paired(tests: pd.DataFrame, task: str, design: str, metrics: Sequence[str]) -> pd.DataFrame:
    ours = (tests["task"] == task) & (tests["design"] == design)
    ours &= tests["reference"].isin(REFERENCES) & tests["metric"].isin(metrics)
    return tests[ours & tests["seed"].isna()]


def _panels(rows: pd.DataFrame, metrics: Sequence[str]) -> list[tuple[str, str]]:
    """Return the (metric, explainer) pairs of the rows; "" where no explainer applies."""
    found = rows[["metric", "explainer"]].fillna("").drop_duplicates()
    pairs = [
        (metric, explainer)
        for metric in metrics
        for explainer in found.loc[found["metric"] == metric, "explainer"]
    ]
    return pairs or [(metrics[0], "")]


def _shades(levels: Sequence[float]) -> dict[float, tuple[Any, str]]:
    """Return a colour from light to dark and a marker for each level."""
    colors = colormaps["cividis"](0.34 - spread(len(levels), 0.34))
    return {level: (colors[i], MARKERS[i % len(MARKERS)]) for i, level in enumerate(levels)}


def _grid(
    blocks: dict[str, list[str]], columns: int, levels: int
) -> tuple[Figure, list[list[Axes]]]:
    tall = max(0.24, 0.06 * levels)
    heights = [max(len(methods), 1) * tall + 0.7 for methods in blocks.values()]
    figure = Figure((WIDTH, sum(heights) + 1.0), layout="constrained")
    grid = figure.subplots(
        len(blocks), columns, squeeze=False, sharey="row", sharex="col", height_ratios=heights
    )
    return figure, [list(row) for row in grid]


def _forest(
    axes: Axes,
    rows: pd.DataFrame,
    methods: list[str],
    colors: dict[float, tuple[Any, str]],
    collapsed: set[tuple[float, str]],
) -> None:
    axes.set_ylim(max(len(methods), 1) - 0.5, -0.5)
    known = rows.dropna(subset=["effect"])
    if known.empty:
        empty(axes, "no\ncomparisons")
        return
    axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    for i in range(0, len(methods), 2):
        axes.axhspan(i - 0.5, i + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    shift = dict(zip(colors, spread(len(colors), 0.32), strict=True))
    for row in known.to_dict("records"):
        color, marker = colors[row["level"]]
        y = methods.index(row["method"]) + shift[row["level"]]
        axes.hlines(y, row["ci_low"], row["ci_high"], color=color, lw=0.9, zorder=2)
        face = color if row["p_holm"] < ALPHA else "white"
        axes.plot(row["effect"], y, marker, ms=3.4, mec=color, mfc=face, mew=0.7, zorder=3)
        if (row["level"], row["method"]) in collapsed:
            axes.plot(row["effect"], y, "x", ms=5.5, mec="black", mew=0.8, zorder=4)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0)


def _initials(explainer: str) -> str:
    """Return a short name: integrated_gradients becomes IG."""
    return (
        "".join(word[0] for word in explainer.split("_")).upper()
        if "_" in explainer
        else (explainer)
    )


def _finish(
    figure: Figure,
    task: str,
    panels: list[tuple[str, str]],
    colors: dict[float, tuple[Any, str]],
    collapsed: bool,
    missing: int,
) -> None:
    handles = [
        Line2D([], [], color=c, marker=m, ms=4, lw=0.9, label=f"level {level:g}")
        for level, (c, m) in colors.items()
    ]
    handles.append(Line2D([], [], color=GREY, marker="o", ms=4, ls="", label="Holm p < 0.05"))
    handles.append(
        Line2D([], [], color=GREY, marker="o", mfc="white", ms=4, ls="", label="not significant")
    )
    if collapsed:
        cross = Line2D([], [], color="black", marker="x", ls="", label="constant classifier")
        handles.append(cross)
    long = sorted({e for _, e in panels if _initials(e) != e})
    remarks = [f"{_initials(explainer)}: maps by {explainer}." for explainer in long]
    if missing:
        remarks.append(f"Missing comparisons left out: {missing}.")
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=6,
        title="  ".join(remarks),
        title_fontproperties={"size": 7},
        alignment="left",
    )
    figure.suptitle(f"{task}: differences with 95 % intervals, seeds pooled", x=0.01, ha="left")
