"""What pages show of a study's tables: every query runs, and every number is where it says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import fake_tables
import made_tables
from rightreasons.tables.schema import TABLES, write_table

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import filling  # noqa: E402
import refresh  # noqa: E402

SHOWN = re.compile(r"^```sql\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"results/(\w+)/tables/")
TEXTS = {path.name: path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
#: Each query of each page once, whether readers see it or not.
QUERIES = {
    f"{page}-{number}": query
    for page, text in TEXTS.items()
    for number, query in enumerate(
        dict.fromkeys([*SHOWN.findall(text), *filling.queries(text)]), start=1
    )
}


@pytest.fixture(scope="module")
def without_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table without rows, for every study that a page names."""
    folder = tmp_path_factory.mktemp("empty")
    first = folder / "results/demo/tables"
    first.mkdir(parents=True)
    for name in TABLES:
        write_table([pd.DataFrame()], name, first / f"{name}.parquet")
    for study in set(NAMED.findall("".join(QUERIES.values()))) - {"demo"}:
        shutil.copytree(first, folder / f"results/{study}/tables")
    return folder


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up tables in the place of the demo's."""
    tables = tmp_path / "results/demo/tables"
    tables.mkdir(parents=True)
    cells = fake_tables.fake_cells().replace({"level": {0.9: 0.6}})
    board = fake_tables.fake_leaderboard(cells)
    write_table([cells], "cell_metrics", tables / "cell_metrics.parquet")
    write_table([board], "leaderboard", tables / "leaderboard.parquet")
    monkeypatch.chdir(tmp_path)
    return tables


def test_there_are_queries_on_the_pages_that_have_them() -> None:
    pages = {name.split("-")[0] for name in QUERIES}
    assert {"README.md", "tutorial.md", "questions.md", "first_steps.md"} <= pages


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_of_a_page_goes_with_the_tables_of_today(
    query: str, without_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(without_rows)
    assert duckdb.sql(query).columns


def test_ten_questions_have_an_answer_each() -> None:
    text = TEXTS["questions.md"]
    questions = re.findall(r"^## (\d+)\. .*\?$", text, re.M)
    assert questions == [str(number) for number in range(1, 11)]
    answers = [m.group(0) for m in filling.QUERY.finditer(text)]
    assert len(answers) == 10
    assert all(one.rsplit("```\n", 2)[1].count("\n") >= 2 for one in answers)  # head and a row


def question(number: int) -> str:
    """Return the query below a question's heading."""
    section = TEXTS["questions.md"].split(f"\n## {number}. ")[1]
    return SHOWN.findall(section)[0]


def test_the_answers_of_made_up_tables(demo: Path) -> None:
    cells = pd.read_parquet(demo / "cell_metrics.parquet")
    chosen = cells[(cells["level"] == 0.6) & (cells["method"] == "zhang")]

    def slow(metric: str, explainer: str | None = None) -> float:
        values = [
            row.value
            for row in chosen.itertuples()
            if row.metric == metric
            and (row.explainer == explainer or (explainer is None and pd.isna(row.explainer)))
        ]
        assert len(values) == 2
        return sum(values) / 2

    looks = made_tables.one(duckdb.sql(question(4)).df(), method="zhang")
    assert looks["odds"] == pytest.approx(slow("equalized_odds"), abs=0.005)
    assert looks["rrf_lrp"] == pytest.approx(slow("rrf", "lrp"), abs=0.0005)
    assert looks["rrf_ig"] == pytest.approx(slow("rrf", "integrated_gradients"), abs=0.0005)
    assert looks["flips"] == pytest.approx(slow("twin_flip_rate"), abs=0.005)
    price = made_tables.one(duckdb.sql(question(5)).df(), method="zhang")
    assert price["balanced"] == pytest.approx(slow("cell_balanced_accuracy"), abs=0.005)
    assert price["worst_group"] == pytest.approx(slow("worst_group_accuracy"), abs=0.005)
    constant = made_tables.one(duckdb.sql(question(6)).df(), method="p_clarc")
    assert constant["collapsed_seeds"] == 1
    assert not constant["takes_part"]


def test_differences_by_seed_are_told_from_those_by_image(demo: Path) -> None:
    cells = pd.read_parquet(demo / "cell_metrics.parquet")
    found = fake_tables.fake_tests(cells)  # every effect but those by seed is 99
    write_table([found], "tests", demo / "tests.parquet")
    answers = duckdb.sql(question(1)).df()
    assert set(answers["method"]) == set(fake_tables.METHODS) - {"vanilla"}
    for row in answers.itertuples():
        [effect] = [
            one.effect
            for one in found.itertuples()
            if (one.unit, one.reference, one.metric) == ("seed", "vanilla", "equalized_odds")
            and (one.method, one.level, one.test) == (row.method, 0.6, "paired")
        ]
        assert row.effect == pytest.approx(effect, abs=0.0051)
        assert row.low < row.effect < row.high
    assert answers["p_holm"].is_monotonic_increasing


PAGE = """Vanilla has **9.9<!-- =odds vanilla odds -->** and 3<!-- =count methods --> methods.

<!-- table odds
SELECT method, round(avg(equalized_odds), 2) AS odds, 7 AS whole_number
FROM 'results/demo/tables/leaderboard.parquet'
WHERE level = 0.6 AND method IN ('vanilla', 'zhang') GROUP BY method ORDER BY method -->

| stale |
|---|
<!-- end -->

<!-- numbers count
SELECT count(DISTINCT method) AS methods FROM 'results/demo/tables/leaderboard.parquet' -->
<!-- holds
SELECT count(*) > 1 FROM 'results/demo/tables/leaderboard.parquet' -->

```sql
SELECT 0.5 AS x, NULL AS y
```

```
stale
```
"""


def test_a_page_is_filled_and_stays_so(demo: Path) -> None:
    board = pd.read_parquet(demo / "leaderboard.parquet")
    board = board[board["level"] == 0.6]
    odds = {
        name: f"{board[board['method'] == name]['equalized_odds'].mean():.2f}"
        for name in ("vanilla", "zhang")
    }
    text = filling.filled(PAGE)
    assert text.startswith(f"Vanilla has **{odds['vanilla']}<!-- =odds vanilla odds -->** and ")
    assert f"and {len(fake_tables.METHODS)}<!-- =count methods --> methods" in text
    assert "| method | odds | whole number |\n| --- | --- | --- |\n" in text
    assert f"| zhang | {odds['zhang']} | 7 |\n\n<!-- end -->" in text
    assert "```\n  x y\n0.5 –\n```" in text
    assert "stale" not in text
    assert filling.filled(text) == text
    assert filling.untrue(text) == []


def test_a_claim_that_does_not_hold_is_named(demo: Path) -> None:
    false = PAGE.replace("count(*) > 1", "count(*) < 1")
    assert filling.untrue(false) == [
        "SELECT count(*) < 1 FROM 'results/demo/tables/leaderboard.parquet'"
    ]
    unknown = PAGE.replace("count(*) > 1", "max(adr) > NULL")
    assert len(filling.untrue(unknown)) == 1


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("=odds dfr odds", "0 rows, not one"),
        ("=odds odds", "2 rows, not one"),
        ("=odds vanilla accuracy", "no such table or column"),
        ("=maps vanilla odds", "no such table or column"),
    ],
)
def test_a_number_that_is_nowhere_is_an_error(marker: str, message: str, demo: Path) -> None:
    page = PAGE.replace("=odds vanilla odds", marker)
    with pytest.raises(filling.FillingError, match=f"<!-- {marker} -->: {message}"):
        filling.filled(page)


