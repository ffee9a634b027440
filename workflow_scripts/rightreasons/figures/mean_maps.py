"""Mean images and mean maps by protected x target cell (the saliency paper's Fig. 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from rightreasons.figures.style import GREY, styled
from rightreasons.measures import CELLS

Array = np.ndarray
Part = Mapping[str, Array]
COLORS = "RdBu_r"  # red speaks for the explained class, blue against it
QUANTILE = 0.995


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

    npz_parts: `mean_maps.npz` of every seed (rightreasons.measures.mean_maps), averaged with the
    images per cell as weights. collapsed: methods that are constant classifiers in some seed; they
    are marked. A cell without images stays blank.
    """
    counts = np.array([part["n"] for part in npz_parts])
    roi = np.mean([part["roi"] for part in npz_parts], axis=0)
    images = _average(npz_parts, "image", counts)
    maps = {m: _average(npz_parts, f"map/{explainer}/{m}", counts) for m in methods}
    limit = _limit(list(maps.values()))
    remarks = _remarks(target, protected, len(npz_parts), counts, collapsed)
    figure, panels, bar = _grid(len(methods) + 1, roi.shape, len(remarks))
    for column, (p, t) in enumerate(CELLS):
        panels[0][column].set_title(
            f"PA={p}, T={t}\n{counts[:, column].sum()} images", loc="center", pad=3
        )
        _picture(panels[0][column], images[column], roi)
        for axes, map_ in zip(panels[1:], maps.values(), strict=True):
            _map(axes[column], map_[column], limit, roi)
    labels = ["mean image", *(_label(m, maps, collapsed) for m in methods)]
    for axes, label in zip(panels, labels, strict=True):
        axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    _colorbar(figure, bar, limit)
    height = figure.get_figheight()
    figure.suptitle(title or f"Mean maps by {explainer}", x=0.01, y=1 - 0.08 / height, ha="left")
    figure.supxlabel("\n".join(remarks), fontsize=7, color=GREY, x=0.01, ha="left", y=0.06 / height)
    return figure


def _average(parts: Sequence[Part], key: str, counts: Array) -> Array:
    """Return the average over seeds (4, H, W, ...), weighted by images; NaN without images."""
    total = counts.sum(axis=0)
    stacked = np.stack([part[key].astype(float) for part in parts])
    weights = counts.reshape(*counts.shape, *[1] * (stacked.ndim - 2))
    summed = np.where(weights > 0, stacked, 0) * weights
    share = np.where(total > 0, total, np.nan).reshape(-1, *[1] * (stacked.ndim - 2))
    return summed.sum(axis=0) / share


def _limit(maps: list[Array]) -> float:
    """Return the largest |value| of all maps but for 0.5 % of the pixels; 1 for all-zero maps."""
    values = np.abs(np.concatenate([map_.ravel() for map_ in maps]))
    known = values[~np.isnan(values)]
    limit = float(np.quantile(known, QUANTILE)) if known.size else 0.0
    return limit or float(known.max(initial=0.0)) or 1.0


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


def _picture(axes: Axes, image: Array, roi: Array) -> None:
    if np.isnan(image).any():
        _blank(axes, roi.shape)
        return
    axes.imshow(image.round().astype(np.uint8), interpolation="nearest")
    _draw_roi(axes, roi)


def _map(axes: Axes, map_: Array, limit: float, roi: Array) -> None:
    if np.isnan(map_).any():
        _blank(axes, roi.shape)
        return
    axes.imshow(map_, cmap=COLORS, vmin=-limit, vmax=limit, interpolation="nearest")
    _draw_roi(axes, roi)


def _blank(axes: Axes, shape: tuple[int, ...]) -> None:
    axes.imshow(np.full((*shape, 3), 245, np.uint8))
    axes.text(0.5, 0.5, "no images", transform=axes.transAxes, ha="center", color=GREY)


def _draw_roi(axes: Axes, roi: Array) -> None:
    """Outline the ROI: a rectangle as such, masks where half of their peak share is reached."""
    if box := _rectangle(roi):
        x0, y0, x1, y1 = box
        edges = Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec="black", lw=0.9)
        axes.add_patch(edges)
    elif roi.max() > 0:
        axes.contour(roi, levels=[roi.max() / 2], colors="black", linewidths=0.9)


def _rectangle(roi: Array) -> tuple[int, int, int, int] | None:
    """Return x0, y0, x1, y1 in pixels if the ROI is one full rectangle, else None."""
    rows, columns = np.flatnonzero(roi.any(axis=1)), np.flatnonzero(roi.any(axis=0))
    if not len(rows):
        return None
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return (x0, y0, x1, y1) if (roi[y0:y1, x0:x1] == 1).all() else None


def _label(method: str, maps: Mapping[str, Array], collapsed: Collection[str]) -> str:
    lines = [method]
    if method != "vanilla" and "vanilla" in maps:
        same = np.array_equal(maps[method], maps["vanilla"], equal_nan=True)
        lines += ["(vanilla's maps)"] if same else []
    return "\n".join([*lines, "⊗ constant"] if method in collapsed else lines)


def _colorbar(figure: Figure, axes: Axes, limit: float) -> None:
    scale = ScalarMappable(Normalize(-limit, limit), COLORS)
    bar = figure.colorbar(scale, cax=axes, extend="both", ticks=MaxNLocator(5))
    bar.set_label("mean of R / max |R|, same scale for all maps\n← against      for the class →")


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
