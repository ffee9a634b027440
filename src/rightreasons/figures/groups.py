"""What each protected group gets: accuracy and rates by group, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import Field

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._cells import over_seeds
from rightreasons.figures._labels import ARROWS
from rightreasons.figures._style import (
    GREY,
    Style,
    draw_legend,
    legend_handles,
    method_styles,
    note,
    nothing,
    page,
    panel_title,
    spread,
    title_above,
)
from rightreasons.metrics.by_group import OF_GROUP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
What each group of ``{protected}`` gets on task ``{task}`` at ``{design}`` = {level}: accuracy, the
share of decisions 1 (selection rate), true and false positive rate, and the area under the ROC
curve, with 95 % intervals (Student's over seeds from three seeds on, else the mean of the seeds'
own over images). The grey line is the first method's value over all images. Of a target with more
than two classes a panel shows the class whose groups are farthest apart. A group without test
images has no numbers.
"""
#: What orders the groups, and says how many images they have.
FIRST = next(iter(OF_GROUP))
#: Characters of a group's name, and of a class's in a panel's name.
NAME, CLASS = 50, 14


class GroupsParams(Params):
    """Parameters of `groups`."""

    methods: int = Field(3, ge=1, le=6, description="most methods shown, the study's first ones")
    groups: int = Field(
        30, ge=2, le=40, description="most groups shown, those with the least accuracy"
    )


@FIGURES.register(
    "groups",
    title="Accuracy and rates of each protected group",
    paper="Own",
    params=GroupsParams,
    caption=CAPTION,
    category="2 Metrics by level",
    label="groups",
    over=("task", "design"),
    tables=("groups",),
)
def groups(given: Given, params: GroupsParams) -> Figure:
    """Draw a row per group and a panel per metric at the strongest level, a marker per method."""
    rows = given.table("groups")
    rows = rows[np.isclose(rows["level"], given.strongest)]
    every = method_styles(rows["method"].dropna(), given.roles)
    styles = dict(list(every.items())[: params.methods])
    rows = rows[rows["method"].isin(styles)]
    if rows["value"].isna().all():
        return nothing("no group has test images")
    shown, count = _shown(rows, next(iter(styles)), params.groups)
    rows = rows[rows["group_code"].isin(shown["group_code"])]
    tall = max(0.2, 0.09 * len(styles))
    figure = page(len(shown) * tall + 1.35)
    known = set(rows["metric"])
    panels = [metric for metric in OF_GROUP if metric in known]
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, metric in zip(grid, panels, strict=True):
        part, of_class = _one_class(rows[rows["metric"] == metric])
        _draw(axes, part, shown, styles, OF_GROUP[metric].share)
        arrow = ARROWS.get(OF_GROUP[metric].better)
        panel_title(axes, OF_GROUP[metric].title, of_class or (f"{arrow} better" if arrow else ""))
    grid[0].set_yticks(range(len(shown)), [_label(*one) for one in _named(shown)], fontsize=7)
    design = given.study.designs[given.design]
    at = f"{design.symbol} = {given.strongest:g}" if len(design.levels) > 1 else given.design
    look = title_above(figure, f"{given.task}, {at}: every group of {given.facts.protected}", 1)
    draw_legend(figure, legend_handles(styles), crossed=False, ncols=len(styles), **look)
    note(figure, _remarks(shown, count, len(every) - len(styles)))
    return figure


def _shown(rows: pd.DataFrame, first: str, most: int) -> tuple[pd.DataFrame, int]:
    """Return group_code, group_name and n of the groups that are drawn, and how many there are.

    By their number; where there are too many, those in which the first method is least accurate.
    """
    own = rows[(rows["method"] == first) & (rows["metric"] == FIRST)]
    mean = own.groupby(["group_code", "group_name"], as_index=False)[["value", "n"]].mean()
    kept = mean.sort_values("value", kind="stable").head(most).sort_values("group_code")
    return kept.reset_index(drop=True), len(mean)


def _one_class(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows of the class whose groups are farthest apart, and its name; all of two."""
    if rows["class_name"].isna().all():
        return rows, ""
    means = rows.groupby(["class_name", "group_code"])["value"].mean().unstack()
    apart = (means.max(axis=1) - means.min(axis=1)).fillna(-1)
    name = str(apart.idxmax())
    return rows[rows["class_name"] == name], f"class {_short(name, CLASS)}"


def _draw(
    axes: Axes, rows: pd.DataFrame, shown: pd.DataFrame, styles: dict[str, Style], share: bool
) -> None:
    """Draw one panel: a marker with its interval per group and method, and the mean of a share."""
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for place in range(0, len(shown), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    first = rows[(rows["method"] == next(iter(styles))) & rows["value"].notna()]
    if share and first["n"].sum():
        axes.axvline(np.average(first["value"], weights=first["n"]), color=GREY, lw=0.7, zorder=0)
    places = {code: place for place, code in enumerate(shown["group_code"])}
    for (method, style), shift in zip(styles.items(), spread(len(styles), 0.28), strict=True):
        drawn = over_seeds(rows[rows["method"] == method].assign(level=rows["group_code"]))
        y = drawn["level"].map(places) + shift
        axes.hlines(y, drawn["low"], drawn["high"], color=style.color, lw=0.9, zorder=2)
        look: dict[str, Any] = {
            "color": style.color,
            "mew": 0.8,
            "ms": 3.4,
            "zorder": 3,
            "clip_on": False,
        }
        axes.plot(drawn["mean"], y, style.marker, **look)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -0.03), min(high, 1.03))


def _named(shown: pd.DataFrame) -> list[tuple[str, float]]:
    return list(zip(shown["group_name"], shown["n"], strict=True))


def _label(name: str, images: float) -> str:
    return f"{_short(name, NAME)} ({images:.0f})"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _remarks(shown: pd.DataFrame, count: int, others: int) -> list[str]:
    """Return what stands below the figure."""
    said = ["In brackets: test images of the group, a mean over seeds."]
    if others:
        said[0] += f" {others} more method{'s' * (others > 1)}: table groups."
    rest = []
    if count > len(shown):
        rest.append(f"{len(shown)} of {count} groups, those with the least accuracy.")
    if empty := int((shown["n"] == 0).sum()):
        rest.append(f"{empty} group{'s' * (empty > 1)} without a test image.")
    return [*said, " ".join(rest)] if rest else said
