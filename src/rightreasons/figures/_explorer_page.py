"""The explorer as HTML: each view as Bokeh's widgets, tables and plots, all in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from rightreasons.figures._explorer_glue import GLUE
from rightreasons.figures._explorer_view import (
    ALL,
    DOWN,
    UP,
    Column,
    View,
    condition,
    encoded,
    label,
    options_of,
    query,
    shown,
    start,
    values_of,
)

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource, LayoutDOM
    from bokeh.models.widgets import DataTable, TableColumn
    from bokeh.plotting import figure

ROW, HEAD, TALLEST = 25, 32, 660  # px
PICTURE_ROW, TALLEST_PICTURES = 104, 960
QUIET = 'Bokeh.logger.set_level("warn");'
SCRIPTS: list[Any] = ["bokeh", "bokeh-widgets", "bokeh-tables"]
#: Bokeh's elements lie in shadow roots: what has the focus is outlined there, too.
FOCUS = (
    ":host(:focus-within) {outline: 2px solid #0072B2; outline-offset: 1px;} "
    ":focus-visible {outline: 2px solid #0072B2;}"
)
GREY_BOX: dict[str, str | None] = {
    "background": "#f3f3f3",
    "padding": "0 .8em",
    "user-select": "text",
}
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1em 1.5em 4em; }
body { color: #222; background: #fff; }
h1 { font-size: 1.5em; margin: 0; } h2 { font-size: 1.2em; margin: 2em 0 .2em; }
p { max-width: 62em; margin: .3em 0 .8em; }
nav a { margin-right: 1.2em; } a:focus-visible { outline: 2px solid #0072B2; }
"""


class Sources:
    """What a view's plot is drawn from: the rows that are shown, and its further rows."""

    def __init__(self, view: View, pictures: Sequence[str] = ()) -> None:
        from bokeh.models import ColumnDataSource

        chosen = start(view)
        data, self.words = encoded(view, view.rows)
        self.all = ColumnDataSource(data)
        first = shown(view, chosen)
        self.count = len(first)
        self.pictures = ColumnDataSource({"uri": list(pictures)})
        for name in (column.name for column in view.columns if column.look == "picture"):
            first[name] = ["" if pd.isna(p) else pictures[int(p)] for p in first[name]]
        self.shown = ColumnDataSource(_as_data(first))
        self.more: dict[str, tuple[ColumnDataSource, ColumnDataSource, Any]] = {}
        for name, rows in view.more.items():
            data, words = encoded(view, rows)
            kept = rows
            for choice, option in chosen.options.items():
                if choice in rows:
                    kept = kept[kept[choice].map(label, na_action=None) == option]
            self.more[name] = (ColumnDataSource(data), ColumnDataSource(_as_data(kept)), words)


def _as_data(rows: pd.DataFrame) -> dict[str, Any]:
    """Return columns for Bokeh: numbers as arrays, everything else as lists."""
    data: dict[str, Any] = {}
    for name in map(str, rows):
        values = rows[name]
        if pd.api.types.is_float_dtype(values.dtype) or pd.api.types.is_integer_dtype(values.dtype):
            data[name] = values.to_numpy(float, na_value=float("nan"))
        else:
            data[name] = [
                value if isinstance(value, list) else (None if pd.isna(value) else value)
                for value in values.tolist()
            ]
    return data


