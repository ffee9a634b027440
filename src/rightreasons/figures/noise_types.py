"""The schemes of noise compared at one quantile (data-attribution paper, Fig. 7)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rightreasons.figures.schemes import (
    NAMES,
    NUMBERS,
    REMARKS,
    STYLES,
    interval,
    models_of,
    seeds_remark,
    title_of,
    view,
)
from rightreasons.figures.style import GREY, WIDTH, empty, note, panel_title, spread, styled

QUANTILE = 0.7  # of the paper's figure


@styled
def noise_types(
    data_attribution: pd.DataFrame,
    *,
    task: str,
    design: str,
    level: float | None = None,
    quantile: float = QUANTILE,
    classes: tuple[str, str] = ("class 0", "class 1"),
) -> Figure:
    """Return a panel per number (accuracy, of both classes, gap), with a row per training.

    data_attribution: the table; shown are one task and level (farthest from 0 if not given), the
    baselines and every scheme at its quantile nearest to `quantile`. classes: names of target
    classes 0 and 1. Schemes that the study lacks have no row. With under three seeds there are no
    intervals, only the seeds' values.
    """
    models, name = models_of(data_attribution, task=task, design=design, level=level)
    shown = {kind: _nearest(models, kind, quantile) for kind in NAMES}
    shown = {kind: part for kind, part in shown.items() if len(part)}
    figure = Figure((WIDTH, 1.15 + 0.24 * max(len(shown), 2)), layout="constrained")
    panels = list(figure.subplots(1, len(NUMBERS), sharey=True))
    for axes, metric in zip(panels, NUMBERS, strict=True):
        _panel(axes, {kind: part[metric].to_numpy(float) for kind, part in shown.items()})
        panel_title(axes, title_of(metric, classes), REMARKS.get(metric, "share, ↑ better"))
    panels[0].set_yticks(range(len(shown)), [_label(kind, part) for kind, part in shown.items()])
    panels[0].set_ylim(max(len(shown), 1) - 0.5, -0.5)
    figure.suptitle(f"{name}: schemes of noise compared", x=0.01, ha="left")
    dots = "Small dots: seeds. " if models["seed"].nunique() > 1 else ""
    dashed = "Dashed: the original training." if "vanilla" in shown else ""
    note(figure, [seeds_remark(models), dots + dashed] if shown else [])
    return figure


def _nearest(models: pd.DataFrame, kind: str, quantile: float) -> pd.DataFrame:
    """Return the models of a kind whose quantile is nearest; baselines have none."""
    part = models[models["kind"] == kind]
    distance = (part["quantile"] - quantile).abs().fillna(0).round(9)
    nearest = part[distance == distance.min()]
    return nearest[nearest["method"] == nearest["method"].min()]


def _label(kind: str, part: pd.DataFrame) -> str:
    quantile = part["quantile"].iloc[0]
    return NAMES[kind] + ("" if np.isnan(quantile) else f", q = {quantile:g}")


def _panel(axes: Axes, values: dict[str, np.ndarray]) -> None:
    if not values:
        empty(axes, "no models")
        return
    ends = []
    for y, (kind, of_seeds) in enumerate(values.items()):
        style = STYLES[kind]
        mean, low, high = interval(of_seeds)
        ends += [low, high]
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color="#F4F4F4", zorder=-1, lw=0)
        axes.hlines(y, low, high, color=style.color, lw=1.2, zorder=2)
        axes.plot(mean, y, style.marker, color=style.color, ms=5, zorder=3)
        if len(of_seeds) == 1:
            continue
        places = y + 0.28 + spread(len(of_seeds), 0.06)
        axes.plot(of_seeds, places, ".", color=style.color, ms=2.5, zorder=2)
    if "vanilla" in values:
        axes.axvline(interval(values["vanilla"])[0], color=GREY, lw=0.7, ls="--", zorder=0)
    axes.set_xlim(*view(np.concatenate(list(values.values())), np.array(ends)))
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0)
