"""How all figures look: size, fonts, the fixed style of every method, and saving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.lines import Line2D

from rightreasons.core.files import whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.0  # inches: the text width of a page, so that 7 pt stay 7 pt in print
GREY = "#666666"
RC: dict[Any, Any] = {
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "svg.hashsalt": "rightreasons",
}


@dataclass(frozen=True)
class MethodStyle:
    """A method's colour, marker and line."""

    color: str
    marker: str
    line: Any


# Okabe and Ito's colours, with Tol's olive for their yellow, which is too light for lines.
# Lines by family: thresholds dotted, adversarial solid, artifact removal dashed.
METHOD_STYLES = {
    "vanilla": MethodStyle("#000000", "o", "-"),
    "finetune": MethodStyle("#808080", "s", "-"),
    "thropt": MethodStyle("#56B4E9", "^", ":"),
    "thropt_group": MethodStyle("#0072B2", "v", ":"),
    "savani_aft": MethodStyle("#E69F00", "D", "-"),
    "zhang": MethodStyle("#D55E00", "P", "-"),
    "p_clarc": MethodStyle("#CC79A7", "<", "--"),
    "a_clarc": MethodStyle("#009E73", ">", "--"),
    "rr_clarc": MethodStyle("#999933", "h", "--"),
}
SPARE_STYLES = tuple(
    MethodStyle(color, marker, line)
    for line, markers in (("-.", "dX*p"), ((0, (1, 2)), "p*Xd"))
    for color, marker in zip(("#882255", "#332288", "#117733", "#AA4499"), markers, strict=True)
)


def method_order(methods: Iterable[str]) -> list[str]:
    """Return the distinct methods: the suite's in their fixed order, then others as they come."""
    found = list(dict.fromkeys(methods))
    return [m for m in METHOD_STYLES if m in found] + [m for m in found if m not in METHOD_STYLES]


def method_styles(methods: Iterable[str]) -> dict[str, MethodStyle]:
    """Return every method's style: fixed for the suite's methods, spare ones in turn for others."""
    order = method_order(methods)
    others = [method for method in order if method not in METHOD_STYLES]
    spare = {m: SPARE_STYLES[i % len(SPARE_STYLES)] for i, m in enumerate(others)}
    return {method: METHOD_STYLES.get(method) or spare[method] for method in order}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a figure's function: it draws in this style and leaves matplotlib's settings be."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with rc_context(RC):
            return draw(*args, **kwargs)

    return drawn


def save(figure: Figure, png_path: Path, svg_path: Path) -> None:
    """Write a figure as PNG (200 dpi) and SVG, whole or not at all.

    The same figure gives the same bytes: no dates, no random identifiers.
    """
    with rc_context(RC), whole(png_path) as png, whole(svg_path) as svg:
        figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
        figure.savefig(svg, format="svg", dpi=200, metadata={"Date": None, "Creator": None})


def spread(count: int, reach: float) -> np.ndarray:
    """Return `count` places evenly from -reach to reach; one place is the middle."""
    return np.linspace(-reach, reach, count) if count > 1 else np.zeros(count)


def draw_point(
    axes: Axes, x: float, y: float, style: MethodStyle, *, collapsed: bool, size: float = 4
) -> None:
    """Draw one marker; a hollow and crossed one for a constant classifier."""
    face = "white" if collapsed else style.color
    look: dict[str, Any] = {"mec": style.color, "mew": 0.8, "clip_on": False}
    axes.plot(x, y, style.marker, ms=size + 1.5 * collapsed, mfc=face, zorder=3, **look)
    if collapsed:
        axes.plot(x, y, "x", ms=size + 2.5, zorder=4, **look)


def draw_legend(
    figure: Figure, handles: Sequence[Artist], *, crossed: bool, axes: Axes | None = None, **kw: Any
) -> None:
    """Draw a legend, with an entry for constant classifiers if any is `crossed`.

    It fills `axes`, or lies where `kw` says, outside the panels.
    """
    entries: list[Any] = list(handles)
    labels = [str(handle.get_label()) for handle in handles]
    if crossed:
        look: dict[str, Any] = {"ls": "", "color": GREY, "mfc": "white", "mew": 0.8}
        entries.append(
            (Line2D([], [], marker="o", ms=5.5, **look), Line2D([], [], marker="x", ms=6.5, **look))
        )
        labels.append("constant classifier")
    if axes is None:
        figure.legend(entries, labels, **kw)
    else:
        axes.axis("off")
        axes.legend(entries, labels, loc="center left", borderpad=0, **kw)


def title_above(figure: Figure, title: str, lines: int) -> dict[str, Any]:
    """Write a title with room for a legend of so many lines below it; return the legend's place.

    The figure has the constrained layout, which keeps its panels below both.
    """
    height = figure.get_figheight()
    figure.suptitle(title, x=0.01, y=1 - 0.05 / height, ha="left", va="top")
    panels: Any = figure.get_layout_engine()
    panels.set(rect=(0, 0, 1, 1 - (0.28 + 0.16 * lines) / height))
    return {"loc": "upper left", "bbox_to_anchor": (0.005, 1 - 0.24 / height), "borderaxespad": 0}


def legend_handles(styles: dict[str, MethodStyle]) -> list[Line2D]:
    """Return a legend's handles, one per method."""
    return [
        Line2D([], [], color=s.color, marker=s.marker, ls=s.line, ms=4, lw=0.9, label=m)
        for m, s in styles.items()
    ]


def note(figure: Figure, lines: Iterable[str]) -> None:
    """Write remarks below a figure, one a line; nothing where there are none."""
    if text := "\n".join(lines):
        figure.supxlabel(text, fontsize=7, color=GREY, x=0.01, ha="left", linespacing=1.4)


def panel_title(axes: Axes, title: str, remark: str = "") -> None:
    """Write a panel's name and below it, in grey, its unit and the direction of better."""
    axes.set_title(title, fontweight="bold", pad=14 if remark else 5)
    if remark:
        axes.annotate(
            remark, (0, 1), (0, 4), "axes fraction", "offset points", color=GREY, fontsize=7
        )


def empty(axes: Axes, text: str) -> None:
    """Show a panel without data, and say why."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)
