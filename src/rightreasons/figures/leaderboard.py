"""The leaderboard as text for the terminal and as HTML for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd

from rightreasons.core.files import whole

ALPHA = 0.05
BOARD = ["task", "design", "level"]
DASH = "–"
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: .4em 0 1.6em; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #222; vertical-align: bottom; }
td { border-bottom: 1px solid #ddd; }
th.word, td.word { text-align: left; }
tr.collapsed td { color: #777; font-style: italic; }
tr.reference td { background: #f3f3f3; }
h2 { font-size: 1.1em; margin: 1.2em 0 0; }
p { max-width: 60em; }
"""
EXPLANATION = (
    "Means over seeds. Rank: by equalized odds among methods that are no constant classifier "
    "(under 5 % of decisions differ) in any seed. Lower is fairer: equalized odds [95 % interval], "
    "flips (share of decisions that switching the protected attribute alone flips). Higher is "
    "better: accuracy, worst (accuracy of the worst group). RRF: relevance in the ROI, lower looks "
    "there less. ADR: its decrease against vanilla, higher looks there less. * equalized odds "
    "differ from vanilla's (Holm-corrected p < 0.05)."
)


def render_text(leaderboard: pd.DataFrame) -> str:
    """Return one block per task and design at its strongest level (farthest from 0).

    leaderboard: the table, with a row per method and explainer (or without explainers). Methods
    that collapsed come last and carry no rank. Missing numbers are dashes. A task with vanilla
    alone has nothing to rank and is left out.
    """
    rivals = leaderboard.groupby(BOARD)["method"].transform("nunique")
    leaderboard = leaderboard[rivals > 1]
    blocks = []
    for title, board in _boards(leaderboard):
        explainers = _explainers(board)
        rows = [[*_head(explainers)], *[_cells(m, explainers) for m in _methods(board)]]
        blocks.append("\n".join([title, "", *_aligned(rows)]))
    if not blocks:
        return "The leaderboard is empty.\n"
    return "\n\n".join([*blocks, fill(_explanation(leaderboard), 100)]) + "\n"


def render_html(leaderboard: pd.DataFrame) -> str:
    """Return a self-contained HTML page with one table per task, design and level."""
    tables = "\n".join(
        f"<h2>{escape(title)}</h2>\n{_html_table(board)}"
        for title, board in _boards(leaderboard, every_level=True)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Leaderboard</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Leaderboard</h1>\n"
        f"<p>{escape(_explanation(leaderboard))}</p>\n"
        f"{tables or '<p>The leaderboard is empty.</p>'}\n"
        "</body>\n</html>\n"
    )


def shown(leaderboard: pd.DataFrame, explainers: dict[str, list[str]]) -> pd.DataFrame:
    """Return the rows of these explainers, by task, and those without any."""
    chosen = [
        pd.isna(explainer) or explainer in explainers[task]
        for task, explainer in zip(leaderboard["task"], leaderboard["explainer"], strict=True)
    ]
    return leaderboard[chosen]


def save(leaderboard: pd.DataFrame, html_path: Path, text_path: Path) -> None:
    """Write the leaderboard as HTML and as text, whole or not at all."""
    texts = {html_path: render_html(leaderboard), text_path: render_text(leaderboard)}
    for path, text in texts.items():
        with whole(path) as scratch:
            scratch.write_text(text, encoding="utf-8")


