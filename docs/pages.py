"""What the commands that refill pages share: numbers as text, tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rightreasons.statistics.student import mean_interval


def bounds(value: float, low: float, high: float) -> str:
    """Return a number with its interval, where it has one; nothing for a missing number."""
    if pd.isna(value):
        return ""
    return f"{value:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")


def spread(values: pd.Series, within: tuple[float, float] = (-np.inf, np.inf)) -> str:
    """Return a mean with Student's 95 % interval, cut to what is possible."""
    known = values.dropna()
    if known.empty:
        return ""
    found = mean_interval(known.to_numpy(float))
    return bounds(found.value, max(found.low, within[0]), min(found.high, within[1]))


def markdown(rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown; its first row is the head."""
    head, *body = (f"| {' | '.join(map(str, row))} |" for row in rows)
    return "\n".join([head, f"| {' | '.join(['---'] * len(rows[0]))} |", *body]) + "\n"
