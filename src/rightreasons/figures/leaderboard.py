"""The leaderboard: as text for the terminal, as HTML for the report, as LaTeX for a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill, wrap
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._labels import ARROWS, initials, short_name
from rightreasons.metrics import METRICS, headline, ranking, utility
from rightreasons.tables.feasibility import sentence
from rightreasons.tables.multiverse import FRAGILE, fragile

CAPTION = """
All methods at every level, means over seeds. A dot marks the Pareto front of fairness and utility;
methods that share a letter cannot be told apart by fairness. Chance, constant classifiers, and what
tells no more of the target than chance come last and take no part. A star marks a first number that
differs from that of ``{original}`` (paired by seed, Holm-corrected p < 0.05).
"""
FRONT = "●"
ALPHA = 0.05
BOARD = ["task", "design", "level"]
DASH = "–"
LATEX = {"●": r"$\bullet$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", DASH: "--"}
USES = (
    "Uses protected: which labels of the protected attribute a method is given, those of the train "
    "or of the debias split (fit), that of the image that is decided on (decision), or its place "
    "(roi, masks, regions) or the image without it (twins)."
)
ROOM = 100  # characters of a line of text
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: .4em 0 1.6em; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #222; vertical-align: bottom; }
td { border-bottom: 1px solid #ddd; }
th.word, td.word { text-align: left; }
tr.collapsed td { color: #777; font-style: italic; }
tr.reference td { background: #f3f3f3; }
tr.control td { color: #777; }
h2 { font-size: 1.1em; margin: 1.2em 0 0; }
p { max-width: 60em; }
"""


@dataclass(frozen=True)
class Number:
    """A column of numbers: a metric, by an explainer where it is one of maps ("" elsewhere)."""

    metric: str
    explainer: str = ""

    @property
    def head(self) -> str:
        """The column's head in lines: the metric, the way to better, the explainer."""
        name, arrow = short_name(self.metric), ARROWS.get(METRICS[self.metric].traits["better"], "")
        if not self.explainer:
            return fill(f"{name} {arrow}", 8, break_long_words=False)
        return "\n".join(
            [fill(name, 8, break_long_words=False), f"{arrow} {_short(self.explainer)}"]
        )


@FIGURES.register(
    "leaderboard",
    title="All methods, as a page, as text, as LaTeX",
    paper="Own",
    caption=CAPTION,
    category="0 Leaderboard",
    label="leaderboard",
    tables=("leaderboard", "feasibility"),
    marks=("robustness",),
    controls=True,
    formats=("html", "txt", "tex"),
)
def leaderboard(given: Given, params: Params) -> dict[str, str]:
    """Write the leaderboard with the explainers that each task shows."""
    board, shown = given.tables["leaderboard"], given.study.tasks
    board = _marked(board, given)
    chosen = np.array(
        [
            pd.isna(explainer) or explainer in shown[task].shown
            for task, explainer in zip(board["task"], board["explainer"], strict=True)
        ],
        dtype=bool,
    )
    original = given.roles.original
    below = Below(given.tables["feasibility"], original)
    return {
        "html": render_html(board[chosen], original, below),
        "txt": render_text(board[chosen], original, below),
        "tex": render_latex(board[chosen], original),
    }


def _marked(board: pd.DataFrame, given: Given) -> pd.DataFrame:
    """Return the board with a column `fragile`: questions whose answers other choices change."""
    if "robustness" not in given.tables:
        return board
    found = fragile(given.tables["robustness"], given.roles.original)
    on = [*BOARD, "method"]
    said = found.groupby(on)["question"].agg(lambda asked: ", ".join(sorted(set(asked))))
    return board.merge(said.rename("fragile").reset_index(), how="left", on=on)


