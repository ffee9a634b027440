"""The schemes of noise compared at one quantile (data-attribution paper, Fig. 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._schemes import (
    NAMES,
    NUMBERS,
    ORIGINAL,
    STYLES,
    direction,
    interval,
    models_of,
    seeds_remark,
    title_of,
    view,
)
from rightreasons.figures._style import GREY, note, nothing, page, panel_title, spread, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Schemes of noise compared on task ``{task}``, design ``{design}``: accuracy on the test images,
accuracy of either class of the target (T, ``{target}``), and the gap between them. Original:
trained on the biased data as they are. Balanced: on as many images without the bias. General and
Specific: the region comes from the mean map, or from each image's own. q: the quantile above which
a map's pixels are changed. Bars: 95 % Student-t intervals over seeds, from three seeds on.
"""


class NoiseTypesParams(Params):
    """Parameters of `noise_types`."""

    quantile: float = Field(
        0.7, ge=0, le=1, description="each scheme is shown at its quantile nearest to this one"
    )


@FIGURES.register(
    "noise_types",
    title="The schemes of mask and noise at one quantile, beside their baselines",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Fig. 7",
    params=NoiseTypesParams,
    caption=CAPTION,
    category="7 Looking away",
    label="noise types",
    over=("task", "design"),
    when=("looks_away",),
    tables=("data_attribution",),
)
def noise_types(given: Given, params: NoiseTypesParams) -> Figure:
    """Draw a panel per number (accuracy, of both classes, gap), with a row per training.

    Shown are the strongest level, the baselines and every scheme at its quantile nearest to
    `quantile`. Schemes that the study lacks have no row. With under three seeds there are no
    intervals, only the seeds' values.
    """
    models, name = models_of(given)
    shown = {kind: _nearest(models, kind, params.quantile) for kind in NAMES}
    shown = {kind: part for kind, part in shown.items() if len(part)}
    if not shown:
        return nothing("no models that look away")
    figure = page(1.15 + 0.24 * max(len(shown), 2))
    panels = list(figure.subplots(1, len(NUMBERS), sharey=True))
    for axes, metric in zip(panels, NUMBERS, strict=True):
        _panel(axes, {kind: part[metric].to_numpy(float) for kind, part in shown.items()})
        panel_title(axes, title_of(metric), direction(metric))
    panels[0].set_yticks(range(len(shown)), [_label(kind, part) for kind, part in shown.items()])
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    title(figure, f"{name}: schemes of noise compared")
    dots = "Small dots: seeds. " if models["seed"].nunique() > 1 else ""
    dashed = "Dashed: the original training. " if ORIGINAL in shown else ""
    note(figure, [seeds_remark(models), f"{dots}{dashed}T: {given.facts.target}."])
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
    if ORIGINAL in values:
        axes.axvline(interval(values[ORIGINAL])[0], color=GREY, lw=0.7, ls="--", zorder=0)
    axes.set_xlim(*view(np.concatenate(list(values.values())), np.array(ends)))
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(axis="y", length=0)