def test_decimals_are_those_that_a_column_needs() -> None:
    assert list(filling.column_as_text(pd.Series([0.5, 0.25, float("nan")]))) == [
        "0.50",
        "0.25",
        "–",
    ]
    assert list(filling.column_as_text(pd.Series([1.0, 2.0]))) == ["1", "2"]
    assert list(filling.column_as_text(pd.Series([1, 2]))) == ["1", "2"]
    assert list(filling.column_as_text(pd.Series(["a", None]))) == ["a", "–"]


def test_the_command_writes_numbers_and_then_says_what_is_untrue(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = demo.parents[2]
    page = root / "page.md"
    page.write_text(PAGE.replace("count(*) > 1", "count(*) < 1") + "![x](figures/demo/a.png)\n")
    picture = root / "results/demo/report/figures/a.png"
    picture.parent.mkdir(parents=True)
    shutil.copy(ROOT / "docs/figures/demo_timeline.png", picture)
    monkeypatch.setattr(refresh, "ROOT", root)
    monkeypatch.setattr(refresh, "DEMO", root / "results/demo")
    monkeypatch.setattr(refresh, "PAGES", {"tutorial": page})
    with pytest.raises(SystemExit, match=r"page\.md says what is no longer true: SELECT count"):
        refresh.main("tutorial")
    assert "stale" not in page.read_text()
    assert (root / "docs/figures/demo/a.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match=r"python docs/refresh\.py"):
        refresh.main("unknown")


def test_the_readmes_leaderboard_has_its_place() -> None:
    [found] = refresh.LEADERBOARD.findall(TEXTS["README.md"])
    assert "smiling_by_necktie" not in found[0]
