"""The style of every explainer's line, and which explainers are controls."""

from __future__ import annotations

from collections.abc import Sequence

from rightreasons.figures.style import GREY, MethodStyle

CONTROLS = {
    "random": MethodStyle("#000000", "x", ":"),
    "edges": MethodStyle(GREY, "+", ":"),
}
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
STYLES = tuple(
    MethodStyle(color, marker, line)
    for line, markers in (("-", "osDvPXh"), ("--", "^<>pd*8"))
    for color, marker in zip(COLORS, markers, strict=True)
)


def explainer_styles(explainers: Sequence[str]) -> dict[str, MethodStyle]:
    """Return a style for each explainer in the order given; the controls have their own.

    Two that are no controls look the same only if there are more than 14.
    """
    others = [name for name in explainers if name not in CONTROLS]
    turns = {name: STYLES[i % len(STYLES)] for i, name in enumerate(others)}
    return {name: CONTROLS.get(name) or turns[name] for name in explainers}