def built(
    view: View,
    sources: Sources,
    plots: Sequence[LayoutDOM] = (),
    *,
    axes: Mapping[str, Any] | None = None,
    beside: bool = False,
) -> LayoutDOM:
    """Return a view's controls, plots, table and query, tied together.

    Parameters
    ----------
    view
        The view.
    sources
        What its plots were drawn from.
    plots
        Shown above the table, side by side.
    axes
        Axes of the plots that are called as the chosen option of an axis is.
    beside
        Whether the table stands beside the plots.
    """
    from bokeh.layouts import column, row
    from bokeh.models import CustomJS
    from bokeh.models.widgets import PreText

    chosen, controls = start(view), _controls(view)
    table = _table(view, sources)
    count = PreText(text=f"{sources.count} of {len(view.rows)} rows", disable_math=True)
    text = PreText(text=query(view, chosen), disable_math=True, width=1000, styles=GREY_BOX)
    selects = controls[: len(view.choices)]
    sort, direction = controls[-2:]
    low, high = controls[len(selects) : -2] or (None, None)
    glue = CustomJS(
        args={
            **{"all": sources.all, "shown": sources.shown, "pictures": sources.pictures},
            **{"more": list(sources.more.values()), "selects": selects},
            **{"sort": sort, "direction": direction, "low": low, "high": high},
            **{"table": table, "count": count, "query": text, "titled": dict(axes or {})},
            **{"size": len(view.rows), "view": _told(view, sources.words)},
        },
        code=GLUE,
    )
    for control in controls:
        control.js_on_change("value", glue)
    rows: list[LayoutDOM] = [row(*controls, styles={"flex-wrap": "wrap"})]
    if beside:
        return column(*rows, row(*plots, column(count, table)), text)
    rows += [row(*plots)] if plots else []
    return column(*rows, count, table, text)


def _controls(view: View) -> list[Any]:
    """Return a control per choice, those of the bounds, what to sort by, and the order."""
    from bokeh.models.widgets import NumericInput, Select

    chosen = start(view)
    look: dict[str, Any] = {"stylesheets": [FOCUS]}
    options = [
        options_of(view, choice, _before(view, chosen.options, choice.column))
        for choice in view.choices
    ]
    selects = [
        Select(
            title=choice.title,
            value=chosen.options[choice.column],
            options=list[Any](found),
            width=_wide_enough(choice.axis or [label(v) for v in values_of(view, choice)]),
            **look,
        )
        for choice, found in zip(view.choices, options, strict=True)
    ]
    ends = [
        NumericInput(title=f"{view.bounds} {word}", mode="float", value=None, width=100, **look)
        for word in (("from", "to") if view.bounds else ())
    ]
    sort = Select(title="Sort by", value=view.sort[0], options=list[Any](view.sort),
                  width=_wide_enough(view.sort), **look)  # fmt: skip
    order = DOWN if view.down else UP
    direction = Select(title="Order", value=order, options=list[Any]((UP, DOWN)), width=130, **look)
    return [*selects, *ends, sort, direction]


