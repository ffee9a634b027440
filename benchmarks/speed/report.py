"""The rows as text."""

from __future__ import annotations

import pandas as pd


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what is worth reading of the rows, as text."""
    compared = rows["against"]
    return pd.DataFrame(
        {
            "what": rows["what"],
            "on": rows["data"] + ", " + rows["threads"].map(threads),
            "ours": [rate(row.ours, row.unit) for row in rows.itertuples()],
            "other": [rate(row.other, row.unit) for row in rows.itertuples()],
            "against": compared,
            "ratio": [ratio(row) for row in rows.itertuples()],
            "aim": [aim(row) for row in rows.itertuples()],
        }
    )


def table(rows: pd.DataFrame) -> str:
    """Return all groups as plain tables."""
    parts = [
        f"{group}\n{shown(some).to_string(index=False)}" for group, some in groups(rows).items()
    ]
    return "\n\n".join([*parts, footer(rows)])


def markdown(rows: pd.DataFrame) -> str:
    """Return all groups as Markdown tables, each below a line `**group**`."""
    parts = [f"**{group}**\n\n{markdown_table(some)}" for group, some in groups(rows).items()]
    return "\n\n".join([*parts, footer(rows)])


def markdown_table(rows: pd.DataFrame) -> str:
    """Return rows as one Markdown table."""
    return shown(rows).to_markdown(index=False, disable_numparse=True)


def groups(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each group, in the order measured."""
    return {str(group): some for group, some in rows.groupby("group", sort=False)}


def footer(rows: pd.DataFrame) -> str:
    """Return what the numbers are and where they come from."""
    one = rows.iloc[0]
    return (
        f"Ratio: x times as fast, or = times the cost; median of {one.repeats} [lowest, highest], "
        f"both sides in turns ({one.clock} time). {one.cpu}, {one.cores} cores, Python "
        f"{one.python}, torch {one.torch}, numpy {one.numpy}."
    )


def threads(count: int) -> str:
    """Return a number of threads or processes as text."""
    return "1 thread" if count == 1 else f"{count} threads"


def rate(value: float, unit: str) -> str:
    """Return a rate with three digits."""
    digits = max(0, 2 - len(str(int(value))) + 1) if value >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def ratio(row: object) -> str:
    """Return the median ratio with its spread."""
    low, high = (number(getattr(row, f"ratio_{end}")) for end in ("low", "high"))
    sign = "x " if row.kind == "speed-up" else "= "  # type: ignore[attr-defined]
    return f"{sign}{number(row.ratio)} [{low}, {high}]"  # type: ignore[attr-defined]


def aim(row: object) -> str:
    """Return the aim and whether it was reached."""
    value, kind = row.aim, row.kind  # type: ignore[attr-defined]
    if pd.isna(value):
        return ""
    sign = "at least" if kind == "speed-up" else "at most"
    return f"{sign} {number(value)}: {'yes' if row.reached else 'no'}"  # type: ignore[attr-defined]


def number(value: float) -> str:
    """Return a number with three digits, at least two decimals below 10."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
