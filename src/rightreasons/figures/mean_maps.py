"""Mean images and mean maps by protected x target cell (the saliency paper's Fig. 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._cells import collapsed_cells
from rightreasons.figures._signed_maps import (
    Array,
    average,
    colorbar,
    limit_of,
    picture,
    signed_map,
)
from rightreasons.figures._style import GREY
from rightreasons.metrics.mean_maps import CELLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Mean test images and mean {explainer} maps of task ``{task}`` at ``{design}`` = {level}, averaged
over all seeds. A column per combination of protected attribute (PA, ``{protected}``) and target (T,
``{target}``), a row per network: methods that only decide differently share the row of
``{original}``. Every map is divided by its largest absolute value before averaging. Red speaks for
the explained class, blue against it; all maps share one scale. The outline is the region of
interest; below each map stands the mean inside it, with Student's 95 % interval over seeds where
there are several. A method that leaves the protected attribute alone has no colour there. As
published (phi below 0) the region speaks for the class in PA 1, T 0 and against it in PA 1, T 1.
"""
NUMBERS = 0.26  # inches below a map
WIDE = 0.95  # inches of a panel that has room for an interval
MEANING = "mean of R / max |R|, same scale for all maps\n← against      for the class →"


@FIGURES.register(
    "mean_maps",
    title="Mean images and mean maps of every protected x target cell, a row per method",
    paper="Investigating the Relationship Between Debiasing and Artifact Removal, Fig. 2",
    caption=CAPTION,
    category="1 Mean maps",
    label="mean maps",
    over=("task", "design", "explainer"),
    when=("shown", "two_groups"),
    tables=("cell_metrics",),
    files=("mean_maps",),
    levels="strongest",
)
def mean_maps(given: Given, params: Params) -> Figure:
    """Draw a column per (PA, T) cell; first the mean images, then each method's mean maps.

    Seeds are averaged with the images per cell as weights. Methods that are constant classifiers
    in some seed are marked. A cell without images stays blank.
    """
    parts = [given.mean_maps(group) for group in given.groups]
    cells = given.table("cell_metrics")
    collapsed = set(collapsed_cells(cells[cells["level"] == given.strongest])["method"])
    counts = np.array([part["n"] for part in parts])
    roi = np.mean([part["roi"] for part in parts], axis=0)
    images = average(parts, "image", counts)
    every = {m: average(parts, f"map/{given.explainer}/{m}", counts) for m in given.facts.methods}
    sharing = _sharing(every)
    maps = {first: every[first] for first in sharing}
    limit = limit_of(list(maps.values()))
    remarks = _remarks(given, counts, collapsed & set(every))
    figure, panels, bar = _grid(len(maps) + 1, roi.shape, len(remarks))
    wide = figure.get_figwidth() * panels[0][0].get_position().width >= WIDE
    for column, (p, t) in enumerate(CELLS):
        panels[0][column].set_title(
            f"PA={p}, T={t}\n{counts[:, column].sum()} images", loc="center", pad=3
        )
        picture(panels[0][column], images[column], roi)
        for axes, (method, map_) in zip(panels[1:], maps.items(), strict=True):
            signed_map(axes[column], map_[column], limit, roi)
            key = f"map/{given.explainer}/{method}"
            inside = [_inside(part[key][column], part["roi"]) for part in parts]
            axes[column].set_xlabel(_with_interval(inside, wide), fontsize=7, labelpad=1)
    labels = ["mean image", *(_label(names, collapsed) for names in sharing.values())]
    for axes, label in zip(panels, labels, strict=True):
        axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    colorbar(figure, bar, limit, MEANING)
    height = figure.get_figheight()
    title = f"{given.task}, {given.design} = {given.strongest:g}: mean maps by {given.explainer}"
    figure.suptitle(title, x=0.01, y=1 - 0.08 / height, ha="left")
    figure.supxlabel("\n".join(remarks), fontsize=7, color=GREY, x=0.01, ha="left", y=0.06 / height)
    return figure


def _inside(map_: Array, roi: Array) -> float:
    """Return the mean of a map over its region, whose pixels count as often as images have them."""
    return float((map_ * roi).sum() / roi.sum()) if roi.any() else np.nan


def _with_interval(seeds: Sequence[float], wide: bool) -> str:
    """Return the mean over seeds and, with room, its interval; empty where no seed has a number."""
    from rightreasons.statistics.student import mean_interval

    known = np.array([value for value in seeds if not np.isnan(value)])
    if not len(known):
        return ""
    if len(known) == 1 or not wide:
        return f"{known.mean():+.3f}"
    found = mean_interval(known)
    return f"{found.value:+.3f}\n[{found.low:+.3f}, {found.high:+.3f}]"


def _sharing(maps: Mapping[str, Array]) -> dict[str, list[str]]:
    """Return the methods with the same maps, by the first of each."""
    found: dict[str, list[str]] = {}
    for method, map_ in maps.items():
        same = (first for first in found if np.array_equal(maps[first], map_, equal_nan=True))
        found.setdefault(next(same, method), []).append(method)
    return found


def _grid(rows: int, shape: tuple[int, ...], remarks: int) -> tuple[Figure, list[list[Axes]], Axes]:
    """Return the figure, its panels and the colorbar's axes, placed in inches on a page's width."""
    from matplotlib.figure import Figure

    aspect, gap, left, top = shape[0] / shape[1], 0.05, 1.2, 0.5
    bottom = NUMBERS + 0.15 + 0.15 * remarks
    width = min(1.15, (9.0 / rows - NUMBERS) / aspect)
    across, down = width + gap, width * aspect + gap + NUMBERS
    size = np.array([left + len(CELLS) * across + 1.0, top + rows * down - NUMBERS + bottom])
    figure = Figure(tuple(size))

    def place(x: float, y: float, w: float, h: float) -> Axes:
        return figure.add_axes((x / size[0], y / size[1], w / size[0], h / size[1]))

    panels = [
        [
            place(left + c * across, bottom + (rows - 1 - r) * down, width, width * aspect)
            for c in range(len(CELLS))
        ]
        for r in range(rows)
    ]
    for axes in (axes for row in panels for axes in row):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    tall = min(4.0, rows * down - gap)
    middle = bottom + (rows * down - gap) / 2
    bar = place(left + len(CELLS) * across + 0.08, middle - tall / 2, 0.1, tall)
    return figure, panels, bar


def _label(methods: Sequence[str], collapsed: Collection[str]) -> str:
    return "\n".join(f"{m} ⊗" if m in collapsed else m for m in methods)


def _remarks(given: Given, counts: Array, collapsed: Collection[str]) -> list[str]:
    seeds = len(given.groups)
    lines = [
        f"PA: {given.facts.protected}. T: {given.facts.target}. Black outline: ROI.",
        f"Averages over the test images of {seeds} seed{'s' * (seeds > 1)}.",
    ]
    if (counts.sum(axis=0) == 0).any():
        lines.append("Blank: no test image with a map in this cell.")
    if collapsed:
        lines.append("⊗: a constant classifier in at least one seed.")
    return lines
