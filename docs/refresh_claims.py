"""Prints the tables of docs/celeba_10k.md from a study's tables, with the seed as the unit.

python docs/refresh_claims.py results/celeba_10k
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from rightreasons.statistics.paired import holm
from rightreasons.statistics.student import mean_interval, t_test
from rightreasons.tables.schema import read_table

HEAD = (
    "| method | equalized odds | its control's | accuracy | worst cell | RRF LRP | RRF IG "
    "| constant |\n|---|---|---|---|---|---|---|---|"
)


class Study:
    """A study's numbers by method, metric, level and seed."""

    def __init__(self, folder: Path) -> None:
        self.cells = read_table(folder / "tables" / "cell_metrics.parquet")
        self.board = read_table(folder / "tables" / "leaderboard.parquet")
        self.selection = read_table(folder / "tables" / "selection.parquet")

    def values(self, method: str, metric: str, level: float, explainer: str = "") -> np.ndarray:
        """Return a metric's values, by rising seed."""
        cells = self.cells
        mine = (cells["method"] == method) & (cells["metric"] == metric) & (cells["level"] == level)
        by = cells["explainer"].isna() if not explainer else cells["explainer"] == explainer
        return cells[mine & by].sort_values("seed")["value"].to_numpy()

    def methods(self) -> list[str]:
        """Return the methods that are no controls, in the study's order."""
        rivals = self.board[self.board["control_of"].isna()]["method"].astype(str)
        known = list(dict.fromkeys(self.cells["method"].astype(str)))
        return [method for method in known if method in set(rivals)]


def changes(study: Study, level: float, original: str) -> dict[str, float]:
    """Return Holm-corrected p of paired t-tests over seeds against the original."""
    base = study.values(original, "equalized_odds", level)
    others = [method for method in study.methods() if method != original]
    p_values = []
    for method in others:
        difference = study.values(method, "equalized_odds", level) - base
        p_values.append(t_test(difference)[1] if difference.std() > 0 else 1.0)
    return dict(zip(others, holm(np.array(p_values)), strict=True))


def row(study: Study, method: str, level: float, p: float) -> str:
    """Return a method's line of the table of a level."""
    odds = mean_interval(study.values(method, "equalized_odds", level))
    low, high = max(odds.low, 0), min(odds.high, 1)
    control = study.values(f"{method}_control", "equalized_odds", level)
    constant = int(study.values(method, "collapsed_prediction", level).sum())
    means = [
        f"{study.values(method, metric, level, by).mean():.{digits}f}"
        for metric, by, digits in (
            ("accuracy", "", 2),
            ("worst_group_accuracy", "", 2),
            ("rrf", "lrp", 3),
            ("rrf", "integrated_gradients", 3),
        )
    ]
    cells = [
        f"`{method}`",
        f"{odds.value:.2f} [{low:.2f}, {high:.2f}]{'*' if p < 0.05 else ''}",
        f"{control.mean():.2f}" if len(control) else "",
        *means,
        str(constant) if constant else "",
    ]
    return f"| {' | '.join(cells)} |"


def main(folder: Path) -> None:
    """Print a table per level, and the optimism of selection."""
    study = Study(folder)
    original = str(study.board[study.board["kind"] == "vanilla"]["method"].iloc[0])
    for level in sorted(study.cells["level"].unique()):
        p_values = changes(study, level, original)
        print(f"\nlevel {level:g}\n\n{HEAD}")
        for method in study.methods():
            print(row(study, method, level, p_values.get(method, 1.0)))
    names = ["equalized_odds", "cell_balanced_accuracy"]
    chosen = study.selection[study.selection["metric"].isin(names)]
    pd.set_option("display.width", 160, "display.max_rows", 100)
    table = chosen.pivot_table(
        index=["level", "method", "source"],
        columns="metric",
        values=["select", "test", "optimism"],
        observed=True,
    )
    print(table.round(2).to_string())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
