"""The explorer: a study's tables in one page, with the query behind every view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._explorer_page import Sources, built, page_html, point_plot
from rightreasons.figures._explorer_tables import (
    heading,
    leaderboard_view,
    levels_view,
    models_view,
    runtimes_view,
    yardstick_view,
)
from rightreasons.figures._explorer_view import View, start
from rightreasons.metrics import ranking, utility

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM

CAPTION = """
All tables in one page: the leaderboard, every metric by level and method, fairness against
reliance, the yardstick and the run times, each with the query that gives its numbers. It opens from
disk and needs no network. The first of the methods is ``{original}``.
"""
INTRO = (
    "Choose, sort, and read the query below each view: it gives the same numbers from the study's "
    "tables. Run it in the folder where the study was run, with DuckDB."
)
#: Bokeh's marker and a sign for each of matplotlib's markers that methods have.
MARKERS = {
    "o": ("circle", "●"), "s": ("square", "■"), "D": ("diamond", "◆"), "d": ("diamond_dot", "◈"),
    "^": ("triangle", "▲"), "v": ("inverted_triangle", "▼"), "<": ("triangle_dot", "◬"),
    ">": ("square_dot", "▣"), "P": ("plus", "✚"), "X": ("circle_x", "⊗"), "x": ("x", "✕"),
    "h": ("hex", "⬢"), "p": ("hex_dot", "⬡"), "*": ("star", "★"),
}  # fmt: skip


# Not in Snakemake's report: it embeds HTML as an address, which Chromium refuses above 2 MB.
@FIGURES.register(
    "explorer",
    title="A page to explore all results, with the query behind every number",
    paper="Own",
    caption=CAPTION,
    category="0 Leaderboard",
    label="explorer",
    tables=("leaderboard", "cell_metrics"),
    marks=("yardstick", "runtimes"),
    controls=True,
    formats=("html",),
    stem="explorer/index",
    in_report=False,
)
def explorer(given: Given, params: Params) -> dict[str, str]:
    """Write the page of all tables; the pages of images lie beside it."""
    links = "".join(
        f'<a href="{escape(page)}">Images of {escape(name)}</a>'
        for name, page in image_pages(given).items()
    )
    laid = [(view, laid_out(view)) for view in views_of(given)]
    return {"html": page_html("Explorer", INTRO, laid, links)}


def views_of(given: Given) -> list[View]:
    """Return the views that the study has rows for, rows of methods in their styles."""
    folder, tables = given.study.tables, given.tables
    shown = [name for task in given.study.tasks.values() for name in task.shown]
    found: list[View] = []
    if len(board := tables["leaderboard"]):
        found.append(_styled(leaderboard_view(board, folder, list(dict.fromkeys(shown))), given))
    if len(cells := tables["cell_metrics"].dropna(subset=["value"])):
        found += [_styled(view(cells, folder), given) for view in (levels_view, models_view)]
    if len(yardstick := tables.get("yardstick", pd.DataFrame())):
        found.append(yardstick_view(yardstick, folder))
    if len(runtimes := tables.get("runtimes", pd.DataFrame())):
        found.append(runtimes_view(runtimes, folder))
    return found


def laid_out(view: View) -> LayoutDOM:
    """Return a view's controls, plot, table and query."""
    draw: Callable[[View], LayoutDOM] | None = LAYOUTS.get(view.key)
    return draw(view) if draw else built(view, Sources(view))


def image_pages(given: Given) -> dict[str, str]:
    """Return what each page of images is of, and its file beside this one."""
    stem = Path(FIGURES["explorer_images"].traits["stem"]).name
    pairs = given.tables["cell_metrics"][["task", "design"]].drop_duplicates()
    return {
        f"{task}, {design}": f"{stem}-{task}-{design}.html"
        for task, design in pairs.itertuples(index=False, name=None)
        if task in given.study.tasks and given.study.tasks[task].shown
    }


def _styled(view: View, given: Given) -> View:
    """Return the view with each row's colour, marker and sign: those of its method's figures."""
    from rightreasons.figures._style import method_styles

    looks = {
        method: (style.color, *MARKERS.get(style.marker, MARKERS["o"]))
        for method, style in method_styles(view.rows["method"], given.roles).items()
    }

    def styled(rows: pd.DataFrame) -> pd.DataFrame:
        names = ("color", "marker", "sign")
        return rows.assign(**{
            name: [looks[method][i] for method in rows["method"]] for i, name in enumerate(names)
        })  # fmt: skip

    more = {name: styled(rows) for name, rows in view.more.items()}
    return replace(view, rows=styled(view.rows), more=more)


def _board(view: View) -> LayoutDOM:
    """Return the leaderboard below its points: fairness against utility."""
    view = replace(view, rows=view.rows.assign(full=view.rows["takes_part"].astype(float)))
    sources = Sources(view)
    fair, kept = ranking().name, utility().name
    plot = point_plot(
        sources.shown,
        kept,
        fair,
        titles=(heading(kept), heading(fair)),
        tooltips=[("method", "@method"), (fair, f"@{fair}{{0.000}}"), (kept, f"@{kept}{{0.000}}")],
        bars={"x": (f"{kept}_low", f"{kept}_high"), "y": (f"{fair}_low", f"{fair}_high")},
        full="full",
    )
    return built(view, sources, [plot])


def _levels(view: View) -> LayoutDOM:
    """Return every metric by level, a line per method, beside its table."""
    sources = Sources(view)
    plot = point_plot(
        sources.shown,
        "level",
        "mean",
        titles=("level", "mean over seeds"),
        tooltips=[
            ("method", "@method"),
            ("level", "@level"),
            ("mean", "@mean{0.000} [@low{0.000}, @high{0.000}]"),
        ],
        bars={"y": ("low", "high")},
        width=700,
    )
    plot.multi_line("xs", "ys", source=sources.more["lines"][1], color="color", line_width=1.5)
    return built(view, sources, [plot], beside=True)


def _models(view: View) -> LayoutDOM:
    """Return every model as a point."""
    sources, options = Sources(view), start(view).options
    plot = point_plot(
        sources.shown,
        "x",
        "y",
        titles=(options["x"], options["y"]),
        tooltips=[
            ("model", "@method, seed @seed"),
            ("cell", "@task, @design @level"),
            ("sideways", "@x{0.000}"),
            ("upwards", "@y{0.000}"),
        ],
        bars={},
    )
    return built(view, sources, [plot], axes={"x": plot.xaxis[0], "y": plot.yaxis[0]})


LAYOUTS = {"leaderboard": _board, "levels": _levels, "models": _models}
