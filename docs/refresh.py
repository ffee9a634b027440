"""Numbers of the pages, from the tables of a run: nothing here is typed by hand.

python docs/refresh.py readme              README's leaderboard and query results, from the demo
python docs/refresh.py performance         performance.md's tables, from benchmarks/speed.parquet
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import duckdb
import pandas as pd

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


if __name__ == "__main__":
    command, *_ = sys.argv[1:] or [""]
    if command == "readme":
        readme()
    elif command == "performance":
        performance()
    else:
        sys.exit(__doc__)
