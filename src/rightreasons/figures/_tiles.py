"""Grids of pictures: panels placed in inches, so that they touch whatever their titles are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.figures._style import GREY, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray
COLORS = "viridis"  # dark to bright in print and for every eye
REGION: dict[str, Any] = {"colors": "white", "linewidths": 1.0}
MASK: dict[str, Any] = {"colors": "#E69F00", "linewidths": 1.2, "linestyles": "--"}
UNIT = (0, 1, 1, 0)  # every picture spans the same square, whatever its pixels


@dataclass(frozen=True)
class Tiles:
    """A figure of square panels, and where its remarks and colour bar go.

    Attributes
    ----------
    figure
        The figure.
    panels
        Its panels by row and column; each spans the unit square, y down.
    sides
        Left, right, top and bottom margin in inches.
    side
        A panel's side in inches.
    """

    figure: Figure
    panels: list[list[Axes]]
    sides: tuple[float, float, float, float]  # left, right, top, bottom margin in inches
    side: float  # a panel's side in inches

    def title(self, text: str) -> None:
        """Write the figure's title into the upper margin."""
        height = self.figure.get_figheight()
        self.figure.suptitle(text, x=0.01, y=1 - 0.08 / height, ha="left")

    def note(self, lines: list[str]) -> None:
        """Write remarks into the lower margin, 0.15 inches a line."""
        at = 0.05 / self.figure.get_figheight()
        self.figure.supxlabel("\n".join(lines), fontsize=7, color=GREY, x=0.01, ha="left", y=at)

    def colorbar(self, label: str) -> None:
        """Draw the colours of maps from their lowest to their highest value in the right margin."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        _, _, top, bottom = self.sides
        width, height = self.figure.get_size_inches()
        tall = min(2.0, height - top - bottom)
        middle = bottom + (height - top - bottom) / 2
        beside = self.panels[0][-1].get_position().x1 + 0.1 / width
        place = (beside, (middle - tall / 2) / height)
        axes = self.figure.add_axes((*place, 0.1 / width, tall / height))
        bar = self.figure.colorbar(ScalarMappable(Normalize(0, 1), COLORS), cax=axes)
        bar.set_label(label)
        bar.outline.set_linewidth(0.4)
        bar.set_ticks([0, 1], labels=["lowest", "highest"])


def tiles(
    rows: int,
    columns: int,
    *,
    left: float = 0.1,
    right: float = 0.1,
    top: float = 0.6,
    bottom: float = 0.1,
    gap: tuple[float, float] = (0.06, 0.06),
    block: tuple[int, float] = (1, 0.0),
    largest: float = 1.3,
    smallest_width: float = 0.0,
) -> Tiles:
    """Return square panels on at most a page's width.

    Parameters
    ----------
    rows, columns
        How many panels.
    left, right, top, bottom
        Margins in inches.
    gap
        Between panels, in inches, x and y.
    block
        After how many rows there is how much more of a gap.
    largest
        A panel's greatest side, in inches.
    smallest_width
        Of the figure, in inches, where titles need room.
    """
    from matplotlib.figure import Figure

    every, more = block
    side = min(largest, (WIDTH - left - right - (columns - 1) * gap[0]) / columns)
    width = max(left + right + columns * side + (columns - 1) * gap[0], smallest_width)
    height = top + bottom + rows * side + (rows - 1) * gap[1] + (rows - 1) // every * more
    figure = Figure((width, height))

    def panel(row: int, column: int) -> Axes:
        x = left + column * (side + gap[0])
        y = height - top - side - row * (side + gap[1]) - row // every * more
        axes = figure.add_axes((x / width, y / height, side / width, side / height))
        axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0))
        axes.spines[:].set_visible(False)
        return axes

    panels = [[panel(row, column) for column in range(columns)] for row in range(rows)]
    return Tiles(figure, panels, (left, right, top, bottom), side)


def picture(axes: Axes, image: Array) -> None:
    """Show an image (H, W, 3), uint8 or float in [0, 1]."""
    axes.imshow(image, extent=UNIT, interpolation="nearest", aspect="auto")


def heat(
    axes: Axes, map_: Array, *, low: float = 0.0, high: float = 1.0, alpha: float = 1.0
) -> None:
    """Show a map (H, W) with colours from `low` to `high`; missing values are left white."""
    look: dict[str, Any] = {"extent": UNIT, "interpolation": "nearest", "aspect": "auto"}
    axes.imshow(map_, cmap=COLORS, vmin=low, vmax=high, alpha=alpha, **look)


def overlay(axes: Axes, image: Array, map_: Array) -> None:
    """Show a map (H, W) in [0, 1] in colour over a grey image (H, W, 3)."""
    if np.isnan(map_).any():
        blank(axes, "no map")
        return
    white = 255 if image.dtype == np.uint8 else 1
    grey = np.asarray(image, float) @ [0.299, 0.587, 0.114]
    axes.imshow(grey, extent=UNIT, cmap="gray", vmin=0, vmax=white, aspect="auto")
    heat(axes, map_, alpha=0.6)


def outline(axes: Axes, region: Array, look: dict[str, Any]) -> None:
    """Outline a region (H, W): bool, or shares, of which half of the largest counts as inside."""
    from matplotlib.patheffects import withStroke

    shares = np.pad(np.asarray(region, float), 1)
    if shares.max() <= 0:
        return
    height, width = region.shape
    x, y = (np.arange(-1, n + 1) + 0.5 for n in (width, height))
    lines = axes.contour(x / width, y / height, shares, levels=[shares.max() / 2], **look)
    lines.set_path_effects([withStroke(linewidth=2.2, foreground="black")])
    axes.set(xlim=(0, 1), ylim=(1, 0))


def blank(axes: Axes, text: str) -> None:
    """Show that there is nothing to show, and why."""
    axes.set_facecolor("#F5F5F5")
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY)


def heading(name: str) -> str:
    """Return an attribute's name in at most as many lines as it has words: Wearing_Hat has 2."""
    return name.replace("_", "\n")
