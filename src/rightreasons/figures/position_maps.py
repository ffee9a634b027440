"""Accuracy and calibration of patch classifiers by the position of the patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import nothing
from rightreasons.figures._tiles import blank, heading, heat, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Where in the image a patch classifier is right, and where it is calibrated: accuracy and expected
calibration error (ECE) of the validation images' patches by the position of the patch. Each square
is a position of the grid, each map goes from its own lowest to its own highest value, written below
it. An attribute that is nowhere in the image has the accuracy of chance everywhere.
"""
COLUMNS = 5
CLASSIFIER = ["dataset", "attribute", "network"]
SHOWN = {"accuracy": "accuracy", "ece": "ECE"}
Array = np.ndarray


@FIGURES.register(
    "position_maps",
    title="Accuracy and calibration error of every patch position",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution",
    caption=CAPTION,
    category="6 Where attributes are",
    label="by position",
    tables=("region_positions",),
)
def position_maps(given: Given, params: Params) -> Figure:
    """Draw two rows of maps: accuracy, and below it ECE, of every patch position.

    A column per patch classifier (dataset, attribute, network), its seeds averaged, at most 5
    beside one another. Every map has its own scale, from its lowest to its highest value, which are
    written below it: classifiers differ in classes and chance. A position without validation
    patches is left blank.
    """
    region_positions = given.tables["region_positions"]
    groups = list(region_positions.groupby(CLASSIFIER, sort=False, dropna=False))
    if not groups:
        return nothing("no patch classifiers")
    columns = min(len(groups), COLUMNS)
    names = _names([key for key, _ in groups])
    lines = max(name.count("\n") for name in names)
    rows = len(SHOWN) * -(-len(groups) // columns)
    grid = tiles(
        rows,
        columns,
        left=0.6,
        right=0.95,
        top=0.45 + 0.13 * lines,
        bottom=0.5,
        gap=(0.12, 0.25),
        block=(len(SHOWN), 0.13 * (lines + 1)),
        smallest_width=4.6,
    )
    for axes in (axes for row in grid.panels for axes in row):
        axes.set_visible(False)
    for i, (name, (_, part)) in enumerate(zip(names, groups, strict=True)):
        for j, (column, label) in enumerate(SHOWN.items()):
            axes = grid.panels[len(SHOWN) * (i // columns) + j][i % columns]
            axes.set_visible(True)
            _map(axes, _square(part, column))
            axes.set_title(name if j == 0 else "", loc="center", pad=3)
            if i % columns == 0:
                axes.set_ylabel(label)
    grid.colorbar("value of each map")
    grid.title("Where in the image is the patch classifier right, and calibrated?")
    grid.note(["Below each map: its lowest and highest value. Means over the seeds."])
    return grid.figure


def _square(part: pd.DataFrame, column: str) -> Array:
    """Return a column of the table as (g, g), averaged over seeds; NaN where there is no row."""
    means = part.groupby(["row", "column"])[column].mean()
    side = 1 + int(max(part["row"].max(), part["column"].max()))
    map_ = np.full((side, side), np.nan)
    places = means.index.to_frame().to_numpy(int)
    map_[places[:, 0], places[:, 1]] = means.to_numpy(float)
    return map_


def _map(axes: Axes, map_: Array) -> None:
    known = map_[~np.isnan(map_)]
    if not known.size:
        blank(axes, "no patches")
        return
    low, high = float(known.min()), float(known.max())
    heat(axes, map_, low=low, high=high if high > low else low + 1e-9)
    axes.set_xlabel(f"{low:.3f} to {high:.3f}", labelpad=2)


def _names(keys: list[tuple[Any, ...]]) -> list[str]:
    """Return a column's heading, with dataset and network only where they differ."""
    several = [len({key[i] for key in keys}) > 1 for i in range(len(CLASSIFIER))]
    names = []
    for dataset, attribute, network in keys:
        parts = [dataset] * several[0] + [heading(attribute)] + [f"({network})"] * several[2]
        names.append("\n".join(parts))
    return names
