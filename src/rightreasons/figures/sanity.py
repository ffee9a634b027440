"""Sanity check (Adebayo et al. 2018): do maps change when the weights become random?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import (
    GREY,
    Style,
    draw_legend,
    explainer_styles,
    legend_handles,
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
Sanity check of the explainers (Adebayo et al. 2018) on task ``{task}``, design ``{design}``:
similarity of a map to that of the trained network, while its layers become random one after the
other, from the output down. A map that stays the same does not depend on what the network has
learned. Means over models; bars are means of the 95 % intervals.
"""
MAX_LINES = 15
PANELS = {"ssim": ("SSIM", "structural similarity"), "spearman": ("Spearman", "rank correlation")}


@FIGURES.register(
    "sanity",
    title="Similarity of maps while layers become random, a line per explainer",
    paper="Adebayo et al. 2018",
    caption=CAPTION,
    category="9 Yardstick",
    label="sanity check",
    over=("task", "design"),
    tables=("sanity",),
)
def sanity(given: Given, params: Params) -> Figure:
    """Draw a panel per similarity: randomised layers against it, a line per explainer.

    Cells of this task and design are averaged, and so are the ends of their intervals (bars).
    Layers become random one after the other, from the output down. The first 15 explainers are
    shown; others are named below.
    """
    rows = given.table("sanity").dropna(subset=["value"])
    if rows.empty:
        return nothing("no sanity checks")
    names = list(dict.fromkeys(rows["explainer"]))
    styles = explainer_styles(names[:MAX_LINES], given.roles)
    shown = [name for name in PANELS if (rows["similarity"] == name).any()]
    figure = page(3.4)
    widths = [1.0] * len(shown) + [0.5]
    *panels, legend = figure.subplots(1, len(shown) + 1, gridspec_kw={"width_ratios": widths})
    for axes, similarity in zip(panels, shown, strict=True):
        _panel(axes, rows[rows["similarity"] == similarity], styles)
        panel_title(axes, *PANELS[similarity])
        _layers(axes, rows)
    draw_legend(figure, legend_handles(styles), crossed=False, axes=legend)
    title(figure, f"{given.task}, {given.design}: maps while layers become random")
    note(figure, _remarks(rows, names[MAX_LINES:]))
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, styles: dict[str, Style]) -> None:
    columns = ["value", "ci_low", "ci_high"]
    for name, style in styles.items():
        line = rows[rows["explainer"] == name].groupby("randomised")[columns].mean()
        look: dict[str, Any] = {"color": style.color, "clip_on": False}
        axes.plot(line.index, line["value"], style.marker, ls=style.line, ms=3.5, lw=0.9, **look)
        axes.vlines(line.index, line["ci_low"], line["ci_high"], lw=0.8, alpha=0.35, **look)
    axes.axhline(0, color=GREY, lw=0.5, zorder=0)
    axes.set_ylim(np.nanmin([0, *rows["ci_low"], *rows["value"]]) - 0.03, 1.03)


def _layers(axes: Axes, rows: pd.DataFrame) -> None:
    """Label the axis with the layers' names where they are the same in all cells, or numbers."""
    names = rows.groupby("randomised")["layer"].unique()
    same = all(len(found) == 1 for found in names)
    axes.set_xticks(names.index, [f[0] for f in names] if same else [str(i) for i in names.index])
    axes.set_xlabel("last layer to become random, from the output down" if same else
                    "layers that are random, from the output down")  # fmt: skip
    if same:
        axes.tick_params(axis="x", rotation=90)


def _remarks(rows: pd.DataFrame, left_out: list[str]) -> list[str]:
    cells = len(rows[["level", "seed", "method"]].drop_duplicates())
    lines = [
        f"Similarity of the map to the trained network's. Means over {cells} "
        f"model{'s' * (cells > 1)}; bars: mean 95 % intervals."
    ]
    if left_out:
        lines.append(f"Not shown: {', '.join(left_out)}.")
    return lines