@dataclass(frozen=True)
class Below:
    """What is said below each board: what is left to reveal (the table `feasibility`)."""

    table: pd.DataFrame
    original: str

    def of(self, board: pd.DataFrame) -> str:
        """Return the sentence that belongs to a board's task, design and level."""
        wanted = board[BOARD].iloc[0].to_list()
        return sentence(self.table[(self.table[BOARD] == wanted).all(axis=1)], self.original)


def render_text(leaderboard: pd.DataFrame, original: str, below: Below | None = None) -> str:
    """Return one block per task and design at its strongest level (farthest from 0).

    leaderboard: the table, with a row per method and explainer (or without explainers). Methods
    that take no part come last. Missing numbers are dashes. Matched controls, and columns that a
    line has no room for, are left to the page. A task with the original alone is left out. below:
    what is said below each board.
    """
    rivals = leaderboard.groupby(BOARD)["method"].transform("nunique")
    controls = leaderboard["control_of"].notna()
    leaderboard = leaderboard[(rivals > 1) & ~controls]
    blocks, shown, cut = [], dict[Number, None](), False
    for title, board in _boards(leaderboard):
        columns = _columns(board)
        while (width := _width(board, columns)) > ROOM and len(columns) > 1:
            columns, cut = [c for c in columns if c.metric != columns[-1].metric], True
        shown |= dict.fromkeys(columns)
        blocks.append("\n".join([title, "", *_aligned(_rows(board, columns), width)]))
        if below is not None:
            blocks.append(fill(below.of(board), ROOM))
    if not blocks:
        return "The leaderboard is empty.\n"
    words = _explanation(leaderboard, list(shown), original)
    if left_out := ["all columns"] * cut + ["controls"] * bool(controls.any()):
        words += f" The page has {' and '.join(left_out)}."
    return "\n\n".join([*blocks, fill(words, ROOM)]) + "\n"


def render_html(leaderboard: pd.DataFrame, original: str, below: Below | None = None) -> str:
    """Return a self-contained HTML page with one table per task, design and level."""
    tables = "\n".join(
        f"<h2>{escape(title)}</h2>\n{_html_table(board, original)}"
        + (f"\n<p>{escape(below.of(board))}</p>" if below is not None else "")
        for title, board in _boards(leaderboard, every_level=True)
    )
    words = f"{_explanation(leaderboard, _columns(leaderboard), original)} {USES}"
    if leaderboard["control_of"].notna().any():
        words += " Grey: a method's own control, the same run at strength 0."
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Leaderboard</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Leaderboard</h1>\n"
        f"<p>{escape(words)}</p>\n"
        f"{tables or '<p>The leaderboard is empty.</p>'}\n"
        "</body>\n</html>\n"
    )


def render_latex(leaderboard: pd.DataFrame, original: str) -> str:
    """Return a table (booktabs) for each task, design and level, without matched controls.

    What the columns mean stands above, as comments.
    """
    tables = []
    for title, board in _boards(leaderboard[leaderboard["control_of"].isna()], every_level=True):
        head, *rows = _rows(board, _columns(board))
        names = [head_of.replace("-\n", "-").replace("\n", " ") for head_of in head]
        style = pd.DataFrame(rows).style.hide(axis="index").format(escape="latex")
        style = style.relabel_index([_latex(name) for name in names], axis="columns")
        layout = "cl" + "r" * (len(names) - 3) + "l"
        tables.append(style.to_latex(hrules=True, column_format=layout, caption=_latex(title)))
    text = "\n".join(tables)
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    words = _explanation(leaderboard, _columns(leaderboard), original)
    return "".join(f"% {line}\n" for line in wrap(words, ROOM)) + text


def _latex(text: str) -> str:
    """Return text with the signs escaped that LaTeX takes for commands."""
    return re.sub(r"([_%&#$])", r"\\\1", text)


