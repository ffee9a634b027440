"""Two shortcuts at once: less of one, more of the other?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import (
    GREY,
    draw_legend,
    handle,
    method_styles,
    note,
    nothing,
    page,
    panel_title,
    title_above,
)
from rightreasons.tables.shortcuts import LESS, MORE, WHAC_A_MOLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rightreasons.figures._style import Style

CAPTION = """
Task ``{task}``: what each method does to two shortcuts at once, against ``{original}``. Sideways:
change of the share of decisions that ``{protected}`` alone flips, which the method is to mitigate.
Upwards: the same of the watched attribute, which no method knows of. Bars: 95 % intervals by seed
(over images for one seed), not corrected for the number of methods. Filled: neither interval has 0
in it. Shaded: less of one, more of the other, where a mitigated shortcut comes back as another
(Whac-A-Mole; Li et al. 2023).
"""
ENTRIES = 5
MOST_LEVELS = 3
SHADE = "#F6EFE3"


@FIGURES.register(
    "two_shortcuts",
    title="Change of reliance on the protected and on a watched attribute, a dot per method",
    paper="Li et al. 2023, A Whac-A-Mole Dilemma",
    caption=CAPTION,
    category="4 Comparisons",
    label="two shortcuts",
    over=("task", "design"),
    when=("watched", "twins", "rivals"),
    tables=("two_shortcuts",),
)
def two_shortcuts(given: Given, params: Params) -> Figure:
    """Draw a panel per level: change on the protected attribute against that on the watched one.

    Of more than three levels the farthest from 0 are shown.
    """
    changes = ["protected_change", "watched_change"]
    rows = given.table("two_shortcuts").dropna(subset=changes)
    if rows.empty:
        return nothing("no method to compare")
    levels = sorted(sorted(rows["level"].unique(), key=abs)[-MOST_LEVELS:])
    rows = rows[rows["level"].isin(levels)]
    styles = method_styles(rows["method"], given.roles)
    lines = -(-(len(styles) + 1) // ENTRIES)
    figure = page(3.1 + 0.16 * lines)
    grid = figure.subplots(1, len(levels), squeeze=False, sharex=True, sharey=True)[0]
    reach = _reach(rows)
    for axes, level in zip(grid, levels, strict=True):
        panel_title(axes, f"level {level:g}")
        _quadrants(axes, reach)
        _dots(axes, rows[rows["level"] == level], styles)
        axes.set_xlabel(f"change of flips by {given.facts.protected}")
    grid[0].set_ylabel(f"change of flips by {given.facts.watched}")
    place = title_above(figure, f"{given.task}: two shortcuts at once", lines)
    names = [handle(m, color=s.color, marker=s.marker, ms=4) for m, s in styles.items()]
    clear = handle("an interval has 0 in it", color=GREY, marker="o", mfc="white", ms=4)
    draw_legend(figure, [*names, clear], crossed=False, ncols=ENTRIES, **place)
    over = "seeds" if (rows["unit"] == "seed").any() else "images (one seed)"
    note(figure, [f"Against {given.roles.original}. Bars: 95 % intervals over {over}."])
    return figure


def _reach(rows: pd.DataFrame) -> float:
    """Return how far the axes go: to all values, and to the ends of intervals up to twice that."""
    values = np.abs(rows[["protected_change", "watched_change"]].to_numpy(float)).max()
    ends = [f"{a}_change_{end}" for a in ("protected", "watched") for end in ("low", "high")]
    bounds = np.abs(rows[ends].to_numpy(float))
    farthest = np.nanmax(bounds) if np.isfinite(bounds).any() else 0.0
    return float(min(1.05, 1.15 * max(values, min(farthest, 2 * values), 0.02)))


def _quadrants(axes: Axes, reach: float) -> None:
    """Shade and name the quadrants."""
    for x, y in ((-reach, 0), (0, -reach)):
        axes.axhspan(y, y + reach, xmin=0.5 * (x == 0), xmax=0.5 + 0.5 * (x == 0), color=SHADE,
                     lw=0, zorder=-2)  # fmt: skip
    axes.axhline(0, color=GREY, lw=0.6, zorder=0)
    axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    two = WHAC_A_MOLE.replace(", ", ",\n")
    corners = {(0.02, 0.98): f"{two}\n(Whac-A-Mole)", (0.98, 0.02): two}
    corners |= {(0.02, 0.02): LESS, (0.98, 0.98): MORE}
    for (x, y), text in corners.items():
        axes.text(x, y, text, transform=axes.transAxes, color=GREY, fontsize=7, zorder=1,
                  ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top")  # fmt: skip


def _dots(axes: Axes, rows: pd.DataFrame, styles: dict[str, Style]) -> None:
    for row in rows.to_dict("records"):
        style, x, y = styles[row["method"]], row["protected_change"], row["watched_change"]
        bars: dict[str, Any] = {"color": style.color, "lw": 0.7, "alpha": 0.45, "zorder": 2}
        axes.hlines(y, row["protected_change_low"], row["protected_change_high"], **bars)
        axes.vlines(x, row["watched_change_low"], row["watched_change_high"], **bars)
        face = style.color if row["told"] else "white"
        axes.plot(x, y, style.marker, ms=4.5, mec=style.color, mfc=face, mew=0.8, zorder=3)
