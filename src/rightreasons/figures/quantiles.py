"""What the quantile does to each scheme (data-attribution paper, Fig. 8)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rightreasons.figures.cells import STUDENT_SEEDS
from rightreasons.figures.schemes import (
    BASELINES,
    NAMES,
    NUMBERS,
    REMARKS,
    SCHEMES,
    STYLES,
    interval,
    models_of,
    seeds_remark,
    title_of,
    view,
)
from rightreasons.figures.style import WIDTH, empty, note, panel_title, spread, styled


@styled
def quantiles(
    data_attribution: pd.DataFrame,
    *,
    task: str,
    design: str,
    level: float | None = None,
    classes: tuple[str, str] = ("class 0", "class 1"),
) -> Figure:
    """Return a panel per number (accuracy, of both classes, gap): quantile against mean.

    data_attribution: the table; shown are one task and level (farthest from 0 if not given). A line
    per scheme with intervals over seeds, shifted sideways; original and balanced, which have no
    quantile, as lines across with their intervals as bands. classes: names of target classes 0 and
    1. Schemes that the study lacks have no line, under three seeds have no intervals.
    """
    models, name = models_of(data_attribution, task=task, design=design, level=level)
    kinds = [kind for kind in NAMES if (models["kind"] == kind).any()]
    figure = Figure((WIDTH, 4.3), layout="constrained")
    panels = list(figure.subplots(2, 2, sharex=True).flat)
    for axes, metric in zip(panels, NUMBERS, strict=True):
        _panel(axes, models, metric, kinds)
        panel_title(axes, title_of(metric, classes), REMARKS.get(metric, "share, ↑ better"))
    for axes in panels[2:]:
        axes.set_xlabel("quantile q (→ less of the image is changed)")
    title = f"{name}: how much of the image is masked or noised"
    figure.suptitle(title, x=0.01, ha="left")
    if kinds:
        figure.legend(handles=[_handle(kind) for kind in kinds], loc="outside right upper")
        banded = set(kinds) & set(BASELINES) and models["seed"].nunique() >= STUDENT_SEEDS
        bands = " Bands: the baselines' intervals." if banded else ""
        note(figure, [seeds_remark(models) + bands])
    return figure


def _panel(axes: Axes, models: pd.DataFrame, metric: str, kinds: list[str]) -> None:
    known = models.dropna(subset=[metric])
    if known.empty:
        empty(axes, "no models")
        return
    places = np.sort(known["quantile"].dropna().unique())
    gap = float(np.diff(places).min()) if len(places) > 1 else 0.1
    shifts = dict(zip(SCHEMES, spread(len(SCHEMES), 0.2 * gap), strict=True))
    means, ends = [], []
    for kind in kinds:
        part = known[known["kind"] == kind]
        drawn = (
            _band(axes, part[metric].to_numpy(float), kind)
            if kind in BASELINES
            else _line(axes, part, metric, kind, shifts[kind])
        )
        means += list(drawn[:, 0])
        ends += list(drawn[:, 1:].ravel())
    if len(places):
        axes.set_xticks(places, [f"{q:g}" for q in places])
        axes.set_xlim(places[0] - 0.5 * gap, places[-1] + 0.5 * gap)
    axes.set_ylim(*view(np.array(means), np.array(ends)))


def _band(axes: Axes, values: np.ndarray, kind: str) -> np.ndarray:
    """Draw a baseline across the panel; return its mean, low, high (1, 3)."""
    style, (mean, low, high) = STYLES[kind], interval(values)
    axes.axhline(mean, color=style.color, ls=style.line, lw=1, zorder=1)
    if not np.isnan(low):
        axes.axhspan(low, high, color=style.color, alpha=0.1, lw=0, zorder=0)
    return np.array([[mean, low, high]])


def _line(axes: Axes, part: pd.DataFrame, metric: str, kind: str, shift: float) -> np.ndarray:
    """Draw a scheme's line; return mean, low, high of its quantiles (Q, 3)."""
    style = STYLES[kind]
    by_quantile = part.dropna(subset=["quantile"]).groupby("quantile")[metric]
    places = np.array([q for q, _ in by_quantile], float) + shift
    drawn = np.array([interval(values.to_numpy(float)) for _, values in by_quantile]).reshape(-1, 3)
    axes.vlines(places, drawn[:, 1], drawn[:, 2], color=style.color, lw=0.9, alpha=0.6, zorder=2)
    look = {"color": style.color, "marker": style.marker, "ls": style.line}
    axes.plot(places, drawn[:, 0], **look, ms=3.5, lw=1, zorder=3)
    return drawn


def _handle(kind: str) -> Line2D:
    style = STYLES[kind]
    marker = "" if kind in BASELINES else style.marker
    return Line2D(
        [], [], color=style.color, ls=style.line, marker=marker, ms=4, lw=1, label=NAMES[kind]
    )
