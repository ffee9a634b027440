"""Mean images and mean maps by protected x target cell (the saliency paper's Fig. 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rightreasons.figures.signed_maps import (
    Array,
    Part,
    average,
    colorbar,
    limit_of,
    picture,
    signed_map,
)
from rightreasons.figures.style import GREY, styled
from rightreasons.metrics.measures import CELLS

MEANING = "mean of R / max |R|, same scale for all maps\n← against      for the class →"


@styled
def mean_maps(
    npz_parts: Sequence[Part],
    *,
    methods: Sequence[str],
    explainer: str,
    title: str = "",
    target: str = "T",
    protected: str = "PA",
    collapsed: Collection[str] = (),
) -> Figure:
    """Return a column per (PA, T) cell; first row mean images, then each method's mean maps.

    npz_parts: `mean_maps.npz` of every seed (metrics.measures.mean_maps), averaged with the
    images per cell as weights. collapsed: methods that are constant classifiers in some seed; they
    are marked. A cell without images stays blank.
    """
    counts = np.array([part["n"] for part in npz_parts])
    roi = np.mean([part["roi"] for part in npz_parts], axis=0)
    images = average(npz_parts, "image", counts)
    maps = {m: average(npz_parts, f"map/{explainer}/{m}", counts) for m in methods}
    limit = limit_of(list(maps.values()))
    remarks = _remarks(target, protected, len(npz_parts), counts, collapsed)
    figure, panels, bar = _grid(len(methods) + 1, roi.shape, len(remarks))
    for column, (p, t) in enumerate(CELLS):
        panels[0][column].set_title(
            f"PA={p}, T={t}\n{counts[:, column].sum()} images", loc="center", pad=3
        )
        picture(panels[0][column], images[column], roi)
        for axes, map_ in zip(panels[1:], maps.values(), strict=True):
            signed_map(axes[column], map_[column], limit, roi)
    labels = ["mean image", *(_label(m, maps, collapsed) for m in methods)]
    for axes, label in zip(panels, labels, strict=True):
        axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    colorbar(figure, bar, limit, MEANING)
    height = figure.get_figheight()
    figure.suptitle(title or f"Mean maps by {explainer}", x=0.01, y=1 - 0.08 / height, ha="left")
    figure.supxlabel("\n".join(remarks), fontsize=7, color=GREY, x=0.01, ha="left", y=0.06 / height)
    return figure


def _grid(rows: int, shape: tuple[int, ...], remarks: int) -> tuple[Figure, list[list[Axes]], Axes]:
    """Return the figure, its panels and the colorbar's axes, placed in inches on a page's width."""
    aspect, gap, left, top, bottom = shape[0] / shape[1], 0.05, 1.2, 0.5, 0.15 + 0.15 * remarks
    width = min(1.15, 9.2 / (rows * aspect))
    across, down = width + gap, width * aspect + gap
    size = np.array([left + len(CELLS) * across + 1.0, top + rows * down + bottom])
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


def _label(method: str, maps: Mapping[str, Array], collapsed: Collection[str]) -> str:
    lines = [method]
    if method != "vanilla" and "vanilla" in maps:
        same = np.array_equal(maps[method], maps["vanilla"], equal_nan=True)
        lines += ["(vanilla's maps)"] if same else []
    return "\n".join([*lines, "⊗ constant"] if method in collapsed else lines)


def _remarks(
    target: str, protected: str, seeds: int, counts: Array, collapsed: Collection[str]
) -> list[str]:
    average = f"Averages over the test images of {seeds} seed{'s' * (seeds > 1)}."
    lines = [f"PA: {protected}. T: {target}. Black outline: ROI.", average]
    if (counts.sum(axis=0) == 0).any():
        lines.append("Blank: no test image with a map in this cell.")
    if collapsed:
        lines.append("⊗: a constant classifier in at least one seed.")
    return lines
