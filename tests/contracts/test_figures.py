"""What every registered figure promises: it says what it is, and draws on any study."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any

import matplotlib
import pytest
from docutils.core import publish_parts
from matplotlib.figure import Figure

import made_study
from drawing import misplaced, smallest, texts
from rightreasons.core.registry import Component
from rightreasons.figures import CONDITIONS, FIGURES, FILES, WILDCARDS
from rightreasons.stages.figure import FigureJob, caption, drawn, given_of
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.tables.schema import TABLES, read_table

EVERY = list(FIGURES)
WORDS = {*WILDCARDS, "target", "protected", "level", "original", "references"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> FigurePlan:
    """Return the plan of the figures of a made-up study whose tables and files are there."""
    plan = made_study.plan(tmp_path_factory.mktemp("made"))
    made_study.make(plan)
    return FigurePlan(plan)


def pictures(planned: FigurePlan, figure: Component) -> Iterator[tuple[str, Any]]:
    """Draw all pictures of a figure; yield their names too."""
    job: FigureJob = planned.job(figure.name)
    names = figure.traits["tables"]
    tables = {n: read_table(path) for n, path in zip(names, job.input.tables, strict=True)}
    for drawing in job.drawings:
        yield drawing.name, drawn(figure, given_of(job, drawing, tables), job.figure.params)


@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_a_figure_says_what_it_is_and_needs(figure: Component) -> None:
    traits = figure.traits
    assert figure.title
    assert figure.paper
    assert re.fullmatch(r"\d \w[\w ]+", traits["category"])
    assert traits["label"]
    assert set(traits["over"]) <= set(WILDCARDS)
    assert set(traits["when"]) <= set(CONDITIONS)
    assert set(traits["tables"]) <= set(TABLES)
    assert set(traits["files"]) <= set(FILES)
    assert traits["tables"] or traits["files"]
    assert traits["levels"] in ("all", "strongest")
    assert traits["seeds"] in ("all", "first")
    assert set(traits["formats"]) == {"png", "svg"} or "png" not in traits["formats"]


@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_a_caption_explains_and_names_what_there_is(figure: Component) -> None:
    text = figure.traits["caption"]
    named = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    known = {*figure.traits["over"], "original", "references"}
    known |= {"target", "protected"} if "task" in known else set()
    known |= {"level"} if "design" in known else set()
    assert named <= known <= WORDS
    assert len(" ".join(text.split())) > 80


@pytest.mark.filterwarnings("ignore:.*writer_name")
@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_a_caption_is_sound_for_snakemakes_report(planned: FigurePlan, figure: Component) -> None:
    job = planned.job(figure.name)
    for drawing in job.drawings:
        text = caption(figure, given_of(job, drawing, {}))
        assert not set("{}") & set(text)  # the report takes it for a template
        settings = {"halt_level": 2, "report_level": 5}
        body = publish_parts(text, writer_name="html5", settings_overrides=settings)["body"]
        for name in named(figure):
            assert drawing.wildcards[name] in body


def named(figure: Component) -> set[str]:
    """Return the wildcards that a caption names."""
    parts = string.Formatter().parse(figure.traits["caption"])
    return {name for _, name, _, _ in parts if name} & set(WILDCARDS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_a_figure_draws_every_picture_of_a_study(planned: FigurePlan, figure: Component) -> None:
    before = dict(matplotlib.rcParams)
    drawings = dict(pictures(planned, figure))
    assert dict(matplotlib.rcParams) == before
    assert drawings
    for name, picture in drawings.items():
        if "png" not in figure.traits["formats"]:
            assert set(picture) == set(figure.traits["formats"]), name
            assert all(isinstance(text, str) and text.strip() for text in picture.values()), name
            continue
        assert isinstance(picture, Figure)
        assert picture.get_figwidth() <= 7.01, name
        assert picture.get_figheight() <= 14, name
        assert misplaced(picture) == [], name
        assert smallest(picture) >= 7, name
        assert texts(picture), name
        assert len(picture.axes) > 1 or picture.axes[0].has_data(), name  # not "nothing to show"
