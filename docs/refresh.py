"""Numbers of the pages, from the tables of a run: nothing here is typed by hand.

python docs/refresh.py readme              README's leaderboard and query results, from the demo
python docs/refresh.py claims RESULTS_DIR  the saliency paper's claims in any study, as tables
python docs/refresh.py performance         performance.md's tables, from benchmarks/speed.parquet
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parent.parent
QUERY = re.compile(r"(```sql\n(.*?)```\n\n```\n).*?(```\n)", re.S)
MARKED = re.compile(r"(<!-- speed: (\w+) -->\n).*?(<!-- end -->)", re.S)
LEADERBOARD = re.compile(r"(ends with:\n\n```\n).*?(```\n)", re.S)


def readme() -> None:
    """Run every query of the README again and put its result below it."""
    path = ROOT / "README.md"
    text = path.read_text()
    board = (ROOT / "results/demo/report/leaderboard.txt").read_text()
    text = LEADERBOARD.sub(lambda m: m[1] + board.strip("\n") + "\n" + m[2], text)
    text = QUERY.sub(lambda m: m[1] + answer(m[2]) + "\n" + m[3], text)
    path.write_text(text)


def answer(query: str) -> str:
    """Return a query's result as the README shows it."""
    return duckdb.sql(query).df().to_string(index=False, na_rep="–")


def performance() -> None:
    """Put the rows of the benchmarks between their marks in performance.md."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.speed.report import footer, groups, markdown_table

    rows = pd.read_parquet(ROOT / "benchmarks/speed.parquet")
    tables = {group: markdown_table(some) for group, some in groups(rows).items()}
    tables["footer"] = footer(rows)
    path = ROOT / "docs/performance.md"
    path.write_text(MARKED.sub(lambda m: filled(m, tables), path.read_text()))


def filled(found: re.Match[str], tables: dict[str, str]) -> str:
    """Return a marked place with its table; as it was where there is none."""
    return f"{found[1]}{tables[found[2]]}\n{found[3]}" if found[2] in tables else found[0]


def claims(folder: Path) -> None:
    """Print the saliency paper's claims, task by task: means over seeds with 95 % intervals."""
    cells = pd.read_parquet(folder / "tables/cell_metrics.parquet")
    tests = pd.read_parquet(folder / "tables/tests.parquet")
    for task in cells.task.unique():
        of_task = cells[cells.task == task]
        top = of_task.level.max()
        print(f"\n# {task}: equalized odds, {of_task.level.min():g} to {top:g}\n")
        print(rise(of_task).to_markdown(floatfmt=".2f"))
        compared = tests[(tests.task == task) & (tests.test == "paired") & (tests.level == top)]
        for reference in ("vanilla", "finetune"):
            print(f"\n# {task}: against {reference} at {top:g}\n")
            print(changes(compared[compared.reference == reference]).to_markdown())
        print(f"\n# {task}: means at {top:g}, and constant classifiers\n")
        print(levels(of_task[of_task.level == top]).to_markdown(floatfmt=".3f"))


def rise(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each method's equalized odds by level, and the rise with its t-interval."""
    odds = cells[cells.metric == "equalized_odds"]
    seeds = odds.pivot_table(index=["method", "seed"], columns="level", values="value")
    table = seeds.groupby("method").mean()
    change = seeds[seeds.columns.max()] - seeds[seeds.columns.min()]
    table["rise"] = change.groupby("method").apply(spread)
    collapsed = cells[cells.metric == "collapsed_prediction"].groupby("method").value
    table["collapsed cells"] = collapsed.sum()
    return table


def spread(values: pd.Series) -> str:
    """Return the mean with its t-interval over seeds."""
    mean, n = values.mean(), values.count()
    if n < 2:
        return f"{mean:+.2f}"
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return f"{mean:+.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def changes(tests: pd.DataFrame) -> pd.DataFrame:
    """Return the paired changes of all methods as texts: effect [interval], * where significant."""
    chosen = tests[tests.metric.isin(["equalized_odds", "accuracy", "rrf", "mrr"])].copy()
    chosen["text"] = [
        f"{row.effect:+.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]{'*' if row.significant else ''}"
        for row in chosen.itertuples()
    ]
    explainer = chosen.explainer.astype(object).where(chosen.explainer.notna(), "")
    chosen["column"] = (chosen.metric.astype(str) + " " + explainer.astype(str)).str.strip()
    return chosen.pivot_table(
        index="method", columns="column", values="text", aggfunc="first", observed=True
    )


def levels(cells: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds of what the claims speak of."""
    names = ["rrf", "adr", "dif", "rddt", "accuracy", "worst_group_accuracy"]
    chosen = cells[cells.metric.isin([*names, "collapsed_prediction", "constant_prediction"])]
    return chosen.pivot_table(index="method", columns="metric", values="value", aggfunc="mean")


if __name__ == "__main__":
    command, *rest = sys.argv[1:] or [""]
    if command == "readme":
        readme()
    elif command == "performance":
        performance()
    elif command == "claims" and rest:
        claims(Path(rest[0]))
    else:
        sys.exit(__doc__)
