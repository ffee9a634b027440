"""The rules of figures, by Snakemake: what they draw from a study's files, and the report."""

from __future__ import annotations

import json
import re
from contextlib import chdir
from pathlib import Path

import pytest

import made_study
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.plan import Plan
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.study.record import write_record
from study import Workspace

DRAWN = ("quadrants", "page", "leaderboard", "runtimes")
ONLY = ("--allowed-rules", *(f"figure_{name}" for name in DRAWN))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, FigurePlan]:
    """Return a study with made-up tables and files, of which Snakemake drew four figures."""
    space = Workspace(tmp_path_factory.mktemp("drawn"))
    written = space.configure(made_study.config(Path("results")))
    plan = Plan(load_config(read_yaml(written)))
    with chdir(space.folder):
        made_study.make(plan)
        write_record(plan.study, Path(".snakemake"))  # as if Snakemake had made them
    figures = FigurePlan(plan)
    wanted = [str(path) for name in DRAWN for path in figures.output(name).drawings]
    done = space.run(*ONLY, "--", *wanted)
    assert done.returncode == 0, done.stdout[-4000:]
    return space, figures


def test_a_figure_is_one_job_that_leaves_all_its_pictures(
    drawn: tuple[Workspace, FigurePlan],
) -> None:
    space, figures = drawn
    for name in DRAWN:
        output = figures.output(name)
        for path in (*output.drawings, *output.captions):
            assert (space.folder / path).stat().st_size > 0
        assert (space.folder / f"results/made/logs/report/{name}.log").exists()
        assert (space.folder / f"results/made/benchmarks/report/{name}.tsv").exists()
    others = set(figures.pictures) - set(DRAWN)
    assert not any((space.folder / figures.output(name).drawings[0]).exists() for name in others)


def test_a_second_run_draws_nothing(drawn: tuple[Workspace, FigurePlan]) -> None:
    space, figures = drawn
    wanted = [str(path) for name in DRAWN for path in figures.output(name).drawings]
    assert "Nothing to be done" in space.run(*ONLY, "--", *wanted).stdout


def test_a_figures_parameter_draws_that_figure_anew(drawn: tuple[Workspace, FigurePlan]) -> None:
    space, figures = drawn
    raw = read_yaml(space.folder / "study.yaml")
    raw["report"] = {"figures": {"reliance": {"truth": "logit_change"}}}
    changed = FigurePlan(Plan(load_config(raw)))
    for name in figures.pictures:
        same = changed.job(name).carried() == figures.job(name).carried()
        assert same == (name != "reliance"), name


def test_the_report_has_each_picture_with_its_caption(drawn: tuple[Workspace, FigurePlan]) -> None:
    space, figures = drawn
    wanted = [str(path) for name in DRAWN for path in figures.output(name).drawings]
    done = space.run(*ONLY, "--report", "report.html", "--", *wanted)
    assert done.returncode == 0, done.stdout[-4000:]
    text = (space.folder / "report.html").read_text(encoding="utf-8")
    results = {
        Path(path).name: json.loads(f'"{caption}"')
        for path, caption in re.findall(
            r'"(results/made/report/[^"]+)": \{.*?"caption": "(.*?)"[,}]', text
        )
    }
    pngs = [path.name for path in figures.output("quadrants").drawings if path.suffix == ".png"]
    assert set(results) == {*pngs, "leaderboard.html", "runtimes.png"}  # no SVG, no page
    for picture in figures.pictures["quadrants"]:
        caption = results[f"{picture.name}.png"]
        assert f"its {picture.wildcards['explainer']} map" in caption
    assert "8 Artifacts" in text
    assert "0 Leaderboard" in text
