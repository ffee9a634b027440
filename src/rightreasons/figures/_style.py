"""How all figures look: size, fonts, the style of every method and explainer, and saving.

matplotlib is imported when something is drawn: planning imports every figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.core.files import whole
from rightreasons.core.registry import Registry
from rightreasons.debias import METHODS
from rightreasons.saliency import EXPLAINERS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from rightreasons.core.roles import Roles

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
class Style:
    """How a method or an explainer looks.

    Attributes
    ----------
    color, marker, line
        As matplotlib takes them.
    """

    color: str
    marker: str
    line: Any


# Okabe and Ito's colours, and Tol's, in which methods of users come.
SPARE_METHODS = tuple(
    Style(color, marker, line)
    for line, markers in (("-.", "dX*p"), ((0, (1, 2)), "p*Xd"))
    for color, marker in zip(("#882255", "#332288", "#117733", "#AA4499"), markers, strict=True)
)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
SPARE_EXPLAINERS = tuple(
    Style(color, marker, line)
    for line, markers in (("-", "osDvPXh"), ("--", "^<>pd*8"))
    for color, marker in zip(COLORS, markers, strict=True)
)


def method_order(methods: Iterable[str], roles: Roles) -> list[str]:
    """Return the distinct methods in the study's order, then those that it does not know."""
    found = list(dict.fromkeys(methods))
    return [m for m in roles.methods if m in found] + [m for m in found if m not in roles.methods]


def method_styles(methods: Iterable[str], roles: Roles) -> dict[str, Style]:
    """Return the style of every method, in the study's order: the same in all its figures.

    Parameters
    ----------
    methods
        Those that are drawn; repeated ones count once.
    roles
        What the study knows of them. The first method of a kind has the kind's style; the others
        and the kinds without one get spare styles in turn.
    """
    order = method_order(methods, roles)
    kinds = {**roles.methods, **{m: m for m in order if m not in roles.methods}}
    styles = _styles(kinds, METHODS, SPARE_METHODS)
    return {method: styles[method] for method in order}


def explainer_styles(explainers: Sequence[str], roles: Roles) -> dict[str, Style]:
    """Return a style for each explainer in the order given: its own, or the next of 14."""
    kinds = {name: roles.explainers.get(name, name) for name in explainers}
    return _styles(kinds, EXPLAINERS, SPARE_EXPLAINERS)


def _styles(
    kinds: Mapping[str, str], registry: Registry, spare: tuple[Style, ...]
) -> dict[str, Style]:
    """Return its style for the first of each kind that has one, spare ones in turn for others."""
    styles: dict[str, Style] = {}
    for name, kind in kinds.items():
        own = registry[kind].traits["style"] if kind in registry else ()
        if own and Style(*own) not in styles.values():
            styles[name] = Style(*own)
    others = [name for name in kinds if name not in styles]
    styles |= {name: spare[i % len(spare)] for i, name in enumerate(others)}
    return {name: styles[name] for name in kinds}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style within the block, and leave matplotlib's settings as they were.

    It starts from matplotlib's own defaults: a `matplotlibrc` of the user's changes no figure.
    """
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()
        rcParams.update(RC)
        yield


def page(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure with matplotlib's constrained layout.

    Parameters
    ----------
    height, width
        In inches; WIDTH is that of a page's text.
    """
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def title(figure: Figure, text: str) -> None:
    """Write a figure's title."""
    figure.suptitle(text, x=0.01, ha="left")


