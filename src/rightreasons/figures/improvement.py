"""How probably a method is better than the original, over tasks, levels and seeds."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import better, short_name
from rightreasons.figures._over_blocks import metrics_of, noise_of
from rightreasons.figures._style import (
    GREY,
    handle,
    method_order,
    note,
    nothing,
    page,
    panel_title,
    title_above,
)
from rightreasons.statistics.ranks import ALPHA, smallest_signed_rank_p

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
How probably a run of a method is better than a run of ``{original}`` in the same task, design and
level (the mean over these; equal runs count half), with 95 % bootstrap intervals: seeds are drawn
within tasks, for both methods together. At 0.5 neither is better; the number says how often, not
how much. Filled: p < 0.05 by Wilcoxon's signed-rank test over blocks, with Holm's correction over
all pairs of methods. Grey: methods that decide without a look at the image.
"""
BLUE = "#0072B2"


@FIGURES.register(
    "improvement",
    title="How probably each method is better than the original, over tasks, levels and seeds",
    paper="Agarwal et al. 2021",
    caption=CAPTION,
    category="4 Comparisons",
    label="probability of improvement",
    when=("blocks",),
    tables=("improvement",),
)
def improvement(given: Given, params: Params) -> Figure:
    """Draw a row per method and a column per metric: probability with its interval."""
    table, original = given.tables["improvement"], given.roles.original
    rows = table[(table["other"] == original) & table["probability"].notna()]
    if rows.empty:
        return nothing("no methods to compare")
    methods = method_order(rows["method"], given.roles)
    noise, metrics = noise_of(rows), metrics_of(rows)
    figure = page(1.55 + 0.17 * len(methods))
    grid = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        _panel(axes, rows[rows["metric"] == metric], methods, noise)
        panel_title(axes, fill(short_name(metric), 18), better(metric))
    grid[0].set_yticks(range(len(methods)), methods)
    for label, method in zip(grid[0].get_yticklabels(), methods, strict=True):
        label.set_color(GREY if method in noise else "black")
    grid[0].set_ylim(len(methods) - 0.5, -0.5)
    handles = [
        handle("p < 0.05, signed ranks over blocks, Holm", color=BLUE, marker="o", ms=4),
        handle("not significant", color=BLUE, marker="o", mfc="white", ms=4),
    ]
    if rows["wilcoxon_p"].isna().all():
        handles = [handle("no test: too few blocks", color=BLUE, marker="o", mfc="white", ms=4)]
    place = title_above(figure, f"Probability of being better than {original}", lines=1)
    figure.legend(handles=handles, ncols=2, **place)
    note(figure, _remarks(rows, len(methods) + 1))
    return figure


def _remarks(rows: pd.DataFrame, methods: int) -> list[str]:
    few, most = int(rows["blocks"].min()), int(rows["blocks"].max())
    blocks = str(most) if few == most else f"{few} to {most}"
    lines = [f"Over {blocks} blocks (task, design, level). Bars: 95 % intervals over seeds."]
    if rows["wilcoxon_p"].notna().any() and smallest_signed_rank_p(methods, most) >= ALPHA:
        lines.append(f"{blocks} blocks are too few for p < {ALPHA:g} among {methods} methods.")
    return lines


def _panel(axes: Axes, rows: pd.DataFrame, methods: list[str], noise: set[str]) -> None:
    axes.axvline(0.5, color=GREY, lw=0.6, zorder=0)
    for i in range(0, len(methods), 2):
        axes.axhspan(i - 0.5, i + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    for row in rows.to_dict("records"):
        y, color = methods.index(row["method"]), GREY if row["method"] in noise else BLUE
        axes.hlines(y, row["probability_low"], row["probability_high"], color=color, lw=1.0)
        face = color if row["wilcoxon_p"] < ALPHA else "white"
        axes.plot(row["probability"], y, "o", ms=3.8, mec=color, mfc=face, mew=0.8, clip_on=False,
                  zorder=3)  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), xticks=[0, 0.5, 1], xlabel="probability")
    axes.tick_params(axis="y", length=0)