def _boards(
    leaderboard: pd.DataFrame, *, every_level: bool = False
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield title and rows of each board; without `every_level` the strongest level's only."""
    for (task, design, level), board in leaderboard.groupby(BOARD, sort=False):
        of_task = leaderboard[(leaderboard["task"] == task) & (leaderboard["design"] == design)]
        if every_level or level == max(of_task["level"], key=lambda value: (abs(value), value)):
            seeds = int(board["n_seeds"].max())
            yield f"{task}, {design} = {level:g}, {seeds} seed{'s' * (seeds > 1)}", board


def _explanation(leaderboard: pd.DataFrame) -> str:
    """Return what the columns mean, with the explainers whose names are shortened."""
    names = [e for e in _explainers(leaderboard) if _short(e) != e]
    return " ".join([EXPLANATION, *(f"{_short(name)}: {name}." for name in names)])


def _explainers(board: pd.DataFrame) -> list[str]:
    return list(board["explainer"].dropna().unique())


def _methods(board: pd.DataFrame) -> list[pd.DataFrame]:
    """Return each method's rows, ranked first, then unranked, then constant classifiers."""

    def place(rows: pd.DataFrame) -> tuple[bool, bool, float, float]:
        first = rows.iloc[0]
        return (
            first["n_collapsed"] > 0,
            bool(pd.isna(first["rank"])),
            float(first["rank"]) if pd.notna(first["rank"]) else 0.0,
            float(first["equalized_odds"]) if pd.notna(first["equalized_odds"]) else 2.0,
        )

    return sorted((rows for _, rows in board.groupby("method", sort=False)), key=place)


def _head(explainers: list[str]) -> list[str]:
    maps = [f"{name} {_short(e)}" for name in ("RRF", "ADR") for e in explainers]
    return ["rank", "method", "equalized odds", "accuracy", "worst", *maps, "flips", ""]


def _cells(rows: pd.DataFrame, explainers: list[str]) -> list[str]:
    """Return one method's cells as text."""
    first = rows.iloc[0]
    by_explainer = rows.drop_duplicates("explainer").set_index("explainer")
    maps = [
        _number(by_explainer[name].get(e), signed=name == "adr")
        for name in ("rrf", "adr")
        for e in explainers
    ]
    rank = DASH if first["n_collapsed"] > 0 or pd.isna(first["rank"]) else f"{first['rank']:.0f}"
    return [
        rank,
        str(first["method"]),
        _odds(first),
        _number(first["accuracy"]),
        _number(first["worst_group_accuracy"]),
        *maps,
        _number(first["twin_flip_rate"]),
        _collapse(first),
    ]


def _odds(row: pd.Series) -> str:
    low, high = row["equalized_odds_low"], row["equalized_odds_high"]
    interval = "" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]"
    p = row["equalized_odds_change_p"]
    star = "*" if pd.notna(p) and p < ALPHA else " "
    return f"{_number(row['equalized_odds'])}{interval}{star}"


def _collapse(row: pd.Series) -> str:
    count, seeds = int(row["n_collapsed"]), int(row["n_seeds"])
    if count == 0:
        return ""
    return "constant classifier" + (f" in {count} of {seeds} seeds" if count < seeds else "")


def _number(value: Any, *, signed: bool = False) -> str:
    if value is None or pd.isna(value):
        return DASH
    return f"{value:+.3f}" if signed and value != 0 else f"{value:.3f}"


def _short(explainer: str) -> str:
    """Return initials for names of several words: integrated_gradients is ig."""
    return "".join(word[:1] for word in explainer.split("_")) if "_" in explainer else explainer


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return lines with the method and the last column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = {1, len(widths) - 1}

    def line(row: list[str]) -> str:
        pads: list[Callable[[int], str]] = [
            cell.ljust if i in left else cell.rjust for i, cell in enumerate(row)
        ]
        return "  ".join(pad(width) for pad, width in zip(pads, widths, strict=True)).rstrip()

    return [line(rows[0]), "─" * (sum(widths[:-1]) + 2 * len(widths) - 4), *map(line, rows[1:])]


def _html_table(board: pd.DataFrame) -> str:
    explainers = _explainers(board)
    words = {1, len(_head(explainers)) - 1}

    def row(cells: list[str], tag: str, css: str = "") -> str:
        marked = "".join(
            f"<{tag}{' class=word' if i in words else ''}>{escape(cell)}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr{f' class={css}' if css else ''}>{marked}</tr>"

    body = [
        row(_cells(rows, explainers), "td", _row_class(rows.iloc[0])) for rows in _methods(board)
    ]
    head = row(_head(explainers), "th")
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table>"


def _row_class(row: pd.Series) -> str:
    if row["n_collapsed"] > 0:
        return "collapsed"
    return "reference" if row["method"] == "vanilla" else ""
