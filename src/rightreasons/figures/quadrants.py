"""One dot per image in its quadrant: how much of its map's top lies where the artifact is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._dots import (
    QUADRANTS,
    RIGHT,
    WRONG,
    cell_name,
    chance_of,
    dots_of,
    levels_of,
    quadrant,
    summary,
)
from rightreasons.figures._labels import short_name
from rightreasons.figures._style import GREY, handle, note, nothing, page, panel_title, title_above
from rightreasons.metrics import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CAPTION = """
One dot per test image of task ``{task}``: the top fraction of its {explainer} map, which is the
share of the map's highest pixels that lie in the smallest rectangle around the artifact. A row per
level of design ``{design}``, a column per combination of protected attribute (PA, ``{protected}``)
and target (T, ``{target}``). Blue: the model decided right, orange: wrong. Black line: median.
Dashed: mean of random maps, what a map has that knows nothing. All seeds are pooled; the height of
a dot has no meaning. The page ``report/quadrants-{task}-{design}.html`` shows the first seed's dots
with image, map and decision under the mouse.
"""
LOOKS = {True: (RIGHT, "o", 9, "right"), False: (WRONG, "X", 13, "wrong")}


@FIGURES.register(
    "quadrants",
    title="A dot per image: its map's top fraction, by level and protected x target cell",
    paper="Searching for Unintended Biases With Saliency",
    caption=CAPTION,
    category="8 Artifacts",
    label="quadrants",
    over=("task", "design", "explainer"),
    when=("artifact", "shown", "two_groups"),
    files=("dots",),
)
def quadrants(given: Given, params: Params) -> Figure:
    """Draw a row per level, a column per protected x target quadrant, a dot per image.

    All seeds are pooled. Sideways: the image's value of the metric. Blue dots: decided right,
    orange crosses: wrong. The upright line is the median, the dashed one the mean of noise.
    """
    metric = headline("images")[0]
    dots, name = dots_of(given, metric), short_name(metric)
    chance, dots = chance_of(dots, given.roles.noise), dots[dots["explainer"] == given.explainer]
    if dots.empty:
        return nothing(f"no values of {metric} by {given.explainer}")
    levels = levels_of(dots)
    figure = page(1.3 + 0.95 * len(levels))
    grid = figure.subplots(len(levels), 4, sharex=True, sharey=True, squeeze=False)
    for row, level in zip(grid, levels, strict=True):
        for axes, cell in zip(row, QUADRANTS, strict=True):
            part = quadrant(dots[dots["level"] == level], *cell)
            _panel(axes, part, chance)
            panel_title(axes, cell_name(*cell) if level == levels[0] else "", summary(part))
        row[0].set_ylabel(f"level {level:g}")
    for axes in grid[-1]:
        axes.set_xlabel(name)
    title = f"{given.task}, {given.design}: {name} of single images by {given.explainer}"
    place = title_above(figure, title, lines=1)
    figure.legend(handles=_handles(chance), ncols=4, **place)
    note(figure, _remarks(given, dots))
    return figure


def _panel(axes: Axes, dots: pd.DataFrame, chance: float) -> None:
    for right, (color, marker, size, _) in LOOKS.items():
        part = dots[dots["right"] == right]
        look: dict[str, Any] = {"s": size, "marker": marker, "lw": 0, "alpha": 0.6}
        axes.scatter(part["value"], part["height"], color=color, zorder=3 - right, **look)
    if len(dots):
        axes.axvline(dots["value"].median(), color="black", lw=0.9, zorder=4)
    if not np.isnan(chance):
        axes.axvline(chance, color=GREY, lw=0.7, ls="--", zorder=0)
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.06, 1.06), xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[])
    axes.set_xticklabels(["0", "", "0.5", "", "1"])


def _handles(chance: float) -> list[Line2D]:
    looks = [(color, marker, label) for color, marker, _, label in LOOKS.values()]
    handles = [
        handle(label, marker=marker, color=color, mew=0, ms=4) for color, marker, label in looks
    ]
    handles.append(handle("median", color="black", lw=0.9, ls="-"))
    if not np.isnan(chance):
        label = f"mean of random maps ({chance:.3f})"
        handles.append(handle(label, color=GREY, lw=0.7, ls="--"))
    return handles


def _remarks(given: Given, dots: pd.DataFrame) -> list[str]:
    seeds = dots["seed"].nunique()
    pooled = f"{seeds} seeds pooled: a dot per image and seed" if seeds > 1 else "1 seed"
    return [
        f"PA: {given.facts.protected}. T: {given.facts.target}. "
        f"Model: {given.roles.original}, {pooled}.",
        "Height: of no meaning, the same for an image everywhere.",
    ]
