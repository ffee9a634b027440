"""What tests ask of a figure: its words, and whether anything overlaps or leaves the page."""

from __future__ import annotations

import itertools

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts(figure: Figure | Axes) -> str:
    """Return all words of a figure or panel."""
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def boxes(figure: Figure) -> dict[str, Bbox]:
    """Return what the panels, legends and remarks of a figure cover, in pixels."""
    figure.draw_without_rendering()
    visible = [axes for axes in figure.axes if axes.get_visible()]
    found = {f"panel {i} {a.get_title(loc='left')}": a for i, a in enumerate(visible)}
    found |= {f"text {t.get_text()}": t for t in figure.texts if t.get_text()}
    found |= {f"legend {i}": legend for i, legend in enumerate(figure.legends)}
    tight = {name: artist.get_tightbbox() for name, artist in found.items()}
    return {name: box for name, box in tight.items() if box is not None and box.width > 0}


def misplaced(figure: Figure) -> list[str]:
    """Return what leaves the page or overlaps by more than a pixel."""
    found = boxes(figure)
    page = figure.bbox.padded(1)
    out = [n for n, box in found.items() if not all(page.contains(*c) for c in box.corners())]
    pairs = itertools.combinations({n: b.padded(-1) for n, b in found.items()}.items(), 2)
    return out + [f"{m} on {n}" for (m, a), (n, b) in pairs if a.overlaps(b)]


def smallest(figure: Figure) -> float:
    """Return the size of the smallest visible words, in points."""
    words = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return min(t.get_fontsize() for t in words)
