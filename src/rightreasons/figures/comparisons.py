"""Forest plot: every method against the references, such as the original and plain fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._cells import collapsed_cells
from rightreasons.figures._labels import better, initials, short_name
from rightreasons.figures._style import (
    GREY,
    handle,
    method_order,
    nothing,
    page,
    panel_title,
    spread,
    title,
)
from rightreasons.metrics import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Every method of task ``{task}`` against {references} on the same images, paired by seed: mean
difference over seeds with 95 % interval, which holds for other training runs and images (with one
seed: for these models on other images). Shade and marker: level of design ``{design}``. Filled:
p < 0.05 after Holm's correction over the methods. What differs from ``{original}`` but not from
another reference, or from the method's own control (the same run at strength 0), is no merit of the
method. Crossed: a constant classifier with at least one seed.
"""
MARKERS = "os^Dvph<>P"
ALPHA = 0.05
COLUMNS = 6
CONTROL = "its own control"
#: Metric and explainer of a panel; "" where no explainer applies.
Panel = tuple[str, str]


@FIGURES.register(
    "comparisons",
    title="Every method against the references, with intervals",
    paper="Own",
    caption=CAPTION,
    category="4 Comparisons",
    label="comparisons",
    over=("task", "design"),
    when=("rivals",),
    tables=("tests", "cell_metrics"),
    controls=True,
)
def comparisons(given: Given, params: Params) -> Figure:
    """Draw effects by seed with 95 % intervals: a column per metric, a block per reference.

    A row per method and a shade per level. Filled: p below 0.05 after Holm's correction. Constant
    classifiers are crossed. Missing comparisons are left out and counted.
    """
    rows = _paired(given)
    by_seed = bool((rows["unit"] == "seed").any())
    if rows["effect"].isna().all():
        return nothing("no comparisons")
    cells = given.table("cell_metrics")
    collapsed = set(collapsed_cells(cells)[["level", "method"]].itertuples(index=False, name=None))
    panels, levels = _panels(rows), sorted(rows["level"].unique())
    colors = _shades(levels)
    blocks = [
        (reference, some, method_order(part["method"], given.roles))
        for reference in (*given.roles.references, CONTROL)
        if len(part := rows[rows["reference"] == reference])
        for some in _split(panels)
    ]
    figure, grid = _grid([len(methods) for _, _, methods in blocks], len(blocks[0][1]), len(levels))
    same: dict[Panel, list[Axes]] = {}
    for axes_row, (reference, some, methods) in zip(grid, blocks, strict=True):
        of_reference = rows[rows["reference"] == reference]
        for axes in axes_row[len(some) :]:
            axes.set_visible(False)
        for axes, (metric, explainer) in zip(axes_row, some, strict=False):
            part = of_reference[of_reference["metric"] == metric]
            part = part[part["explainer"].fillna("") == explainer]
            _forest(axes, part, methods, colors, collapsed)
            same.setdefault((metric, explainer), []).append(axes)
            name = f"{short_name(metric)} {initials(explainer)}".strip()
            panel_title(axes, fill(name, 14), better(metric))
            if (reference, some) == blocks[-1][:2]:
                axes.set_xlabel("difference")
        axes_row[0].set_yticks(range(len(methods)), methods)
        axes_row[0].set_ylabel(f"against {reference}", fontweight="bold")
    for panels_of_one in same.values():
        _share(panels_of_one)
    _finish(figure, panels, colors, bool(collapsed), int(rows["effect"].isna().sum()))
    of = "paired by seed" if by_seed else "one run: these models, other images"
    title(figure, f"{given.task}: differences with 95 % intervals, {of}")
    return figure


