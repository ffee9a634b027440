"""The multiverse: which conclusions change with choices that cost no training, and with which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import (
    GREY,
    handle,
    method_order,
    note,
    nothing,
    page,
    panel_title,
    title,
)
from rightreasons.tables.asked import CHOICES, QUESTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
What is concluded of every method of task ``{task}``, design ``{design}``, against ``{original}``,
in all universes: combinations of choices that cost no training. Left: the share of universes with
each answer (better or worse: p < 0.05 over seeds, not corrected); the dot is the answer by default.
Right: how often the answer changes where only one choice differs from the default. Bold: it changes
in more than 10 % of all universes.
"""
COLORS = {"better": "#0072B2", "undecided": "#D9D9D9", "worse": "#D55E00"}
MAP = "Purples"
DARK = 0.6  # from this share on numbers are white
ROW, MOST = 0.19, 11.5  # inches: a row, and all of them


@FIGURES.register(
    "multiverse",
    title="Which conclusions change with choices that cost no training",
    paper="Own; after Steegen et al. 2016, Simonsohn et al. 2020",
    caption=CAPTION,
    category="4 Comparisons",
    label="multiverse",
    over=("task", "design"),
    when=("rivals",),
    tables=("robustness",),
)
def multiverse(given: Given, params: Params) -> Figure:
    """Draw a row per question and method: shares of answers, and flips by choice.

    Against the original alone. Choices that nothing was tried for are left out.
    """
    rows = given.table("robustness")
    rows = rows[rows["reference"] == given.roles.original]
    if rows.empty:
        return nothing("no conclusions")
    rows = _ordered(rows, given)
    choices = [name for name in CHOICES if rows[f"flips_{name}"].notna().any()]
    figure = page(1.5 + min(ROW * (len(rows) + rows["question"].nunique()), MOST))
    bars, grid = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    places = _places(rows)
    _bars(bars, rows, places)
    _grid(grid, rows, places, choices)
    for axes in (bars, grid):
        axes.set_ylim(places[-1] + 0.6, -1.6)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    looks = [handle(name, color=color, marker="s", ms=5) for name, color in COLORS.items()]
    looks.append(handle("answer by default", color=GREY, marker="o", ms=4))
    figure.legend(handles=looks, loc="outside lower left", ncols=4)
    title(figure, f"{given.task}, {given.design}: conclusions against {given.roles.original}")
    if rows["flips"].isna().all():
        note(figure, ["One seed: there are no answers, and none can change."])
    return figure


def _ordered(rows: pd.DataFrame, given: Given) -> pd.DataFrame:
    """Return the rows by question and by method, each in its own order."""
    methods = method_order(rows["method"], given.roles)
    keys = rows.assign(
        _question=rows["question"].map(list(QUESTIONS).index),
        _method=rows["method"].map(methods.index),
    )
    return keys.sort_values(["_question", "_method"]).reset_index(drop=True)


def _places(rows: pd.DataFrame) -> np.ndarray:
    """Return the height of each row; a question begins with room for its name."""
    new = rows["question"] != rows["question"].shift()
    return np.arange(len(rows)) + new.cumsum().to_numpy() - 1.0


def _bars(axes: Axes, rows: pd.DataFrame, places: np.ndarray) -> None:
    left = np.zeros(len(rows))
    for name, color in COLORS.items():
        share = rows[name].to_numpy(np.float64)
        axes.barh(places, share, 0.78, left=left, color=color, lw=0)
        left += share
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        axes.plot(-0.035, place, "o", ms=4, color=COLORS[row["answer"]], mec=GREY, mew=0.4)
    for place, question in _headings(rows, places):
        axes.text(-0.06, place, question, va="center", style="italic", color=GREY)
    axes.set_xlim(-0.07, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_yticks(places, rows["method"])
    for label, fragile in zip(axes.get_yticklabels(), rows["fragile"], strict=True):
        label.set_fontweight("bold" if fragile is True else "normal")
    panel_title(axes, "All universes", "share with each answer")


def _headings(rows: pd.DataFrame, places: np.ndarray) -> list[tuple[float, str]]:
    """Return where each question begins, and what it asks with the number of universes."""
    found = []
    for question, part in rows.groupby("question", sort=False):
        count = int(part["universes"].max())
        found.append(
            (places[part.index[0]] - 1.0, f"{QUESTIONS[str(question)]} ({count} universes)")
        )
    return found


def _grid(axes: Axes, rows: pd.DataFrame, places: np.ndarray, choices: list[str]) -> None:
    """Draw the share of flips in all universes and by each choice alone."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    columns = ["flips", *(f"flips_{name}" for name in choices)]
    for (place, row), (x, column) in (
        (r, c)
        for r in zip(places, rows.to_dict("records"), strict=True)
        for c in enumerate(columns)
    ):
        share = row[column]
        if pd.isna(share):
            continue
        at = x + 0.25 * (x > 0)
        box = Rectangle((at - 0.48, place - 0.42), 0.96, 0.84, lw=0, color=colormaps[MAP](share))
        axes.add_patch(box)
        color = "white" if share >= DARK else "black"
        axes.text(at, place, f"{100 * share:.0f}", ha="center", va="center", color=color)
    axes.set_xlim(-0.6, len(columns) - 0.2)
    names = ["all", *choices]
    axes.set_xticks([x + 0.25 * (x > 0) for x in range(len(names))], names, rotation=35)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks([])
    panel_title(axes, "Answers that change", "% of universes: all, and where one choice differs")
