"""A page of dots that stands alone: one dot per image, with its picture and its map on hover."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures.dots import (
    QUADRANTS,
    RIGHT,
    WRONG,
    cell_name,
    quadrant,
    summary,
)
from rightreasons.figures.metric_labels import short_name
from rightreasons.figures.page_data import Array, Maps, column, page_columns

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource, LayoutDOM
    from bokeh.plotting import figure

WIDTH, HEIGHT = 290, 170  # px, of a panel
PICTURE = 144  # px, of a picture in a tooltip
NOT_SHOWN = "Images of this dataset may not be shown."


def page(
    dots: pd.DataFrame,
    chosen: pd.DataFrame,
    maps: Maps,
    *,
    images: Any,
    roi: Array | None = None,
    title: str = "",
    metric: str = "top_fraction",
    chance: float = np.nan,
    target: str = "T",
    protected: str = "PA",
) -> str:
    """Return the page as HTML: a tab per explainer, a row per level, a column per quadrant.

    dots: of one seed and method (rightreasons.figures.dots.image_dots). chosen: the images of the
    page, maps: their maps, as rightreasons.figures.page_data gives them. images: what gives the
    images (n, H, W, 3) uint8 of pool rows by `images[rows]`, or None where they may not be shown.
    roi: (H, W) or (n, H, W) bool, outlined in the maps. chance: where a dashed line stands. The
    page loads nothing from elsewhere.
    """
    from bokeh.embed import file_html
    from bokeh.layouts import column as stacked
    from bokeh.models import ColumnDataSource, TabPanel, Tabs
    from bokeh.models.widgets import Div
    from bokeh.resources import INLINE

    dots = dots[dots["image_id"].isin(chosen["image_id"])]
    source = ColumnDataSource(page_columns(dots, chosen, maps, images, roi))
    tabs = [
        TabPanel(
            child=_grid(source, dots, chosen, maps, explainer, short_name(metric), chance),
            title=explainer,
        )
        for explainer in dict.fromkeys(explainer for _, explainer in maps)
    ]
    head = Div(text=_head(title, short_name(metric), chance, target, protected, images is not None))
    return file_html(stacked(head, Tabs(tabs=tabs)), INLINE, title or "Dots")


def _grid(
    source: ColumnDataSource,
    dots: pd.DataFrame,
    chosen: pd.DataFrame,
    maps: Maps,
    explainer: str,
    metric: str,
    chance: float,
) -> LayoutDOM:
    """Return the panels of one explainer, which zoom and pan together."""
    from bokeh.layouts import gridplot
    from bokeh.models import Range1d
    from bokeh.models.annotations import Title

    ranges = {"x_range": Range1d(start=-0.04, end=1.04), "y_range": Range1d(start=-0.06, end=1.06)}
    ours = dots[dots["explainer"] == explainer]
    rows: list[list[LayoutDOM | None]] = []
    for level in [level for level, name in maps if name == explainer]:
        row: list[LayoutDOM | None] = []
        for cell in QUADRANTS:
            part = quadrant(ours[ours["level"] == level], *cell)
            name = f"level {level:g}, {cell_name(*cell)}: {summary(part)}"
            title = Title(text=name, text_font_size="11px")
            places = quadrant(chosen, *cell).index.to_list()
            panel = _panel(source, places, level, explainer, metric, title=title, **ranges)
            _line(panel, chance, dash="dashed", color="#666666")
            _line(panel, part["value"].median(), dash="solid", color="black")
            row.append(panel)
        rows.append(row)
    return gridplot(rows, toolbar_options={"logo": None})


def _panel(
    source: ColumnDataSource,
    places: list[int],
    level: float,
    explainer: str,
    metric: str,
    **look: Any,
) -> figure:
    """Return one quadrant: the dots of the rows `places` of the source."""
    from bokeh.models import CDSView, HoverTool, IndexFilter
    from bokeh.plotting import figure
    from bokeh.transform import factor_cmap, factor_mark

    panel = figure(width=WIDTH, height=HEIGHT, tools="pan,wheel_zoom,box_zoom,reset", **look)
    right, kinds = column("right", level), ["right", "wrong"]
    dots = panel.scatter(
        column("value", level, explainer),
        "height",
        source=source,
        view=CDSView(filter=IndexFilter(indices=places)),
        size=8,
        marker=factor_mark(right, ["circle", "x"], kinds),
        color=factor_cmap(right, [RIGHT, WRONG], kinds),
        fill_alpha=0.6,
        line_width=1.5,
    )
    tooltip = _tooltip(level, explainer, metric, "image" in source.data)
    panel.add_tools(HoverTool(renderers=[dots], tooltips=tooltip, limit=2))
    panel.xaxis.axis_label = metric
    panel.yaxis.visible = False
    panel.grid.visible = False
    return panel


def _line(panel: figure, at: float, *, dash: str, color: str) -> None:
    """Draw an upright line, or nothing at a missing value."""
    from bokeh.models.annotations import Span

    if not np.isnan(at):
        panel.add_layout(Span(location=at, dimension="height", line_dash=dash, line_color=color))


def _tooltip(level: float, explainer: str, metric: str, shown: bool) -> str:
    """Return the HTML of a dot's tooltip; Bokeh fills in what stands behind an @."""
    look = f"width:{PICTURE}px;height:{PICTURE}px;object-fit:contain;image-rendering:pixelated"
    image = f'<img alt="image" src="@image" style="{look}">' if shown else f"<i>{NOT_SHOWN}</i>"
    map_ = f'<img alt="map" src="@{{{column("map", level, explainer)}}}" style="{look}">'
    right, decision = column("right", level), column("decision", level)
    score, value = column("score", level), column("value", level, explainer)
    return (
        f'<div style="width:{2 * PICTURE + 12}px">'
        f'<div style="display:flex;gap:6px">{image}{map_}</div>'
        f"<div><b>@image_id</b></div>"
        f"<div>decided T=@{{{decision}}}{{0}}: <b>@{{{right}}}</b>, "
        f"P(T=1) @{{{score}}}{{0.00}}</div>"
        f"<div>{escape(metric)} of {escape(explainer)}: @{{{value}}}{{0.000}}</div></div>"
    )


def _head(title: str, metric: str, chance: float, target: str, protected: str, shown: bool) -> str:
    """Return the page's title and how to read it."""
    dashed = "" if np.isnan(chance) else f" Dashed: mean of random maps ({chance:.3f})."
    lines = [
        f"One dot per image. Sideways: {escape(metric)} of its map. Height: of no meaning.",
        f"PA: {escape(protected)}. T: {escape(target)}. Black line: median.{dashed}",
        f'<span style="color:{RIGHT}">● decided right</span> '
        f'<span style="color:{WRONG}">✕ decided wrong</span>',
        "Point at a dot for its image and its map (red: for the class, blue: against it, black: "
        "outline of the region). The tools above the dots move and zoom all quadrants at once.",
    ]
    if not shown:
        lines.append(NOT_SHOWN)
    return f"<h2>{escape(title)}</h2><p>{'<br>'.join(lines)}</p>"