def _told(view: View, words: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return what the glue has to know of a view."""
    choices = []
    for choice in view.choices:
        if choice.axis:
            labels = list(choice.axis)
            sql = [choice.sql[name] for name in labels]
        else:
            values = values_of(view, choice)
            labels = [label(value) for value in values]
            sql = [condition(choice, value) for value in values]
        choices.append({
            "column": choice.column,
            "labels": labels,
            "every": ALL if choice.every else "",
            "axis": list(choice.axis.values()) or None,
            "sql": sql,
        })  # fmt: skip
    pictures = [c.name for c in view.columns if c.look == "picture"]
    return {
        "choices": choices,
        "words": dict(words),
        "sql": view.sql,
        "first": [list(key) for key in view.first],
        "ties": [[name, False] for name in view.ties],
        "known": list(view.known),
        "bounds": view.bounds,
        "pictures": pictures,
        "down": DOWN,
        "row": PICTURE_ROW if pictures else ROW,
        "head": HEAD,
        "tallest": TALLEST_PICTURES if pictures else TALLEST,
    }


def _before(view: View, options: Mapping[str, str], column: str) -> dict[str, str]:
    names = [choice.column for choice in view.choices]
    return {name: options[name] for name in names[: names.index(column)]}


def _wide_enough(labels: Any) -> int:
    return max(110, min(340, 40 + 8 * max(map(len, labels), default=0)))


def _table(view: View, sources: Sources) -> DataTable:
    from bokeh.models.widgets import DataTable

    pictures = any(column.look == "picture" for column in view.columns)
    row = PICTURE_ROW if pictures else ROW
    return DataTable(
        source=sources.shown,
        columns=[_table_column(column, "sign" in view.rows) for column in view.columns],
        width=sum(column.width for column in view.columns) + 20,
        height=min(HEAD + max(1, sources.count) * row, TALLEST_PICTURES if pictures else TALLEST),
        row_height=row,
        index_position=None,
        selectable=False,
        reorderable=False,
        autosize_mode="none",
        stylesheets=[FOCUS],
    )


def _table_column(column: Column, signs: bool) -> TableColumn:
    """Return a column for Bokeh; methods have their sign where there is one: the plots' legend."""
    from bokeh.models.widgets import HTMLTemplateFormatter, NumberFormatter, StringFormatter
    from bokeh.models.widgets import TableColumn as Head

    look: Any
    digits = {"number": "0.000", "level": "0.[000]", "whole": "0"}.get(column.look)
    if digits:
        look = NumberFormatter(format=digits, text_align="right", nan_format="–", null_format="–")
    elif column.look == "picture":
        side = f"height:{PICTURE_ROW - 8}px;image-rendering:pixelated"
        # <%- escapes; pictures are the page's own.
        look = HTMLTemplateFormatter(
            template=f'<% if (value) {{ %><img alt="{escape(column.title)}" src="<%- value %>" '
            f'style="{side}"><% }} %>'
        )
    elif column.name == "method" and signs:
        look = HTMLTemplateFormatter(
            template='<span style="color:<%- color %>"><%- sign %></span> <%- value %>'
        )
    else:
        look = StringFormatter(nan_format="–", null_format="–")
    return Head(field=column.name, title=escape(column.title), formatter=look, width=column.width)


def page_html(title: str, intro: str, views: Sequence[tuple[View, LayoutDOM]], links: str) -> str:
    """Return the whole page: a heading, a nav, and a section per view.

    Parameters
    ----------
    title, intro
        Plain text.
    views
        Each view and its layout.
    links
        HTML of links to other pages; may be empty.
    """
    from bokeh.embed import components
    from bokeh.resources import Resources

    # No formulas and no WebGL: half of Bokeh's weight.
    raw = Resources(mode="inline", components=SCRIPTS).js_raw
    # Bokeh's own line for this tells the browser's console that it did so.
    raw = [*(js for js in raw if "set_log_level(" not in js[:30]), QUIET]
    scripts = "\n".join(f"<script>{js}</script>" for js in raw)
    script, divs = components([layout for _, layout in views], wrap_script=True)
    several = len(views) > 1
    nav = "".join(f'<a href="#{view.key}">{escape(view.title)}</a>' for view, _ in views if several)
    sections = "\n".join(
        f'<section id="{view.key}">{f"<h2>{escape(view.title)}</h2>" * several}\n'
        f"<p>{escape(view.about)}</p>\n{div}\n</section>"
        for (view, _), div in zip(views, divs, strict=True)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{scripts}\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n<p>{escape(intro)}</p>\n"
        f"<nav>{nav}{links}</nav>\n{sections}\n{script}\n</body>\n</html>\n"
    )


def point_plot(
    source: ColumnDataSource,
    x: str,
    y: str,
    *,
    titles: tuple[str, str],
    tooltips: Sequence[tuple[str, str]],
    bars: Mapping[str, tuple[str, str]],
    full: str = "",
    width: int = 620,
) -> figure:
    """Return points with bars, with the colours and markers of the source's columns.

    Parameters
    ----------
    source
        The rows that are shown.
    x, y
        Columns.
    titles
        Of the axes.
    tooltips
        What the mouse over a point tells.
    bars
        For "x" and "y" the columns of an interval's ends.
    full
        A column of alphas: 1 for a full point, 0 for a hollow one.
    width
        In pixels.
    """
    from bokeh.models import HoverTool
    from bokeh.plotting import figure

    plot = figure(width=width, height=360, tools="pan,wheel_zoom,box_zoom,reset")
    plot.toolbar.logo = None
    for way, (low, high) in bars.items():
        ends: dict[str, Any] = {"x0": x, "x1": x, "y0": low, "y1": high}
        if way == "x":
            ends = {"x0": low, "x1": high, "y0": y, "y1": y}
        plot.segment(**ends, source=source, color="color", alpha=0.45, line_width=1.5)
    dots = plot.scatter(
        x,
        y,
        source=source,
        size=9,
        marker="marker",
        color="color",
        fill_alpha=full or 0.75,
        line_width=1.5,
    )
    plot.add_tools(HoverTool(renderers=[dots], tooltips=list(tooltips)))
    plot.xaxis.axis_label, plot.yaxis.axis_label = titles
    return plot