def _paired(given: Given) -> pd.DataFrame:
    """Return the comparisons of this task and design, by the explainers that are shown.

    By seed, for one seed by image. A method's matched control is called CONTROL there, and is no
    method itself.
    """
    tests, matched = given.table("tests"), given.roles.matched
    tests = tests[tests["test"] == "paired"]
    by_seed = tests["unit"] == "seed"
    tests = tests[by_seed if tests.loc[by_seed, "ci_low"].notna().any() else ~by_seed]
    tests = tests[~tests["method"].isin(matched)]
    own = tests["method"] == tests["reference"].map(matched)
    tests = tests.assign(reference=tests["reference"].astype(object).mask(own, CONTROL))
    ours = tests["reference"].isin([*given.roles.references, CONTROL])
    ours &= tests["metric"].isin(headline("comparisons"))
    return tests[ours & (tests["explainer"].isna() | tests["explainer"].isin(given.facts.shown))]


def _panels(rows: pd.DataFrame) -> list[Panel]:
    """Return the metrics and explainers of the rows, in the metrics' order."""
    found = rows[["metric", "explainer"]].fillna("").drop_duplicates()
    return [
        (metric, explainer)
        for metric in headline("comparisons")
        for explainer in found.loc[found["metric"] == metric, "explainer"]
    ]


def _split(panels: Sequence[Panel]) -> list[Sequence[Panel]]:
    """Return the panels in rows of about the same length, none wider than the page."""
    count = -(-len(panels) // COLUMNS)
    width = -(-len(panels) // count)
    return [panels[i * width : (i + 1) * width] for i in range(count)]


def _shades(levels: Sequence[float]) -> dict[float, tuple[Any, str]]:
    """Return a colour from light to dark and a marker for each level."""
    from matplotlib import colormaps

    colors = colormaps["cividis"](0.34 - spread(len(levels), 0.34))
    return {level: (colors[i], MARKERS[i % len(MARKERS)]) for i, level in enumerate(levels)}


def _grid(methods: Sequence[int], columns: int, levels: int) -> tuple[Figure, list[list[Axes]]]:
    tall = max(0.24, 0.06 * levels)
    heights = [count * tall + 0.7 for count in methods]
    figure = page(sum(heights) + 1.0)
    grid = figure.subplots(
        len(methods), columns, squeeze=False, sharey="row", height_ratios=heights
    )
    return figure, [list(row) for row in grid]


def _forest(
    axes: Axes,
    rows: pd.DataFrame,
    methods: list[str],
    colors: dict[float, tuple[Any, str]],
    collapsed: set[tuple[float, str]],
) -> None:
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    for i in range(0, len(methods), 2):
        axes.axhspan(i - 0.5, i + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    shift = dict(zip(colors, spread(len(colors), 0.32), strict=True))
    for row in rows.dropna(subset=["effect"]).to_dict("records"):
        color, marker = colors[row["level"]]
        y = methods.index(row["method"]) + shift[row["level"]]
        axes.hlines(y, row["ci_low"], row["ci_high"], color=color, lw=0.9, zorder=2)
        face = color if row["p_holm"] < ALPHA else "white"
        axes.plot(row["effect"], y, marker, ms=3.4, mec=color, mfc=face, mew=0.7, zorder=3)
        if (row["level"], row["method"]) in collapsed:
            axes.plot(row["effect"], y, "x", ms=5.5, mec="black", mew=0.8, zorder=4)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)


def _share(panels: Sequence[Axes]) -> None:
    """Give the panels of one metric the same scale."""
    from matplotlib.ticker import MaxNLocator

    low, high = zip(*(axes.get_xlim() for axes in panels), strict=True)
    for axes in panels:
        axes.set_xlim(min(low), max(high))
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))


def _finish(
    figure: Figure,
    panels: Sequence[Panel],
    colors: dict[float, tuple[Any, str]],
    collapsed: bool,
    missing: int,
) -> None:
    handles = [
        handle(f"level {level:g}", color=c, marker=m, ms=4, lw=0.9, ls="-")
        for level, (c, m) in colors.items()
    ]
    handles.append(handle("Holm p < 0.05", color=GREY, marker="o", ms=4))
    handles.append(handle("not significant", color=GREY, marker="o", mfc="white", ms=4))
    if collapsed:
        handles.append(handle("constant classifier", color="black", marker="x"))
    long = sorted({explainer for _, explainer in panels if initials(explainer) != explainer})
    remarks = [f"{initials(explainer)}: maps by {explainer}." for explainer in long]
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