def handle(label: str = "", **look: Any) -> Line2D:
    """Return a legend's handle: a marker, with a line where `ls` says so."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **{"ls": "", **look})


def save_figure(figure: Figure, files: Mapping[str, Path]) -> None:
    """Write a figure in several formats, all or none of them.

    The same figure gives the same bytes: no dates, no random identifiers.

    Parameters
    ----------
    figure
        The figure.
    files
        The path of each format that matplotlib knows; PNG has 200 dpi.
    """
    without = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    with styled(), ExitStack() as stack:
        scratch = {name: stack.enter_context(whole(path)) for name, path in files.items()}
        for name, path in scratch.items():
            figure.savefig(path, format=name, dpi=200, metadata=without.get(name))


def spread(count: int, reach: float) -> np.ndarray:
    """Return `count` places evenly from -reach to reach; one place is the middle."""
    return np.linspace(-reach, reach, count) if count > 1 else np.zeros(count)


def draw_point(
    axes: Axes, x: float, y: float, style: Style, *, collapsed: bool, size: float = 4
) -> None:
    """Draw one marker.

    Parameters
    ----------
    axes
        Where.
    x, y
        In the axes' units.
    style
        The method's.
    collapsed
        Whether it is a constant classifier: hollow and crossed.
    size
        In points.
    """
    face = "white" if collapsed else style.color
    look: dict[str, Any] = {"mec": style.color, "mew": 0.8, "clip_on": False}
    axes.plot(x, y, style.marker, ms=size + 1.5 * collapsed, mfc=face, zorder=3, **look)
    if collapsed:
        axes.plot(x, y, "x", ms=size + 2.5, zorder=4, **look)


def draw_legend(
    figure: Figure, handles: Sequence[Artist], *, crossed: bool, axes: Axes | None = None, **kw: Any
) -> None:
    """Draw a legend.

    Parameters
    ----------
    figure
        Whose legend it is.
    handles
        What `legend_handles` or `handle` returns.
    crossed
        Whether there is an entry for constant classifiers.
    axes
        A panel that the legend fills; else it lies where `kw` says, outside the panels.
    **kw
        For matplotlib's `legend`.
    """
    entries: list[Any] = list(handles)
    labels = [str(entry.get_label()) for entry in handles]
    if crossed:
        look: dict[str, Any] = {"color": GREY, "mfc": "white", "mew": 0.8}
        entries.append((handle(marker="o", ms=5.5, **look), handle(marker="x", ms=6.5, **look)))
        labels.append("constant classifier")
    if axes is None:
        figure.legend(entries, labels, **kw)
    else:
        axes.axis("off")
        axes.legend(entries, labels, loc="center left", borderpad=0, **kw)


def title_above(figure: Figure, text: str, lines: int) -> dict[str, Any]:
    """Write a title with room for a legend below it.

    Parameters
    ----------
    figure
        With the constrained layout, which keeps its panels below both.
    text
        The title.
    lines
        How many lines the legend has.

    Returns
    -------
    dict
        The legend's place, for `draw_legend`.
    """
    height = figure.get_figheight()
    figure.suptitle(text, x=0.01, y=1 - 0.05 / height, ha="left", va="top")
    panels: Any = figure.get_layout_engine()
    panels.set(rect=(0, 0, 1, 1 - (0.28 + 0.16 * lines) / height))
    return {"loc": "upper left", "bbox_to_anchor": (0.005, 1 - 0.24 / height), "borderaxespad": 0}


def legend_handles(styles: Mapping[str, Style]) -> list[Line2D]:
    """Return a legend's handles, one per method or explainer."""
    return [
        handle(name, color=s.color, marker=s.marker, ls=s.line, ms=4, lw=0.9)
        for name, s in styles.items()
    ]


def note(figure: Figure, lines: Iterable[str]) -> None:
    """Write remarks below a figure, one a line; nothing where there are none."""
    if text := "\n".join(lines):
        figure.supxlabel(text, fontsize=7, color=GREY, x=0.01, ha="left", linespacing=1.4)


def panel_title(axes: Axes, text: str, remark: str = "") -> None:
    """Write a panel's name and below it, in grey, its unit and the direction of better."""
    axes.set_title(text, fontweight="bold", pad=14 if remark else 5)
    if remark:
        axes.annotate(
            remark, (0, 1), (0, 4), "axes fraction", "offset points", color=GREY, fontsize=7
        )


def empty(axes: Axes, text: str) -> None:
    """Show a panel without data, and say why."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def nothing(text: str) -> Figure:
    """Return a small figure that says why there is nothing to show."""
    figure = page(0.6, WIDTH / 2)
    empty(figure.add_subplot(), text)
    return figure
