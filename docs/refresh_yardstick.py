"""Writes the tables of docs/yardstick.md from a study's tables.

python docs/refresh_yardstick.py RESULTS_DIR [--write]

Prints every table; with --write each replaces what lies between its marks in docs/yardstick.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from pages import markdown

from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.tables.claims import MODEL
from rightreasons.tables.schema import read_table

PAGE = Path(__file__).with_name("yardstick.md")
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.S)
#: How many pairs of explainer and metric a table shows.
BEST, LAST = 20, 5
TABLES = ("provenance", "reliance", "yardstick", "yardstick_tasks", "yardstick_debiased",
          "yardstick_transfer", "retest")  # fmt: skip
CONTROLS = ("random", "edges")


class Study:
    """A study's tables, and what its config says of its tasks."""

    def __init__(self, folder: Path) -> None:
        self.tables = {name: read_table(folder / f"tables/{name}.parquet") for name in TABLES}
        config = json.loads(self.tables["provenance"]["config"].iloc[0])
        self.kinds = TablePlan(Plan(load_config(config))).reliance().kinds

    def models(self) -> str:
        """Return how many models each task has, and what switching the attribute flips."""
        table = self.tables["reliance"]
        models = table.drop_duplicates(MODEL)
        relies = table[(table["metric"] == "rrf") & (table["shown"] == "with")]
        relies = relies.drop_duplicates(MODEL).groupby("task", sort=False)["reliant"].sum()
        rows = []
        for (dataset, task), part in models.groupby(["dataset", "task"], sort=False):
            vanilla = part[part["method"] == "vanilla"].groupby("level")["flips"].mean()
            kind = self.kinds[task]
            place = "" if part["place"].all() else " (region elsewhere)"
            rows.append({
                "dataset": dataset,
                "task": f"`{task}`{place}",
                "network": f"`{kind['network']}`",
                "shortcut": kind["shortcut"],
                "models": len(part),
                "reliant": int(relies.get(task, 0)),
                "flips of vanilla by level": ", ".join(f"{value:.2f}" for value in vanilla),
            })  # fmt: skip
        total = {"dataset": "all", "models": len(models), "reliant": int(relies.sum())}
        return named_columns([*rows, total])

    def ranking(self) -> str:
        """Return the best pairs, the best of each explainer and the last, by rank."""
        ranked = self.tables["yardstick"].dropna(subset=["rank"]).sort_values("rank")
        again = self.tables["retest"].set_index(["explainer", "metric", "shown"])
        chosen = pd.concat([
            ranked.head(BEST), ranked.drop_duplicates("explainer"), ranked.tail(LAST)
        ]).drop_duplicates(["explainer", "metric"]).sort_values("rank")  # fmt: skip
        return named_columns([
            {
                "rank": int(row["rank"]),
                "explainer": named(row["explainer"]),
                "metric": f"`{row['metric']}`",
                "Spearman within a task": number(row["within"]),
                "other tasks": interval(row, "within_tasks"),
                "other datasets": interval(row, "within_datasets"),
                "all models": number(row["estimate"]),
                "ROC area": number(row["area_within"]),
                "hits": number(row["hit_rate"]),
                "false alarms": number(row["false_alarm_rate"]),
                "in the wrong place": number(row["false_alarm_place_rate"]),
                **self._again(again, row),
            }
            for _, row in chosen.iterrows()
        ])  # fmt: skip

    def _again(self, again: pd.DataFrame, row: pd.Series) -> dict[str, str]:
        key = (row["explainer"], row["metric"], row["shown"])
        found = again.loc[key] if key in again.index else None
        names = {"halves of images": "halves", "trained again": "retrained"}
        return {n: "" if found is None else number(found[c]) for n, c in names.items()}

    def explainers(self) -> str:
        """Return each explainer's best metric, and the mean and range over all metrics."""
        table = self.tables["yardstick"].dropna(subset=["rank"])
        rows = []
        for explainer, part in table.groupby("explainer", sort=False):
            best = part.sort_values("rank").iloc[0]
            rows.append({
                "explainer": named(explainer),
                "best metric": f"`{best['metric']}`",
                "its correlation": number(best["within"]),
                "median of its metrics": number(part["within"].median()),
                "lowest": number(part["within"].min()),
                "between datasets": number(best["sd_datasets"]),
                "between tasks": number(best["sd_tasks"]),
                "by seeds": number(best["error_seeds"]),
            })  # fmt: skip
        return named_columns(sorted(rows, key=lambda row: row["its correlation"], reverse=True))

    def tasks(self) -> str:
        """Return the correlation in each task of each explainer's best pair."""
        ranked = self.tables["yardstick"].dropna(subset=["rank"]).sort_values("rank")
        tasks = self.tables["yardstick_tasks"]
        tasks = tasks[tasks["truth"] == "flips"]
        rows = []
        for _, row in ranked.drop_duplicates("explainer").iterrows():
            key = ["explainer", "metric", "shown"]
            own = tasks[(tasks[key] == row[key]).all(axis=1)].set_index("task")["estimate"]
            cells = {f"`{task}`": number(own.get(task)) for task in tasks["task"].unique()}
            pair = f"{named(row['explainer'])}, `{row['metric']}`"
            rows.append({"pair": pair, **cells, "mean": number(row["within"])})
        return named_columns(rows)

    def alarms(self) -> str:
        """Return how often level-0 models are called, by explainer."""
        table = self.tables["yardstick"]
        rows = table[(table["truth"] == "flips") & (table["shown"] != "without")]
        rows = rows[rows["level_0_inside"].notna()]
        made = [("all", rows), *rows.groupby("explainer", sort=False)]
        return named_columns([
            {
                "explainer": named(name),
                "level-0 models": span(part["level_0_models"]),
                "called, mean over metrics": number(part["level_0_rate"].mean()),
                "lowest, highest": ", ".join(
                    number(part["level_0_rate"].agg(end)) for end in ("min", "max")
                ),
                "band": span(part["level_0_low"], 2) + " to " + span(part["level_0_high"], 2),
                "metrics inside": f"{int(part['level_0_inside'].sum())} of {len(part)}",
            }
            for name, part in made
        ])  # fmt: skip

    def transfer(self) -> str:
        """Return what is chosen on one half and judged on the other, and means over many cuts."""
        table = self.tables["yardstick_transfer"]
        rows = table[table["measure"] == "spearman"]
        few = rows[rows["by"].isin(["dataset", "network"])]
        made: list[dict[str, object]] = [
            {
                "by": row["by"],
                "chosen on": row["half"],
                "judged on": row["others"],
                "agreement": number(row["agreement"]),
                "chosen": f"{row['explainer']}, `{row['metric']}`",
                "worth there": number(row["worth"]),
                "best there": f"{number(row['best'])} ({row['best_explainer']}, "
                f"`{row['best_metric']}`)",
                "regret": number(row["regret"]),
                "of a pair by lot": number(row["regret_blind"]),
                "rank there": f"{row['rank']} of {row['pairs']}",
            }
            for _, row in few.iterrows()
        ]
        for by, part in rows.groupby("by", sort=False):
            names = {"agreement": "agreement", "worth there": "worth", "best there": "best",
                     "regret": "regret", "of a pair by lot": "regret_blind"}  # fmt: skip
            means = {name: number(part[column].mean()) for name, column in names.items()}
            rank = f"{part['rank'].median():.0f} of {part['pairs'].iloc[0]}"
            where = {"by": by, "chosen on": f"mean of {len(part)} ways", "rank there": rank}
            made.append({**where, **means})
        return named_columns(made)

    def debiased(self) -> str:
        """Return which maps tell debiased models that still rely on the attribute from others."""
        table = self.tables["yardstick_debiased"]
        ranked = table.dropna(subset=["rank"]).sort_values("rank")
        everything = self.tables["yardstick"].set_index(["explainer", "metric", "shown", "truth"])
        chosen = pd.concat([ranked.head(BEST), ranked.drop_duplicates("explainer")])
        chosen = chosen.drop_duplicates(["explainer", "metric"]).sort_values("rank")
        rows = []
        for _, row in chosen.iterrows():
            key = (row["explainer"], row["metric"], row["shown"], "flips")
            rows.append({
                "rank": int(row["rank"]),
                "explainer": named(row["explainer"]),
                "metric": f"`{row['metric']}`",
                "Spearman within a level": number(row["within"]),
                "other tasks": interval(row, "within_tasks"),
                "over all levels": number(everything.loc[key, "within"]),
                "ROC area": number(row["area_within"]),
                "still reliant": f"{row['n_reliant']} of {row['n_reliant'] + row['n_not_reliant']}",
                "true if the map shows it": number(row["true_if_made"]),
                "free of it if not": number(row["untrue_if_not"]),
            })  # fmt: skip
        return named_columns(rows)


