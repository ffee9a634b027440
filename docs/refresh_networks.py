"""Writes the tables of docs/yardstick_networks.md from the tables of its study.

python docs/refresh_networks.py RESULTS_DIR [CELEBA_RESULTS_DIR] [--write]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from refresh_yardstick import CONTROLS, Study, named, named_columns, number

PAGE = Path(__file__).with_name("yardstick_networks.md")
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.S)
#: Metrics that the page compares networks with: in a region, by ranks of pixels, by twins.
METRICS = ("rrf", "localisation_auc", "map_change")
#: The page's tables, of the study on CelebA with `_celeba` behind the name.
TABLES = ("models", "flips", "shares", "networks", "summary", "agreement")


class Networks(Study):
    """The study's tables, task by task: each task is a network."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        tasks = self.tables["yardstick_tasks"]
        ranked = self.tables["yardstick"].dropna(subset=["rank"])
        self.pairs = ranked[["explainer", "metric", "shown", "truth"]]
        self.found = tasks.merge(self.pairs, on=list(self.pairs.columns))
        self.found = self.found.astype(dict.fromkeys(("explainer", "metric", "task"), str))
        self.names = list(self.tables["reliance"]["task"].unique())

    def flips(self) -> str:
        """Return the share of decisions that the shortcut flips, by network, method and level."""
        models = self._reliance().drop_duplicates(["task", "method", "level", "seed"])
        rows = []
        for (task, method), part in models.groupby(["task", "method"], sort=False):
            by_level = part.groupby("level")["flips"].mean()
            row = {"network": f"`{task}`", "method": f"`{method}`"}
            row |= {f"level {level:g}": number(value) for level, value in by_level.items()}
            row["constant"] = f"{int(part['collapsed'].sum())} of {len(part)}"
            rows.append(row)
        return named_columns(rows)

    def shares(self) -> str:
        """Return the share of a map's relevance in the shortcut's place, of vanilla's models."""
        table = self._reliance()
        vanilla = table[(table["metric"] == "rrf") & (table["method"] == "vanilla")]
        means = vanilla.pivot_table(index="explainer", columns=["task", "level"], values="value")
        means = means.loc[means.mean(axis=1).sort_values(ascending=False).index]
        rows = []
        for explainer, of in means.iterrows():
            row: dict[str, object] = {"explainer": named(str(explainer))}
            for task in self.names:
                found = of.get(task, pd.Series(dtype=float)).dropna()
                row[task] = ", ".join(number(value) for value in found)
            rows.append(row)
        return named_columns(rows)

    def _reliance(self) -> pd.DataFrame:
        names = ["task", "method", "explainer", "metric"]
        return self.tables["reliance"].astype(dict.fromkeys(names, str))

    def networks(self) -> str:
        """Return each explainer's correlation with the flips, by network: a table a metric."""
        return "\n".join(self._by(metric) for metric in METRICS)

    def _by(self, metric: str) -> str:
        rows = []
        for explainer, part in self.found[self.found["metric"] == metric].groupby("explainer"):
            own = part.set_index("task")
            cells = {task: with_error(own, task) for task in self.names}
            rows.append((own["estimate"].mean(), {f"`{metric}` of": named(explainer), **cells}))
        return named_columns([row for _, row in sorted(rows, key=lambda r: -r[0])])

    def summary(self) -> str:
        """Return each explainer's best metric on every network, and the median over metrics."""
        rows = []
        for explainer, part in self.found.groupby("explainer"):
            row: dict[str, object] = {"explainer": named(explainer)}
            for task in self.names:
                own = part.loc[part["task"] == task, "estimate"]
                row[task] = f"{number(own.max())}, {number(own.median())}" if len(own) else ""
            rows.append((part.groupby("task")["estimate"].median().mean(), row))
        return named_columns([row for _, row in sorted(rows, key=lambda r: -r[0])])

    def agreement(self) -> str:
        """Return how alike two networks rank the pairs of explainer and metric that both have."""
        table = self.found.pivot_table(
            index=["explainer", "metric"], columns="task", values="estimate"
        )
        table = table[~table.index.get_level_values("explainer").isin(CONTROLS)]
        rows = []
        for i, one in enumerate(self.names):
            for other in self.names[i + 1 :]:
                both = table[[one, other]].dropna()
                top = both[one].idxmax()
                rows.append({
                    "chosen on": one,
                    "judged on": other,
                    "pairs": len(both),
                    "Spearman of their ranks": number(both.corr("spearman").iloc[0, 1]),
                    "best there": f"{top[0]}, `{top[1]}`",
                    "worth here": number(both.loc[top, other]),
                    "best here": number(both[other].max()),
                })  # fmt: skip
        return named_columns(rows)


def with_error(own: pd.DataFrame, task: str) -> str:
    """Return an estimate with its standard error over seeds."""
    if task not in own.index:
        return ""
    row = own.loc[task]
    return f"{number(row['estimate'])} ± {number(row['estimate_error'])}"


def main() -> None:
    """Print the tables, or put them into the page."""
    folders = [Path(one) for one in sys.argv[1:] if one != "--write"]
    made: dict[str, Callable[[], str]] = {}
    for folder, suffix in zip(folders, ("", "_celeba"), strict=False):
        study = Networks(folder)
        made |= {f"{name}{suffix}": getattr(study, name) for name in TABLES}
    if "--write" not in sys.argv:
        for name, table in made.items():
            print(f"{name}\n{table()}\n")
        return

    def filled(mark: re.Match[str]) -> str:
        return f"{mark[1]}{made[mark[2]]()}\n{mark[3]}" if mark[2] in made else mark[0]

    PAGE.write_text(MARKED.sub(filled, PAGE.read_text()))


if __name__ == "__main__":
    main()
