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

EVERY = pytest.mark.parametrize("name", FIGURES.names())
WORDS = {*WILDCARDS, "target", "protected", "level", "original", "references"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> FigurePlan:
    """Return the plan of the figures of a made-up study whose tables and files are there."""
    plan = made_study.plan(tmp_path_factory.mktemp("made"))
    made_study.make(plan)
    return FigurePlan(plan)


def named(caption: str) -> set[str]:
    """Return the words in braces of a caption."""
    return {name for _, name, _, _ in string.Formatter().parse(caption) if name}


def pictures(planned: FigurePlan, figure: Component) -> Iterator[tuple[str, Any]]:
    """Draw all pictures of a figure; yield their names too."""
    job: FigureJob = planned.job(figure.name)
    tables = {path.stem: read_table(path) for path in job.input.tables}
    for drawing in job.drawings:
        yield drawing.name, drawn(figure, given_of(job, drawing, tables), job.figure.params)


@EVERY
def test_a_figure_says_what_it_is_and_needs(name: str) -> None:
    figure = FIGURES[name]
    traits = figure.traits
    assert figure.title
    assert figure.paper
    assert re.fullmatch(r"\d \w[\w ]+", traits["category"])
    assert traits["label"]
    assert set(traits["over"]) <= set(WILDCARDS)
    assert set(traits["when"]) <= set(CONDITIONS)
    assert set(traits["tables"]) | set(traits["marks"]) <= set(TABLES)
    assert set(traits["files"]) <= set(FILES)
    assert traits["tables"] or traits["files"]
    assert traits["levels"] in ("all", "strongest")
    assert traits["seeds"] in ("all", "first")
    assert set(traits["formats"]) == {"png", "svg"} or "png" not in traits["formats"]


@EVERY
def test_a_caption_explains_and_names_what_there_is(name: str) -> None:
    text = FIGURES[name].traits["caption"]
    known = {*FIGURES[name].traits["over"], "original", "references"}
    known |= {"target", "protected"} if "task" in known else set()
    known |= {"level"} if "design" in known else set()
    assert named(text) <= known <= WORDS
    assert len(" ".join(text.split())) > 80


@pytest.mark.filterwarnings("ignore:.*writer_name")
@EVERY
def test_a_caption_is_sound_for_snakemakes_report(planned: FigurePlan, name: str) -> None:
    job, figure = planned.job(name), FIGURES[name]
    for drawing in job.drawings:
        text = caption(figure, given_of(job, drawing, {}))
        assert not set("{}") & set(text)  # the report takes it for a template
        settings = {"halt_level": 2, "report_level": 5}
        body = publish_parts(text, writer_name="html5", settings_overrides=settings)["body"]
        for word in named(figure.traits["caption"]) & set(WILDCARDS):
            assert drawing.wildcards[word] in body


@pytest.mark.filterwarnings("error")
@EVERY
def test_a_figure_draws_every_picture_of_a_study(planned: FigurePlan, name: str) -> None:
    before, figure = dict(matplotlib.rcParams), FIGURES[name]
    drawings = dict(pictures(planned, figure))
    assert dict(matplotlib.rcParams) == before
    assert drawings
    for called, picture in drawings.items():
        if "png" not in figure.traits["formats"]:
            assert set(picture) == set(figure.traits["formats"]), called
            assert all(isinstance(text, str) and text.strip() for text in picture.values()), called
            continue
        assert isinstance(picture, Figure)
        assert picture.get_figwidth() <= 7.01, called
        assert picture.get_figheight() <= 14, called
        assert misplaced(picture) == [], called
        assert smallest(picture) >= 7, called
        assert texts(picture), called
        assert len(picture.axes) > 1 or picture.axes[0].has_data(), called  # not "nothing to show"
