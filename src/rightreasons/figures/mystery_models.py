"""Models side by side, and what every explainer says of them on images with the artifact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._signed_maps import Array, Part, average, limit_of
from rightreasons.figures._style import GREY, nothing
from rightreasons.figures._tiles import REGION, blank, heat, outline, picture, tiles
from rightreasons.metrics.mean_maps import CELLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = """
Models that rely on nothing, or on an artifact, side by side: mean maps of every explainer over the
test images with the artifact. Every map is divided by its largest absolute value before averaging;
the mean of each class then counts by its size, whether it speaks for the class or against it.
Bright: much. The maps of a row share one scale, whose end is written beside it. The outline is the
region of interest. Which model looks at what?
"""
WITH = [i for i, (protected, _) in enumerate(CELLS) if protected == 1]
TALLEST = 9.0  # inches: a page
TITLE = 0.9  # inches that a column's title needs


@FIGURES.register(
    "mystery_models",
    title="Mean maps of models that rely on nothing, on an artifact, on another, side by side",
    paper="Searching for Unintended Biases With Saliency",
    caption=CAPTION,
    category="8 Artifacts",
    label="models side by side",
    over=("dataset", "design"),
    when=("artifact", "two_groups"),
    files=("mean_maps",),
)
def mystery_models(given: Given, params: Params) -> Figure:
    """Draw the normal model (level 0 of the first task), and each task's at the strongest level."""
    every = [e for facts in given.study.tasks.values() for e in facts.explainers]
    return side_by_side(
        _models(given),
        explainers=list(dict.fromkeys(every)),
        method=given.roles.original,
        title=f"{given.dataset}, {given.design}: models side by side",
    )


def _models(given: Given) -> list[tuple[str, list[Part]]]:
    """Return a title and the seeds' mean maps of each model, the normal one first."""
    tasks = list(dict.fromkeys(group.task for group in given.groups))
    wanted = [(f"{given.study.tasks[t].protected}\nlevel {given.strongest:g}", t, given.strongest)
              for t in tasks]  # fmt: skip
    if 0 in given.study.designs[given.design].levels:
        wanted.insert(0, ("normal\nlevel 0", tasks[0], 0.0))
    return [
        (title, [given.mean_maps(g) for g in given.groups if (g.task, g.level) == (task, level)])
        for title, task, level in wanted
    ]


def side_by_side(
    models: Sequence[tuple[str, Sequence[Part]]],
    *,
    explainers: Sequence[str],
    method: str,
    title: str = "",
) -> Figure:
    """Return a column per model; first row mean images, then the mean maps of each explainer.

    models: a title and the `mean_maps.npz` of every seed (metrics.mean_maps.mean_maps) of each
    model. A map is the mean over both targets of the |mean map| of the images with the protected
    attribute: what speaks for one class and against the other would cancel. Seeds are averaged
    before, each image with the same weight. The maps of a row share one scale. A model without such
    images, or without maps of an explainer, has a blank.
    """
    if not models:
        return nothing("no models")
    rows = [e for e in explainers if any(_key(e, method) in p for _, ps in models for p in ps)]
    lines = 2 + max(name.count("\n") for name, _ in models)
    side = min(1.15, (TALLEST - 0.8 - 0.13 * lines) / (len(rows) + 1) - 0.05)
    room = max(0.05, TITLE - side)
    grid = tiles(len(rows) + 1, len(models), left=1.3, right=0.6, top=0.35 + 0.13 * lines,
                 bottom=0.45, largest=side, gap=(room, 0.05), smallest_width=4.6)  # fmt: skip
    rois = [np.mean([part["roi"] for part in parts], axis=0) for _, parts in models]
    for axes, (name, parts), roi in zip(grid.panels[0], models, rois, strict=True):
        _show(axes, _over_targets(parts, "image"), roi, "no images")
        axes.set_title(f"{name}\n{_counts(parts).sum()} images", loc="center", pad=3)
    for panels, explainer in zip(grid.panels[1:], rows, strict=True):
        maps = [_over_targets(parts, _key(explainer, method)) for _, parts in models]
        _row(panels, maps, rois)
    for panels, label in zip(grid.panels, ["mean image", *rows], strict=True):
        panels[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    grid.title(title or "Models side by side")
    grid.note(
        [
            "Images with the artifact: |mean of R / max |R|| of each class, averaged over both.",
            "Dark to bright: from 0 to the number at the right. Outline: ROI.",
        ]
    )
    return grid.figure


def _key(explainer: str, method: str) -> str:
    return f"map/{explainer}/{method}"


def _counts(parts: Sequence[Part]) -> Array:
    """Return the images with the protected attribute of each part and target (parts, 2)."""
    return np.stack([part["n"][WITH] for part in parts])


def _over_targets(parts: Sequence[Part], key: str) -> Array:
    """Return the mean |mean| (H, W, ...) of both targets; NaN without images or maps."""
    if not all(key in part for part in parts):
        return np.full(parts[0]["roi"].shape, np.nan)
    counts = _counts(parts)
    cells = np.abs(average([{key: part[key][WITH]} for part in parts], key, counts))
    total = counts.sum(axis=0)
    if not total.any():
        return cells[0]
    return np.average(cells[total > 0], axis=0, weights=total[total > 0])


def _row(panels: Sequence[Axes], maps: Sequence[Array], rois: Sequence[Array]) -> None:
    """Show the maps of one explainer in one scale, and write its end beside them."""
    limit = limit_of(maps)
    for axes, map_, roi in zip(panels, maps, rois, strict=True):
        _show(axes, map_, roi, "no map", limit)
    panels[-1].annotate(
        f"0 to {limit:.2g}", (1, 0.5), (4, 0), "axes fraction", "offset points", va="center",
        color=GREY,
    )  # fmt: skip


def _show(axes: Axes, values: Array, roi: Array, missing: str, limit: float = 0.0) -> None:
    if np.isnan(values).any():
        blank(axes, missing)
        return
    if values.ndim == 3:
        picture(axes, values.round().astype(np.uint8))
    else:
        heat(axes, values, high=limit)
    outline(axes, roi, REGION)
