"""Probes of explanation quality: every explainer by every probe, and which beat the controls."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import ARROWS
from rightreasons.figures._style import (
    GREY,
    draw_legend,
    handle,
    note,
    nothing,
    page,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Probes of explanation quality on task ``{task}``, design ``{design}``: the mean of every probe for
every explainer. Colours say whether an explainer is better than the best control, which sees
neither network nor class: blue where the 95 % interval of the difference, images in pairs, lies
above 0, red where it lies below. Arrows say what is better. No probe says by itself that an
explanation is right; one that noise or edges do as well at says nothing of the network here.
"""
MAX_COLUMNS = 15
ABOVE, BELOW, NEITHER, CONTROL = "#9ECAE1", "#F4A582", "#FFFFFF", "#E8E8E8"
LEGEND = {
    "better than the best control": ABOVE,
    "not told apart": NEITHER,
    "worse": BELOW,
    "control": CONTROL,
}


@FIGURES.register(
    "probes",
    title="Probes of explanation quality, explainers x probes",
    paper="Own",
    caption=CAPTION,
    category="9 Yardstick",
    label="probes",
    over=("task", "design"),
    tables=("probes",),
)
def probes(given: Given, params: Params) -> Figure:
    """Draw a table of means, coloured by what the explainer has above the best control.

    Models of this task and design are averaged: values, differences and the ends of their
    intervals. Controls come last. The first 15 probes are shown; others are named below.
    """
    rows = given.table("probes")
    if rows["value"].isna().all():
        return nothing("no probes")
    every = list(dict.fromkeys(rows["probe"]))
    shown = every[:MAX_COLUMNS]
    control = rows.groupby("explainer", sort=False)["control"].first().astype(bool)
    names = [*control.index[~control], *control.index[control]]
    columns = ["value", "above_low", "above_high"]
    means = rows.groupby(["explainer", "probe"])[columns].mean()
    figure = page(1.9 + 0.21 * len(names))
    axes = figure.subplots()
    for (y, name), (x, probe) in itertools.product(enumerate(names), enumerate(shown)):
        _cell(axes, x, y, means.loc[(name, probe)], bool(control[name]))
    _frame(axes, rows, names, shown)
    legend = [
        handle(label, marker="s", ms=7, mfc=color, mec=GREY, mew=0.5)
        for label, color in LEGEND.items()
    ]
    text = f"{given.task}, {given.design}: probes of explanation quality"
    draw_legend(figure, legend, crossed=False, ncols=4, **title_above(figure, text, 1))
    note(figure, _remarks(rows, every[MAX_COLUMNS:]))
    return figure


def _cell(axes: Axes, x: int, y: int, mean: pd.Series, control: bool) -> None:
    """Draw one number in its colour; nothing where there is none."""
    if np.isnan(mean["value"]):
        return
    above, below = mean["above_low"] > 0, mean["above_high"] < 0
    color = CONTROL if control else ABOVE if above else BELOW if below else NEITHER
    axes.fill_between([x - 0.48, x + 0.48], y - 0.46, y + 0.46, color=color, lw=0)
    axes.text(x, y, _number(mean["value"]), ha="center", va="center")


def _number(value: float) -> str:
    """Return a number with two or three digits that count; small ones as 2e-4."""
    size = abs(value)
    if 0 < size < 0.00095:
        text = f"{value:.0e}".replace("e-0", "e-")
    else:
        digits = 0 if size >= 99.5 else 1 if size >= 9.95 else 2 if size >= 0.0995 else 3
        text = f"{value:.{digits}f}"
    return text.replace("-", "−")


def _frame(axes: Axes, rows: pd.DataFrame, names: list[str], shown: list[str]) -> None:
    """Name rows and columns, and part the families of probes."""
    first = rows.drop_duplicates("probe")
    better = dict(zip(first["probe"], first["better"], strict=True))
    family = dict(zip(first["probe"], first["family"], strict=True))
    labels = [f"{probe.replace('_', ' ')} {ARROWS[better[probe]]}" for probe in shown]
    axes.set_xticks(range(len(shown)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for x, (one, other) in enumerate(itertools.pairwise(shown), start=1):
        if family[one] != family[other]:
            axes.axvline(x - 0.5, color=GREY, lw=0.6)


def _remarks(rows: pd.DataFrame, left_out: list[str]) -> list[str]:
    models = len(rows[["level", "seed", "method"]].drop_duplicates())
    families = ", ".join(dict.fromkeys(rows["family"]))
    lines = [f"Means over {models} model{'s' * (models > 1)}. Lines part families: {families}."]
    if left_out:
        lines.append(f"Not shown: {', '.join(left_out)}.")
    return lines