def number(value: float | None) -> str:
    """Return two digits, nothing for a missing number."""
    return "" if value is None or pd.isna(value) else f"{value:.2f}"


def interval(row: pd.Series, name: str) -> str:
    """Return an interval by the name of its columns."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if pd.isna(low) else f"[{low:.2f}, {high:.2f}]"


def span(values: pd.Series, digits: int = 0) -> str:
    """Return the smallest and largest number, one where they are the same."""
    low, high = (f"{end:.{digits}f}" for end in (values.min(), values.max()))
    return low if low == high else f"{low}-{high}"


def named(explainer: object) -> str:
    """Return an explainer's name, a control's in italics."""
    return f"*{explainer}*" if explainer in CONTROLS else str(explainer)


def named_columns(rows: list[dict[str, object]]) -> str:
    """Return rows as a table in Markdown; what a row lacks is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return markdown([names, *([row.get(name, "") for name in names] for row in rows)])


def main(folder: Path, write: bool, page: Path = PAGE) -> None:
    """Print the tables, and put them between their marks."""
    study = Study(folder)
    makers: dict[str, Callable[[], str]] = {
        name: getattr(study, name)
        for name in ("models", "ranking", "explainers", "tasks", "alarms", "transfer", "debiased")
    }
    made = {name: make() for name, make in makers.items()}
    for name, table in made.items():
        print(f"\n# {name}\n\n{table}")
    if write:
        text = page.read_text("utf-8")
        page.write_text(MARKED.sub(lambda m: f"{m[1]}{made[m[2]]}{m[3]}", text), "utf-8")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--write"]
    if len(words) != 1:
        sys.exit(__doc__)
    main(Path(words[0]), "--write" in sys.argv)
