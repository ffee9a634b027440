"""After debiasing: which maps tell a model that still relies on the attribute?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._ranked import (
    BLUE,
    PAIR,
    bars,
    colours,
    counted,
    ends,
    hidden,
    interval,
    label_rows,
    ranked,
)
from rightreasons.figures._style import GREY, handle, note, nothing, page, panel_title, title_above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = """
Debiased models alone, where the original relies on the protected attribute: does a map tell which
of them still rely on it? Left: Spearman's rank correlation within a task and level between what the
metric claims and the share of decisions that the attribute alone flips (filled), beside that over
all models and levels (hollow). Right: how often a model relies on the attribute if its map says so,
and how often it does not if its map says nothing; bars: how often it does not, map or none. Grey:
explainers that know nothing of the model.
"""
RATES = (
    ("true_if_made", "relies, if the map says so", BLUE, "o"),
    ("untrue_if_not", "does not, if the map says nothing", "#D55E00", "X"),
)


@FIGURES.register(
    "yardstick_debiased",
    title="Which maps can be believed after debiasing",
    paper="Own",
    caption=CAPTION,
    category="9 Yardstick",
    label="after debiasing",
    tables=("yardstick", "yardstick_debiased"),
    controls=True,
)
def yardstick_debiased(given: Given, params: Params) -> Figure:
    """Draw a row per explainer and metric, by rank among debiased models."""
    rows = ranked(given.tables["yardstick_debiased"])
    if rows.empty:
        return nothing("no debiased models")
    chosen, places = ends(rows)
    every = given.tables["yardstick"]
    within = every[every["truth"] == "flips"].set_index(PAIR)["within"]
    figure = page(1.7 + 0.17 * (len(chosen) + 1))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.2, 1))
    low, high, about = interval(rows, "within", ("within_tasks_low", "within_tasks_high"))
    colors = colours(chosen, given.roles.controls)
    bars(left, chosen[[low, "within", high]], places, colors)
    before = within.reindex([tuple(key) for key in chosen[PAIR].to_numpy()])
    left.scatter(before, places, s=14, facecolors="white", edgecolors=colors, lw=0.7, zorder=2)
    left.axvline(0, color=GREY, lw=0.5, zorder=0)
    left.set_xlim(np.nanmin([0, *chosen[low], *chosen["within"], *before]) - 0.05, 1.05)
    panel_title(left, "Spearman's ρ", "with decisions flipped, ↑ better")
    guess = chosen["n_not_reliant"] / (chosen["n_reliant"] + chosen["n_not_reliant"])
    right.scatter(guess, places, s=50, marker="|", color=GREY, lw=0.8, zorder=1)
    for column, _, color, marker in RATES:
        right.scatter(chosen[column], places, s=16, color=color, marker=marker, lw=0, zorder=3)
    right.hlines(places, 0, 1, color="#EEEEEE", lw=0.6, zorder=0)
    right.set_xlim(-0.03, 1.03)
    right.tick_params(axis="y", length=0)
    panel_title(right, "Share of models", "↑ better")
    label_rows(left, chosen, places, given.roles.controls)
    place = title_above(figure, "Which map can be believed after debiasing?", lines=2)
    marks = [handle(words, marker=m, color=c, mew=0, ms=5) for _, words, c, m in RATES]
    marks = [
        handle("debiased models, within a level", marker="o", color=BLUE, ms=4),
        handle("all models", marker="o", mfc="white", color=BLUE, ms=4),
        *marks,
        handle("does not, map or none", marker="|", color=GREY, ms=7),
    ]
    figure.legend(handles=marks, ncols=3, **place)
    said = f"ρ over {counted(chosen, 'models')} debiased models; its interval: {about}."
    note(figure, [said, *hidden(rows, chosen)])
    return figure
