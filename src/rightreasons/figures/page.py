"""A page of dots that stands alone: one dot per image, with its picture and its map on hover."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._dots import (
    QUADRANTS,
    RIGHT,
    WRONG,
    cell_name,
    chance_of,
    dots_of,
    quadrant,
    summary,
)
from rightreasons.figures._labels import short_name
from rightreasons.figures._page_data import (
    Array,
    Maps,
    choose_images,
    column,
    maps_of_images,
    page_columns,
)
from rightreasons.metrics import headline

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource, LayoutDOM
    from bokeh.plotting import figure

CAPTION = """
One dot per test image of task ``{task}`` and design ``{design}``: one seed of ``{original}``, all
levels, a tab per explainer. Point at a dot for its image, its map and the model's decision.
"""
WIDTH, HEIGHT = 290, 185  # px, of a panel
PICTURE = 144  # px, of a picture in a tooltip
NOT_SHOWN = "Images of this dataset may not be shown."


# Not in Snakemake's report: it embeds HTML as an address, which Chromium refuses above 2 MB.
@FIGURES.register(
    "page",
    title="A page with a dot per image, and its picture and map under the mouse",
    paper="Searching for Unintended Biases With Saliency",
    caption=CAPTION,
    category="8 Artifacts",
    label="page of dots",
    over=("task", "design"),
    when=("artifact", "shown", "two_groups"),
    files=("dots", "maps", "roi"),
    seeds="first",
    formats=("html",),
    stem="quadrants",
    in_report=False,
)
def page(given: Given, params: Params) -> dict[str, str]:
    """Write the page of one seed, with at most as many images as the study says."""
    facts, metric = given.facts, headline("images")[0]
    dots = dots_of(given, metric)
    sets = {group.level: given.map_sets(group) for group in given.groups}
    chosen = choose_images(sets, given.study.page_images)
    shape = next(iter(sets.values()))[0].maps.shape[2:]
    shown = given.study.datasets[given.dataset].shows_images
    html = page_of(
        dots,
        chosen,
        maps_of_images(sets, chosen["image_id"].tolist(), facts.shown),
        images=given.shown(chosen) if shown else None,
        roi=given.roi(chosen["row"].to_numpy(), shape),
        title=f"{given.task}, {given.design}: {given.roles.original}, seed {given.groups[0].seed}",
        metric=short_name(metric),
        chance=chance_of(dots, given.roles.noise),
        target=facts.target,
        protected=facts.protected,
    )
    return {"html": html}


def page_of(
    dots: pd.DataFrame,
    chosen: pd.DataFrame,
    maps: Maps,
    *,
    images: Any,
    metric: str,
    roi: Array | None = None,
    title: str = "",
    chance: float = np.nan,
    target: str = "T",
    protected: str = "PA",
) -> str:
    """Return the page as HTML: a tab per explainer, a row per level, a column per quadrant.

    It loads nothing from elsewhere.

    Parameters
    ----------
    dots
        Of one seed and method (`_dots.image_dots`).
    chosen, maps
        The images of the page, and their maps, as `_page_data` gives them.
    images
        Gives the images (n, H, W, 3) uint8 of pool rows by `images[rows]`; None where they may not
        be shown.
    metric
        What the dots' values are called.
    roi
        (H, W) or (n, H, W) bool, outlined in the maps.
    title
        The page's.
    chance
        Where a dashed line stands; none for NaN.
    target, protected
        Names of the attributes.
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
            child=_grid(source, dots, chosen, maps, explainer, metric, chance), title=explainer
        )
        for explainer in dict.fromkeys(explainer for _, explainer in maps)
    ]
    head = Div(text=_head(title, metric, chance, target, protected, images is not None))
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
            name = f"level {level:g}, {cell_name(*cell)}\n{summary(part)}"
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
