"""Rows of the yardstick's ranking, as its figures show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures._labels import short_name
from rightreasons.figures._style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST, LAST = 20, 5
BLUE = "#0072B2"
PAIR = ["explainer", "metric", "shown"]
#: What an interval is about, the widest question first, by the ending of its columns.
ABOUT = {"_datasets": "other datasets", "_tasks": "other tasks of these datasets"}


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Return the ranked rows, the best first."""
    return table.dropna(subset=["rank"]).sort_values(["rank", "explainer", "metric"])


def ends(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[float]]:
    """Return the best 20 and the last 5 rows, or all of few, and a place for each.

    There is a gap where rows are left out.
    """
    cut = len(rows) > BEST + LAST
    chosen = pd.concat([rows.head(BEST), rows.tail(LAST)]) if cut else rows
    return chosen, [i + (0.6 if cut and i >= BEST else 0.0) for i in range(len(chosen))]


def hidden(rows: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """Return a remark where rows are left out."""
    left_out = len(rows) - len(chosen)
    said = f"The best {BEST} and the last {LAST} of {len(rows)}; {left_out} not shown."
    return [said] if left_out else []


def counted(rows: pd.DataFrame, column: str) -> str:
    """Return the smallest and largest whole number of a column, in words."""
    low, high = int(rows[column].min()), int(rows[column].max())
    return str(low) if low == high else f"{low} to {high}"


def interval(rows: pd.DataFrame, name: str, fallback: tuple[str, str]) -> tuple[str, str, str]:
    """Return the columns of a mean's interval for the widest question, and what it is about.

    Parameters
    ----------
    rows
        Of the table `yardstick` or `yardstick_debiased`.
    name
        The mean's column.
    fallback
        The columns where there is one task: its interval over seeds.
    """
    for ending, about in ABOUT.items():
        low, high = f"{name}{ending}_low", f"{name}{ending}_high"
        if rows[low].notna().any():
            return low, high, about
    return *fallback, "other seeds"


def label_rows(
    axes: Axes, rows: pd.DataFrame, places: list[float], controls: Collection[str]
) -> None:
    """Write rank, metric and explainer beside each row, in grey for the controls."""
    pairs = zip(rows["rank"], rows["metric"], rows["explainer"], strict=True)
    words = [f"{rank:.0f}.  {short_name(metric)} of {name}" for rank, metric, name in pairs]
    axes.set_yticks(places, words)
    for label, explainer in zip(axes.get_yticklabels(), rows["explainer"], strict=True):
        label.set_color(GREY if explainer in controls else "black")
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.tick_params(axis="y", length=0)


def colours(rows: pd.DataFrame, controls: Collection[str]) -> list[str]:
    """Return a colour for each row: grey for the controls."""
    return [GREY if explainer in controls else BLUE for explainer in rows["explainer"]]


def bars(
    axes: Axes, values: pd.DataFrame, places: list[float], colors: list[str], **look: Any
) -> None:
    """Draw values (columns low, value, high) as dots with intervals."""
    low, value, high = (values[name] for name in values)
    axes.hlines(places, low, high, color=colors, lw=1.0, alpha=0.6)
    axes.scatter(value, places, **{"s": 14, "color": colors, "zorder": 3, **look})
    axes.tick_params(axis="y", length=0)


def numbers(axes: Axes, values: pd.DataFrame, dark: float) -> None:
    """Write numbers into an image's cells, white where they are beyond `dark` of either end."""
    for (row, column), value in np.ndenumerate(values.to_numpy(float)):
        if not np.isnan(value):
            text = f"{value:.2f}".replace("-", "−")
            color = "white" if abs(value) > dark else "black"
            axes.text(column, row, text, ha="center", va="center", color=color)
