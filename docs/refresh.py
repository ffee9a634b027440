"""Numbers of the pages, from the tables of a run: nothing here is typed by hand.

python docs/refresh.py demo                README, tutorial and questions, from results/demo
python docs/refresh.py readme              one of them; also: tutorial, questions
python docs/refresh.py first               first_steps.md, from results/first
python docs/refresh.py performance         performance.md's tables, from benchmarks/speed.parquet

What a page can hold, and how it says so: filling.py. A claim that the tables no longer bear out is
an error. Then the sentence has to be written anew.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pandas as pd
from filling import FillingError, filled, untrue

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "results/demo"
#: The pages that are filled from tables by their own queries.
PAGES = {
    "readme": ROOT / "README.md",
    "tutorial": ROOT / "docs/tutorial.md",
    "questions": ROOT / "docs/questions.md",
    "first": ROOT / "docs/first_steps.md",
}
MARKED = re.compile(r"(<!-- speed: (\w+) -->\n).*?(<!-- end -->)", re.S)
LEADERBOARD = re.compile(r"(The leaderboard of the demo \([^\n]*\n\n```\n).*?(```\n)", re.S)
FIGURE = re.compile(r"figures/demo/([\w.-]+\.png)")


def page(name: str) -> list[str]:
    """Fill a page, and copy the demo's figures that it shows. Return what it says wrongly."""
    path = PAGES[name]
    text = path.read_text()
    if LEADERBOARD.search(text):
        board = (DEMO / "report/leaderboard.txt").read_text().strip("\n")
        text = LEADERBOARD.sub(lambda m: f"{m[1]}{board}\n{m[2]}", text)
    try:
        text = filled(text)
    except FillingError as error:
        return [f"{path.name}: {error}"]
    path.write_text(text)
    for figure in FIGURE.findall(text):
        fewer_colours(DEMO / "report/figures" / figure, ROOT / "docs/figures/demo" / figure)
    return [f"{path.name} says what is no longer true: {claim}" for claim in untrue(text)]


def fewer_colours(figure: Path, copy: Path) -> None:
    """Copy a figure with 256 colours, which takes a third of the room."""
    from PIL import Image

    copy.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(figure) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(copy, optimize=True)


def performance() -> None:
    """Put the rows of the benchmarks between their marks in performance.md."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.speed.report import footer, groups, markdown_table

    rows = pd.read_parquet(ROOT / "benchmarks/speed.parquet")
    tables = {group: markdown_table(some) for group, some in groups(rows).items()}
    tables["footer"] = footer(rows)
    path = ROOT / "docs/performance.md"
    path.write_text(MARKED.sub(lambda m: marked(m, tables), path.read_text()))


def marked(found: re.Match[str], tables: dict[str, str]) -> str:
    """Return a marked place with its table; as it was where there is none."""
    return f"{found[1]}{tables[found[2]]}\n{found[3]}" if found[2] in tables else found[0]


def main(command: str) -> None:
    """Refresh what the command names."""
    os.chdir(ROOT)  # queries name tables from here
    if command == "performance":
        performance()
        return
    names = ("readme", "tutorial", "questions") if command == "demo" else (command,)
    if not set(names) <= set(PAGES):
        sys.exit(__doc__)
    if wrong := [line for name in names for line in page(name)]:
        sys.exit("\n\n".join(wrong))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
