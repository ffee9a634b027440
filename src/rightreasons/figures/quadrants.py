"""One dot per image in its quadrant: how much of its map's top lies where the artifact is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rightreasons.figures.dots import (
    QUADRANTS,
    RIGHT,
    WRONG,
    cell_name,
    chance_of,
    image_dots,
    levels_of,
    quadrant,
    summary,
)
from rightreasons.figures.metric_labels import short_name
from rightreasons.figures.style import GREY, WIDTH, note, panel_title, styled, title_above
from rightreasons.figures.tiles import nothing

LOOKS = {True: (RIGHT, "o", 9, "right"), False: (WRONG, "X", 13, "wrong")}


@styled
def quadrants(
    image_metrics: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    task: str,
    design: str,
    explainer: str,
    method: str = "vanilla",
    metric: str = "top_fraction",
    controls: Collection[str] = ("random",),
    target: str = "T",
    protected: str = "PA",
) -> Figure:
    """Return a row per level, a column per protected x target quadrant, a dot per image.

    image_metrics, predictions: the tables; all their seeds are pooled. Sideways: the image's value
    of `metric`. Blue dots: decided right, orange crosses: wrong. The upright line is the median,
    the dashed one the mean of the explainers in `controls`, which are noise.
    """
    dots = image_dots(
        image_metrics, predictions, task=task, design=design, method=method, metric=metric
    )
    chance, dots = chance_of(dots, controls), dots[dots["explainer"] == explainer]
    if dots.empty:
        return nothing(f"no values of {metric} by {explainer}")
    levels, name = levels_of(dots), short_name(metric)
    figure = Figure((WIDTH, 1.3 + 0.95 * len(levels)), layout="constrained")
    grid = figure.subplots(len(levels), 4, sharex=True, sharey=True, squeeze=False)
    for row, level in zip(grid, levels, strict=True):
        for axes, cell in zip(row, QUADRANTS, strict=True):
            part = quadrant(dots[dots["level"] == level], *cell)
            _panel(axes, part, chance)
            panel_title(axes, cell_name(*cell) if level == levels[0] else "", summary(part))
        row[0].set_ylabel(f"level {level:g}")
    for axes in grid[-1]:
        axes.set_xlabel(name)
    title = f"{task}, {design}: {name} of single images by {explainer}"
    place = title_above(figure, title, lines=1)
    figure.legend(handles=_handles(chance), ncols=4, **place)
    note(figure, _remarks(target, protected, method, dots))
    return figure


def _panel(axes: Axes, dots: pd.DataFrame, chance: float) -> None:
    for right, (color, marker, size, _) in LOOKS.items():
        part = dots[dots["right"] == right]
        look: dict[str, Any] = {
            "s": size,
            "marker": marker,
            "lw": 0,
            "alpha": 0.6,
            "clip_on": False,
        }
        axes.scatter(part["value"], part["height"], color=color, zorder=3 - right, **look)
    if len(dots):
        axes.axvline(dots["value"].median(), color="black", lw=0.9, zorder=4)
    if not np.isnan(chance):
        axes.axvline(chance, color=GREY, lw=0.7, ls="--", zorder=0)
    axes.set(xlim=(0, 1), ylim=(-0.06, 1.06), xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[])
    axes.set_xticklabels(["0", "", "0.5", "", "1"])


def _handles(chance: float) -> list[Line2D]:
    looks = [(color, marker, label) for color, marker, _, label in LOOKS.values()]
    handles = [
        Line2D([], [], ls="", marker=marker, color=color, mew=0, ms=4, label=label)
        for color, marker, label in looks
    ]
    handles.append(Line2D([], [], color="black", lw=0.9, label="median"))
    if not np.isnan(chance):
        label = f"mean of random maps ({chance:.3f})"
        handles.append(Line2D([], [], color=GREY, lw=0.7, ls="--", label=label))
    return handles


def _remarks(target: str, protected: str, method: str, dots: pd.DataFrame) -> list[str]:
    seeds = dots["seed"].nunique()
    pooled = f"{seeds} seeds pooled: a dot per image and seed" if seeds > 1 else "1 seed"
    return [
        f"PA: {protected}. T: {target}. Model: {method}, {pooled}.",
        "Height: of no meaning, the same for an image everywhere.",
    ]
