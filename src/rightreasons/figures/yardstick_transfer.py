"""Does a ranking on some datasets hold on the others? One dot per explainer and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import (
    GREY,
    Style,
    explainer_styles,
    handle,
    note,
    nothing,
    page,
    panel_title,
    title_above,
)
from rightreasons.tables.yardstick_transfer import halved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
A dot per explainer and metric: its mean rank correlation with true reliance on the datasets of one
half (sideways) against that on the other half (upwards), for every way to cut the datasets into
halves; with one dataset the tasks are cut. Crosses: explainers that know nothing of the model. On
the line a pair is worth the same in both halves. Ringed: the pair that is best on the one half.
"""
COLUMNS, MOST = 3, 6  # panels in a row, and in all


@FIGURES.register(
    "yardstick_transfer",
    title="The ranking on one half of the datasets against the other half",
    paper="Own",
    caption=CAPTION,
    category="9 Yardstick",
    label="across datasets",
    tables=("yardstick_tasks",),
    controls=True,
)
def yardstick_transfer(given: Given, params: Params) -> Figure:
    """Draw a panel per way to cut the datasets (or tasks): one half against the other."""
    cuts = halved(given.tables["yardstick_tasks"])
    if not cuts:
        return nothing("no second task")
    shown = cuts[:MOST]
    width = min(COLUMNS, len(shown))
    lines = -(-len(shown) // width)
    names = list(dict.fromkeys(name for cut in shown for name in cut.pairs["explainer"]))
    styles = explainer_styles(names, given.roles)
    figure = page(1.0 + 2.5 * lines + 0.16 * -(-(len(names) + 1) // 5))
    grid = figure.subplots(lines, width, squeeze=False)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    for axes, cut in zip(grid.ravel(), shown, strict=False):
        known = cut.pairs[~cut.pairs["explainer"].isin(given.roles.controls)]
        _panel(axes, cut.pairs, known, styles)
        agreement = float(known[["here", "there"]].rank().corr().to_numpy()[0, 1])
        panel_title(axes, f"ρ = {agreement:.2f}".replace("-", "−"), "of pairs in both halves")
        axes.set_xlabel(" + ".join(cut.half))
        axes.set_ylabel(" + ".join(cut.others))
    place = title_above(figure, "Is what is best here best there?", lines=-(-(len(names) + 1) // 5))
    handles = [handle(name, color=s.color, marker=s.marker, ms=4) for name, s in styles.items()]
    handles.append(handle("best on the one half", marker="o", mfc="none", color=GREY, ms=7))
    figure.legend(handles=handles, ncols=5, **place)
    if hidden := len(cuts) - len(shown):
        note(figure, [f"{len(shown)} of {len(cuts)} ways to cut; {hidden} not shown."])
    return figure


def _panel(axes: Axes, pairs: pd.DataFrame, known: pd.DataFrame, styles: dict[str, Style]) -> None:
    for explainer, part in pairs.groupby("explainer", sort=False, observed=True):
        style = styles[str(explainer)]
        axes.scatter(part["here"], part["there"], s=9, color=style.color, marker=style.marker)
    axes.axline((0, 0), slope=1, color=GREY, lw=0.5, zorder=0)
    if len(known):
        best = known.iloc[int(known["here"].argmax())]
        axes.plot(best["here"], best["there"], "o", ms=8, mfc="none", mec=GREY)
    axes.set(xlim=(axes.get_xlim()[0], 1.05), ylim=(axes.get_ylim()[0], 1.05))
