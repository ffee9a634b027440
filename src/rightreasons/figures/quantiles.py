"""What the quantile does to each scheme (data-attribution paper, Fig. 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._cells import STUDENT_SEEDS
from rightreasons.figures._schemes import (
    BASELINES,
    NAMES,
    NUMBERS,
    STYLES,
    direction,
    interval,
    models_of,
    seeds_remark,
    title_of,
    view,
)
from rightreasons.figures._style import handle, note, nothing, page, panel_title, spread, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CAPTION = """
What the quantile does on task ``{task}``, design ``{design}``: the higher q, the less of the
training images is masked or noised (q = 0.7 changes the highest 30 % of a map). Lines: the four
schemes, shifted sideways; across: the trainings on original and on balanced data, which have no
quantile. T: ``{target}``. Bars and bands: 95 % Student-t intervals over seeds, from three seeds on.
"""


@FIGURES.register(
    "quantiles",
    title="Accuracy and gap of every scheme against the quantile",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Fig. 8",
    caption=CAPTION,
    category="7 Looking away",
    label="quantiles",
    over=("task", "design"),
    when=("looks_away", "strengths"),
    tables=("data_attribution",),
)
def quantiles(given: Given, params: Params) -> Figure:
    """Draw a panel per number (accuracy, of both classes, gap): quantile against mean.

    At the strongest level. A line per scheme with intervals over seeds, shifted sideways; original
    and balanced, which have no quantile, as lines across with their intervals as bands. Schemes
    that the study lacks have no line, under three seeds have no intervals.
    """
    models, name = models_of(given)
    kinds = [kind for kind in NAMES if (models["kind"] == kind).any()]
    if not kinds:
        return nothing("no models that look away")
    figure = page(4.3)
    panels = list(figure.subplots(2, 2, sharex=True).flat)
    for axes, metric in zip(panels, NUMBERS, strict=True):
        _panel(axes, models, metric, kinds)
        panel_title(axes, title_of(metric), direction(metric))
    for axes in panels[2:]:
        axes.set_xlabel("quantile q (→ less of the image is changed)")
    title(figure, f"{name}: how much of the image is masked or noised")
    figure.legend(handles=[_handle(kind) for kind in kinds], loc="outside right upper")
    banded = set(kinds) & set(BASELINES) and models["seed"].nunique() >= STUDENT_SEEDS
    bands = " Bands: the baselines' intervals." if banded else ""
    note(figure, [seeds_remark(models) + bands, f"T: {given.facts.target}."])
    return figure


def _panel(axes: Axes, models: pd.DataFrame, metric: str, kinds: list[str]) -> None:
    known = models.dropna(subset=[metric])
    places = np.sort(known["quantile"].dropna().unique())
    gap = float(np.diff(places).min()) if len(places) > 1 else 0.1
    schemes = [kind for kind in kinds if kind not in BASELINES]
    shifts = dict(zip(schemes, spread(len(schemes), 0.2 * gap), strict=True))
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
    return handle(NAMES[kind], color=style.color, ls=style.line, marker=marker, ms=4, lw=1)
