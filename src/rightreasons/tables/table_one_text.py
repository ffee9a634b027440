"""Table 1 as text: in the paper's layout, then every number with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd

from rightreasons.core.files import whole
from rightreasons.tables.parameters import TableOne
from rightreasons.tables.table_one import GROUP

#: What the text shows of the gap: columns of the table `table_one`.
OF_GAP = ("original", "balanced", "ours")
DASH = "–"
EXPLANATION = (
    "Means over seeds on the test images. Δ: minus original, paired by seed. [95 % Student-t "
    "interval over seeds.] Gap: absolute difference of the classes' accuracies, lower is more "
    "even. Quantile: the one with the smallest gap among models that lose at most 0.05 of accuracy "
    "(or the most accurate where all lose more), chosen by the images that the heading names; "
    "chosen on test it is too hopeful. * the scheme that the same rule prefers for this task."
)


def render_text(
    table: pd.DataFrame, paper: TableOne, *, classes: tuple[str, str] = ("class 0", "class 1")
) -> str:
    """Return Table 1 as text: in the paper's layout, then every number with its interval.

    A star marks the scheme that the same rule prefers for the task. Missing numbers are dashes.

    Parameters
    ----------
    table
        The table `table_one`.
    paper
        What the paper's table is made of.
    classes
        Names of the target's classes 0 and 1, such as women and men.
    """
    if table.empty:
        return "Table 1 is empty: no model of data attribution beside an original.\n"
    names = {column: _label(column, classes) for column in paper.numbers.values()}
    blocks = [
        block
        for picked_on, part in table.groupby("picked_on", sort=False)
        for block in (
            _published_layout(part, paper, str(picked_on), names),
            _intervals(part, paper, names),
        )
    ]
    return "\n\n".join([*blocks, fill(EXPLANATION, 100)]) + "\n"


def save_text(
    table: pd.DataFrame, paper: TableOne, path: Path, *, classes: tuple[str, str]
) -> None:
    """Write Table 1 as text, whole or not at all; UserError where the disk does not let it."""
    with whole(path) as scratch:
        scratch.write_text(render_text(table, paper, classes=classes), encoding="utf-8")


def _label(column: str, classes: tuple[str, str]) -> str:
    """Return what the text calls a number: one that ends in _0 or _1 is of that class."""
    what, _, of = column.rpartition("_")
    return f"{what}, {classes[int(of)]}" if of in ("0", "1") else column


def _published_layout(
    table: pd.DataFrame, paper: TableOne, picked_on: str, names: Mapping[str, str]
) -> str:
    """Return the paper's columns: each accuracy's original, balanced Δ and ours Δ, then the gap."""
    head = ["task", "noise type", "quantile"]
    head += ["original", "balanced Δ", "ours Δ"] * len(paper.accuracies) + [*OF_GAP]
    rows = [head, *(_published_row(part, paper) for part in _schemes(table))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = _aligned(rows, widths)
    groups = [" " * (sum(widths[:3]) + 2 * 2)]
    groups += [
        names[metric].center(sum(widths[i : i + 3]) + 4)
        for i, metric in zip(range(3, len(head), 3), (*paper.accuracies, paper.gap), strict=True)
    ]
    seeds = int(table["n_seeds"].max())
    title = f"Table 1, quantile chosen on {picked_on} images, {seeds} seed{'s' * (seeds > 1)}"
    return "\n".join([title, "", "  ".join(groups).rstrip(), *lines])


def _published_row(part: pd.DataFrame, paper: TableOne) -> list[str]:
    of = part.set_index("metric")
    first = part.iloc[0]
    cells = [_task(first), _scheme(first, paper), _number(first["quantile"])]
    for metric in paper.accuracies:
        row = of.loc[metric]
        cells += [_number(row["original"])]
        cells += [_number(row[name], signed=True) for name in ("balanced_change", "ours_change")]
    return cells + [_number(of.loc[paper.gap, name]) for name in OF_GAP]


def _intervals(table: pd.DataFrame, paper: TableOne, names: Mapping[str, str]) -> str:
    """Return every scheme's Δ with intervals, after its original and balanced Δ."""
    rows = [["task", "training", "quantile", *names.values()]]
    for part in _schemes(table):
        start, of = _task(part.iloc[0]), part.set_index("metric")
        for label, name in (("original", "original"), ("balanced Δ", "balanced_change")):
            row = [start, label, "", *_with_intervals(of, names, name)]
            if row not in rows:  # schemes of as many epochs share their baselines
                rows.append(row)
        scheme = [_scheme(part.iloc[0], paper, " Δ"), _number(part["quantile"].iloc[0])]
        rows.append([start, *scheme, *_with_intervals(of, names, "ours_change")])
    return "\n".join(_aligned(rows, [max(map(len, column)) for column in zip(*rows, strict=True)]))


def _with_intervals(of: pd.DataFrame, metrics: Iterable[str], name: str) -> list[str]:
    signed = name != "original"
    cells = []
    for metric in metrics:
        value, low, high = (of.loc[metric, f"{name}{end}"] for end in ("", "_low", "_high"))
        low, high = (_number(end, signed=signed) for end in (low, high))
        interval = "" if low == DASH else f" [{low}, {high}]"
        cells.append(f"{_number(value, signed=signed)}{interval}")
    return cells


def _schemes(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the rows of every task and scheme, one for each number."""
    for _, part in table.groupby([*GROUP[2:], "kind"], sort=False, dropna=False):
        yield part


def _task(row: pd.Series) -> str:
    return f"{row['task']} ({row['design']} {row['level']:.3g})"


def _scheme(row: pd.Series, paper: TableOne, end: str = "") -> str:
    return paper.schemes[row["kind"]] + end + (" *" if row["best"] else "")


def _number(value: Any, *, signed: bool = False) -> str:
    if pd.isna(value):
        return DASH
    return f"{value + 0.0:+.3f}" if signed else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Return lines, the first two columns to the left, with a rule below the head."""

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(rows[0]), "─" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows[1:])]
