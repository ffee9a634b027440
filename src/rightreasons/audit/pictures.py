"""The pictures of a report, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rightreasons.figures._style import page, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rightreasons.audit.marks import Effect

DPI = 130
DOT = "#0072B2"
RATES = {
    "accuracy": "accuracy",
    "selection_rate": "decided 1",
    "tpr": "true positives",
    "fpr": "false positives",
}


def groups_picture(rows: pd.DataFrame, groups: Sequence[str]) -> bytes:
    """Draw each group's rates with their intervals, a panel per rate.

    Parameters
    ----------
    rows
        Of the table `groups`, of two classes.
    groups
        Their names, from top to bottom.
    """
    with styled():
        figure = page(0.75 + 0.26 * len(groups))
        panels = figure.subplots(1, len(RATES), sharey=True, sharex=True)
        for axes, (metric, words) in zip(panels, RATES.items(), strict=True):
            mine = (
                rows[rows["metric"] == metric].set_index("group_code").reindex(range(len(groups)))
            )
            _dots(axes, mine["value"], mine["ci_low"], mine["ci_high"])
            axes.set_title(words)
            axes.set_xlim(-0.02, 1.02)
        panels[0].set_yticks(range(len(groups)), groups)
        panels[0].invert_yaxis()
        return _png(figure)


def marks_picture(effects: Sequence[Effect]) -> bytes:
    """Draw how each mark shifts decisions, with intervals, around the line of no shift."""
    with styled():
        figure = page(0.75 + 0.26 * len(effects))
        axes = figure.subplots()
        frame = pd.DataFrame([effect.__dict__ for effect in effects])
        _dots(axes, frame["shift"], frame["shift_low"], frame["shift_high"])
        axes.axvline(0, color="#999999", linewidth=0.8, zorder=0)
        axes.set_yticks(range(len(effects)), [effect.mark for effect in effects])
        axes.invert_yaxis()
        axes.set_xlabel("decided 1 with the mark, less without (share of images)")
        reach = max(0.1, float(np.nanmax(np.abs(frame[["shift_low", "shift_high"]]))) * 1.05)
        axes.set_xlim(-reach, reach)
        return _png(figure)


def maps_picture(maps: Sequence[tuple[str, np.ndarray]], roi: np.ndarray | None) -> bytes:
    """Draw the mean map of each explainer, with the region's outline.

    Parameters
    ----------
    maps
        Names and mean sizes of relevance (H, W), each divided by its image's maximum before.
    roi : bool (H, W)
        The region, or None.
    """
    with styled():
        columns = min(len(maps), 4)
        rows = -(-len(maps) // columns)
        figure = page(1.9 * rows)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, mean) in zip(panels, maps, strict=False):
            axes.imshow(mean, cmap="Greys", vmin=0, vmax=max(float(mean.max()), 1e-12))
            if roi is not None:
                axes.contour(roi, levels=[0.5], colors=[DOT], linewidths=1)
            axes.set_title(name)
        for axes in panels:
            axes.axis("off")
        return _png(figure)


def examples_picture(
    images: np.ndarray, maps: np.ndarray, words: Sequence[str], roi: np.ndarray | None
) -> bytes:
    """Draw images above their maps.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        Images.
    maps : (N, H, W)
        Sizes of relevance.
    words
        What stands above each.
    roi : bool (H, W)
        The region, or None.
    """
    with styled():
        figure = page(2.7)
        panels = figure.subplots(2, len(images), squeeze=False)
        for i, word in enumerate(words):
            panels[0, i].imshow(images[i])
            panels[1, i].imshow(maps[i], cmap="Greys", vmin=0)
            panels[0, i].set_title(word)
            if roi is not None:
                panels[1, i].contour(roi, levels=[0.5], colors=[DOT], linewidths=1)
        for axes in panels.ravel():
            axes.axis("off")
        return _png(figure)


def _dots(axes: Axes, value: pd.Series, low: pd.Series, high: pd.Series) -> None:
    places = np.arange(len(value))
    error = np.stack([value - low, high - value]).clip(0)
    axes.errorbar(value, places, xerr=error, fmt="o", color=DOT, markersize=4, capsize=2)
    axes.grid(axis="x", color="#e4e4e4")
    axes.set_axisbelow(True)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()