def _boards(
    leaderboard: pd.DataFrame, *, every_level: bool = False
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield title and rows of each board; without `every_level` the strongest level's only."""
    for (task, design, level), board in leaderboard.groupby(BOARD, sort=False):
        of_task = leaderboard[(leaderboard["task"] == task) & (leaderboard["design"] == design)]
        if every_level or level == max(of_task["level"], key=lambda value: (abs(value), value)):
            seeds = int(board["n_seeds"].max())
            yield (
                f"{task}, {design} = {level:g}, {f'{seeds} seeds' if seeds > 1 else 'one run'}",
                board,
            )


def _explanation(board: pd.DataFrame, columns: Sequence[Number], original: str) -> str:
    """Return what the columns mean, with the names that are shortened."""
    first, kept = short_name(ranking().name).lower(), short_name(utility().name).lower()
    metrics = list(dict.fromkeys(column.metric for column in columns))
    named = [text for text in map(_meaning, metrics) if text]
    explainers = list(dict.fromkeys(column.explainer for column in columns))
    named += [f"{_short(e)}: {e}." for e in explainers if _short(e) != e]
    said = (
        f"{FRONT}: no other method is both fairer ({first}) and more accurate ({kept}). "
        f"{DASH}: takes no part, as a constant classifier (under 5 % of decisions differ in a "
        "seed), or because it tells no more of the target than chance. ↓: lower is better, ↑: "
        "higher. "
        "[95 % interval]. "
    )
    if board["n_seeds"].max() > 1:
        said += (
            "Means over seeds; intervals hold for other training runs and images. *: "
            f"{first} differs from {original}'s; alike: methods that share a letter do not differ "
            f"in it (paired by seed, Holm-corrected p < {ALPHA:g}). "
        )
    else:
        said += (
            "One run: intervals hold for these models on other images, and nothing here says what "
            "another training run would give. "
        )
    if "fragile" in board and board["fragile"].notna().any():
        said += (
            f"Fragile: what is said of the method against {original} changes in more than "
            f"{100 * FRAGILE:g} % of the ways to ask that cost no training (table robustness). "
        )
    return said + " ".join(named)


def _meaning(metric: str) -> str:
    """Return what a metric's short name stands for; "" where it says so itself."""
    short, title = (
        short_name(metric),
        METRICS[metric].title.removesuffix(f" ({short_name(metric)})"),
    )
    return "" if title.lower().startswith(short.lower()) else f"{short}: {title.lower()}."


def _columns(board: pd.DataFrame) -> list[Number]:
    """Return the columns of numbers that there are: fairness and utility, then the others."""
    first = [ranking().name, utility().name]
    metrics = [*first, *(m for m in headline("leaderboard") if m not in first)]
    explainers = list(board["explainer"].dropna().unique())
    return [
        Number(metric, explainer)
        for metric in metrics
        if metric in board and board[metric].notna().any()
        for explainer in (explainers if _of_maps(metric) else [""])
    ]


def _of_maps(metric: str) -> bool:
    return METRICS[metric].traits["kind"] in ("image", "pair", "test")


def _methods(board: pd.DataFrame) -> list[pd.DataFrame]:
    """Return each method's rows, in the table's order."""
    return [rows for _, rows in board.groupby("method", sort=False)]


def _rows(board: pd.DataFrame, columns: Sequence[Number]) -> list[list[str]]:
    """Return the board as text, its head first."""
    heads = [column.head for column in columns]
    head = ["", "method", *heads[:1], "alike", *heads[1:], ""]
    return [head, *(_cells(rows, columns) for rows in _methods(board))]


def _cells(rows: pd.DataFrame, columns: Sequence[Number]) -> list[str]:
    """Return one method's cells as text."""
    first = rows.iloc[0]
    by_explainer = rows.drop_duplicates("explainer").set_index("explainer")
    numbers = [
        _first(first)
        if column.metric == ranking().name
        else _number(
            by_explainer[column.metric].get(column.explainer)
            if column.explainer
            else first[column.metric],
            signed=METRICS[column.metric].traits["bounds"][0] < 0,
        )
        for column in columns
    ]
    standing = (FRONT if first["front"] else "") if first["takes_part"] else DASH
    alike = DASH if pd.isna(first["alike"]) else str(first["alike"])
    return [standing, str(first["method"]), *numbers[:1], alike, *numbers[1:], _note(first)]


def _first(row: pd.Series) -> str:
    """Return the metric of fairness with its interval and star."""
    name = ranking().name
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval = "" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]"
    p = row[f"{name}_change_p"]
    star = "*" if pd.notna(p) and p < ALPHA and row["takes_part"] else " "
    return f"{_number(row[name])}{interval}{star}"


