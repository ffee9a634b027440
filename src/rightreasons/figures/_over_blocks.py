"""What the figures over tasks, levels and seeds share."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from rightreasons.metrics import METRICS


def metrics_of(table: pd.DataFrame) -> list[str]:
    """Return the metrics of a table, in their order."""
    found = table["metric"].unique()
    return sorted(found, key=lambda m: METRICS[m].traits["order"] if m in METRICS else 0)


def noise_of(table: pd.DataFrame) -> set[str]:
    """Return the methods of a table that decide without a look at the image."""
    return set(table.loc[table["noise"].fillna(False).astype(bool), "method"])


def said_p(p: float) -> str:
    """Return a p-value in words."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def remarks(parts: Iterable[str]) -> str:
    """Return remarks in a line, without those that are empty."""
    return ", ".join(part for part in parts if part)
