"""Figures of a study: pure functions from the tables to a matplotlib figure.

`FIGURES` names them; `load` imports one (and matplotlib) only when it is drawn.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = {
    "mean_maps": "mean image and mean map of every protected x target cell, a row per method",
    "metrics_by_level": "every metric against the level, a line per method",
    "fairness_against_saliency": "change of equalized odds against shift of saliency, all cells",
    "comparisons": "every method against vanilla and against finetune, with intervals",
    "runtimes": "wall time of a job, by stage and method",
    "reliability": "accuracy against confidence of every patch classifier, with the histogram",
    "position_maps": "accuracy and calibration error of every patch position",
    "noise_types": "the schemes of mask and noise at one quantile, beside their baselines",
    "quantiles": "accuracy and gap of every scheme against the quantile",
    "quadrants": "a dot per image: its map's top fraction, by level and protected x target cell",
    "occlusion_grids": "occlusion maps as the grid gets finer",
    "mystery_models": "mean maps of models that rely on nothing, on an artifact, on another",
    "reliance": "every metric of maps against what models truly rely on, a dot per model",
    "yardstick": "ranking of explainers and metrics by what models truly rely on",
    "yardstick_heatmap": "rank correlation with true reliance, explainers x metrics",
    "sanity": "similarity of maps while layers become random, a line per explainer",
}


def load(name: str) -> Callable[..., Figure]:
    """Return the function that draws a figure; a UserError lists what there is otherwise."""
    if name not in FIGURES:
        raise UserError(
            f"unknown figure {name!r}{suggestion(name, FIGURES)} Allowed: {', '.join(FIGURES)}."
        )
    return getattr(importlib.import_module(f"rightreasons.figures.{name}"), name)
