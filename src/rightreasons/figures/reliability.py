"""Reliability diagrams of patch classifiers (data-attribution paper, Fig. 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import GREY, WIDTH, note, nothing, page, panel_title, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Are the patch classifiers calibrated? Above: accuracy of the patches of all validation images in
bins of equal width of the largest softmax; on the dashed line a classifier is right as often as it
says. Below: share of the patches in each bin. Pale bins hold under 0.1 % of the patches. ECE is the
expected calibration error, chance the share of the largest class. Seeds are pooled.
"""
COLUMNS = 3
CLASSIFIER = ["dataset", "attribute", "network"]
BLUE, PALE = "#0072B2", "#BFD9EA"
NUMBERS = {"ece": "ECE", "accuracy": "accuracy", "chance": "chance"}
RARE = 0.001  # share of all patches below which a bin says little


@FIGURES.register(
    "reliability",
    title="Accuracy against confidence of every patch classifier, with the histogram",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Fig. 2",
    caption=CAPTION,
    category="6 Where attributes are",
    label="calibration",
    tables=("region_reliability", "region_calibration"),
)
def reliability(given: Given, params: Params) -> Figure:
    """Draw a diagram per patch classifier: confidence against accuracy, histogram below.

    A classifier is a dataset, attribute and network; its seeds are pooled, weighted by patches.
    Empty bins have no bar, bins with under 0.1 % of the patches a pale one.
    """
    region_reliability = given.tables["region_reliability"]
    region_calibration = given.tables["region_calibration"]
    groups = list(region_reliability.groupby(CLASSIFIER, sort=False, dropna=False))
    if not groups:
        return nothing("no patch classifiers")
    columns = min(len(groups), COLUMNS)
    rows = -(-len(groups) // columns)
    figure = page(0.6 + 2.65 * rows, min(max(2.3 * columns, 4.0), WIDTH))
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 1] * rows)
    title(figure, "Are patch classifiers calibrated?")
    several = {name: region_reliability[name].nunique() > 1 for name in CLASSIFIER}
    for i in range(rows * columns):
        above, below = grid[2 * (i // columns) : 2 * (i // columns) + 2, i % columns]
        if i >= len(groups):
            above.remove()
            below.remove()
            continue
        key, bins = groups[i]
        _diagram(above, below, _pooled(bins))
        own = (region_calibration[CLASSIFIER] == list(key)).all(axis=1)
        panel_title(above, _name(key, several))
        _write(above, region_calibration[own])
    for above, below in zip(grid[::2, 0], grid[1::2, 0], strict=True):
        above.set_ylabel("accuracy")
        below.set_ylabel("patches (%)")
    figure.align_ylabels(list(grid[:, 0]))
    note(figure, ["Dashed: perfect calibration. Pale: bins with under 0.1 % of the patches."])
    return figure


def _pooled(bins: pd.DataFrame) -> pd.DataFrame:
    """Return n, confidence and accuracy of every bin over all seeds, indexed by its edges."""
    sums = bins.assign(
        confidence=bins["confidence"] * bins["n"], accuracy=bins["accuracy"] * bins["n"]
    )
    pooled = sums.groupby(["low", "high"])[["n", "confidence", "accuracy"]].sum()
    for name in ("confidence", "accuracy"):
        pooled[name] = pooled[name] / pooled["n"].where(pooled["n"] > 0)
    return pooled.reset_index()


def _diagram(above: Axes, below: Axes, bins: pd.DataFrame) -> None:
    full = bins[bins["n"] > 0]
    share = full["n"] / full["n"].sum()
    width = full["high"] - full["low"]
    colors = np.where(share < RARE, PALE, BLUE).tolist()
    above.bar(full["low"], full["accuracy"], width, align="edge", color=colors, lw=0)
    above.plot([0, 1], [0, 1], color="black", ls="--", lw=0.8)
    below.bar(full["low"], 100 * share, width, align="edge", color=GREY, lw=0)
    for axes in (above, below):
        axes.set_xlim(0, 1)
        axes.set_xticks(np.linspace(0, 1, 5), ["0", "0.25", "0.5", "0.75", "1"])
    above.set_ylim(0, 1)
    above.tick_params(labelbottom=False)
    below.locator_params(axis="y", nbins=3)
    below.set_xlabel("confidence (largest softmax)")


def _name(key: tuple[Any, ...], several: dict[str, bool]) -> str:
    dataset, attribute, network = key
    name = f"{dataset}: {attribute}" if several["dataset"] else str(attribute)
    return f"{name} ({network})" if several["network"] else name


def _write(axes: Axes, calibration: pd.DataFrame) -> None:
    """Write ECE, accuracy and chance, means over seeds, where a calibrated model has no bars."""
    means = calibration[["ece", "accuracy", "chance"]].astype(float).mean()
    lines = [f"{name} {means[key]:.3f}" for key, name in NUMBERS.items() if pd.notna(means[key])]
    look = {"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 1}
    axes.text(0.04, 0.98, "\n".join(lines), va="top", bbox=look, linespacing=1.4)
