"""Writes the tables of docs/celeba_10k.md from a study's tables, by the suite's own statistics.

python docs/refresh_claims.py results/celeba_10k

Comparisons are made anew from the tables `predictions` and `image_metrics`, so that the tables of
an earlier run will do.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pages import markdown

from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.tables.comparisons import GROUP, level_tests
from rightreasons.tables.leaderboard import leaderboard
from rightreasons.tables.schema import read_table

PAGE = Path(__file__).with_name("celeba_10k.md")
MARKED = re.compile(r"(<!-- (board|shift|selection) ?(\S*) -->\n).*?(<!-- end -->)", re.S)
COLUMNS = ("front", "method", "equalized odds", "alike", "its control's", "balanced accuracy",
           "worst cell", "RRF LRP", "RRF IG", "constant")  # fmt: skip


class Study:
    """A study's leaderboard and tests under this code."""

    def __init__(self, folder: Path) -> None:
        def table(name: str) -> pd.DataFrame:
            return read_table(folder / "tables" / f"{name}.parquet").drop(columns="run")

        config = json.loads(read_table(folder / "tables/provenance.parquet")["config"].iloc[0])
        plan = TablePlan(Plan(load_config(config)))
        job = plan.tabulate()
        self.original = job.original
        self.tests = pd.concat(_tests(plan, table("predictions"), table("image_metrics")))
        methods = list(dict.fromkeys(m for names in job.methods.values() for m in names))
        cells = table("cell_metrics")
        self.board = leaderboard(cells, self.tests, methods, job.original, job.described)
        self.selection = table("selection")

    def of_level(self, level: float) -> str:
        """Return the board of a level in Markdown, without matched controls."""
        board = self.board[self.board["level"] == level]
        odds = board.drop_duplicates("method").set_index("method")["equalized_odds"]
        rows = [list(COLUMNS)]
        for method, part in board.groupby("method", sort=False):
            first = part.iloc[0]
            if pd.isna(first["control_of"]):
                rows.append(_row(part, odds.get(f"{method}_control")))
        return markdown(rows)

    def shift(self) -> str:
        """Return the changes of RRF by LRP against the original, with p by seed."""
        wanted = {"test": "paired", "unit": "seed", "reference": self.original}
        wanted |= {"metric": "rrf", "explainer": "lrp"}
        mine = self.tests[(self.tests[list(wanted)] == list(wanted.values())).all(axis=1)]
        mine = mine[~mine["method"].str.endswith("_control")]
        levels = sorted(mine["level"].unique())
        rows: list[list[str]] = [["", *(f"phi {level:g}" for level in levels)]]
        for method, part in mine.groupby("method", sort=False):
            by_level = part.set_index("level")
            cells = [by_level.loc[level] for level in levels]
            if any(cell["effect"] for cell in cells):
                rows.append([f"`{method}`", *map(_effect, cells)])
        return markdown(rows)

    def chosen(self) -> str:
        """Return what choices promised on select images and gave on test images."""
        chosen = self.selection[self.selection["metric"] == "equalized_odds"]
        levels = sorted(chosen["level"].unique())
        rows: list[list[str]] = [["tuned", *(f"phi {x:g}: select, test" for x in levels)]]
        for method, part in chosen.groupby("method", sort=False, observed=True):
            by_level = part.set_index("level")
            cells = [by_level.loc[level] for level in levels]
            name = str(method).removesuffix("_tuned")
            rows.append([f"`{name}`", *(f"{c['select']:.2f}, {c['test']:.2f}" for c in cells)])
        return markdown(rows)


def _tests(
    plan: TablePlan, predictions: pd.DataFrame, images: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    of_level = dict(list(images.groupby(GROUP)))
    for key, part in predictions.groupby(GROUP):
        named = dict(zip(GROUP, key, strict=True))
        job = plan.compare(named["task"], named["design"], named["level"])
        yield level_tests(job.comparing, part, of_level[key])


def _row(part: pd.DataFrame, control: float | None) -> list[str]:
    first, by_explainer = part.iloc[0], part.set_index("explainer")
    p = first["equalized_odds_change_p"]
    star = "*" if first["takes_part"] and p < 0.05 else ""
    ends = f"[{first['equalized_odds_low']:.2f}, {first['equalized_odds_high']:.2f}]"
    return [
        ("●" if first["front"] else "") if first["takes_part"] else "–",
        f"`{first['method']}`",
        f"{first['equalized_odds']:.2f} {ends}{star}",
        str(first["alike"]) if pd.notna(first["alike"]) else "",
        "" if control is None or pd.isna(control) else f"{control:.2f}",
        f"{first['cell_balanced_accuracy']:.2f}",
        f"{first['worst_group_accuracy']:.2f}",
        *(f"{by_explainer['rrf'][name]:.3f}" for name in ("lrp", "integrated_gradients")),
        str(first["n_collapsed"] or ""),
    ]


def _effect(row: pd.Series) -> str:
    return f"{row['effect']:+.3f} ({row['p_value']:.3f}; {row['p_holm']:.2f})"


def main(folder: Path) -> None:
    """Put every table between its marks."""
    study = Study(folder)

    def filled(found: re.Match[str]) -> str:
        made = {
            "board": lambda: study.of_level(float(found[3])),
            "shift": study.shift,
            "selection": study.chosen,
        }[found[2]]()
        return f"{found[1]}\n{made}\n{found[4]}"

    PAGE.write_text(MARKED.sub(filled, PAGE.read_text()))
    pairs = study.tests[(study.tests["test"] == "paired") & (study.tests["unit"] == "seed")]
    pairs = pairs[(pairs["metric"] == "equalized_odds") & (pairs["reference"] == study.original)]
    print(pairs[["level", "method", "effect", "ci_low", "ci_high", "p_value", "p_holm"]]
          .round(3).to_string(index=False))  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