def _note(row: pd.Series) -> str:
    """Return what else is to be said of a method: whose control it is, why it takes no part."""
    count, seeds = int(row["n_collapsed"]), int(row["n_seeds"])
    said = [] if pd.isna(row["control_of"]) else [f"{row['control_of']} at strength 0"]
    if pd.notna(row["noise"]) and row["noise"]:
        said.append("chance alone")
    if count:
        some = f" in {count} of {seeds} seeds" if count < seeds else ""
        said.append(f"constant classifier{some}")
    if not said and not row["takes_part"]:
        said.append("no better than chance")
    if row["takes_part"] and pd.notna(row.get("fragile")):
        said.append(f"fragile: {row['fragile']}")
    return ", ".join(said)


def _number(value: Any, *, signed: bool = False) -> str:
    if value is None or pd.isna(value):
        return DASH
    return f"{value:+.3f}" if signed and value != 0 else f"{value:.3f}"


def _short(explainer: str) -> str:
    """Return initials for names of several words: integrated_gradients is ig."""
    return initials(explainer).lower() if initials(explainer) != explainer else explainer


def _widths(rows: list[list[str]]) -> list[int]:
    heads = [max(map(len, head.split("\n"))) for head in rows[0]]
    return [max(heads[i], *(len(row[i]) for row in rows[1:])) for i in range(len(heads))]


def _width(board: pd.DataFrame, columns: Sequence[Number]) -> int:
    """Return the characters of a line, without what is said of constant classifiers."""
    widths = _widths(_rows(board, columns))
    return sum(widths[:-1]) + 2 * (len(widths) - 2)


def _aligned(rows: list[list[str]], width: int) -> list[str]:
    """Return lines with the method and the last column to the left, the others to the right."""
    widths, left = _widths(rows), {1, len(rows[0]) - 1}

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    heads = [head.split("\n") for head in rows[0]]
    tall = max(map(len, heads))
    head = [line(part) for part in zip(*([""] * (tall - len(h)) + h for h in heads), strict=True)]
    return [*head, "─" * width, *map(line, rows[1:])]


def _html_table(board: pd.DataFrame, original: str) -> str:
    rows = [
        [*row[:2], *known, *row[2:]]
        for row, known in zip(_rows(board, _columns(board)), _known(board), strict=True)
    ]
    words = {0, 1, 2, 3, len(rows[0]) - 1}

    def row(cells: list[str], tag: str, css: str = "") -> str:
        marked = "".join(
            f"<{tag}{' class=word' if i in words else ''}>{escape(cell)}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr{f' class={css}' if css else ''}>{marked}</tr>"

    body = [
        row(cells, "td", _row_class(of_method.iloc[0], original))
        for cells, of_method in zip(rows[1:], _methods(board), strict=True)
    ]
    head = row([cell.replace("-\n", "-").replace("\n", " ") for cell in rows[0]], "th")
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table>"


def _known(board: pd.DataFrame) -> list[list[str]]:
    """Return preset and use of the protected attribute of each method, their heads first."""
    first = [rows.iloc[0] for rows in _methods(board)]
    known = [[str(row["preset"]), str(row["uses_protected"])] for row in first]
    return [["preset", "uses protected"], *known]


def _row_class(row: pd.Series, original: str) -> str:
    if row["n_collapsed"] > 0:
        return "collapsed"
    if pd.notna(row["control_of"]):
        return "control"
    return "reference" if row["method"] == original else ""
