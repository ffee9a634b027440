"""The job that draws all pictures of a figure: what it is told, what it leaves, how it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from snakemake.iocontainers import Namedlist

import made_study
from rightreasons.core.errors import UserError
from rightreasons.core.job import Running
from rightreasons.figures import FIGURES, Given, Params
from rightreasons.stages.figure import FigureJob, figure, given_of
from rightreasons.study.plan import Plan
from rightreasons.study.plan_figures import FigurePlan

QUIET = Running(lambda items, description: items)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    made = made_study.plan(tmp_path_factory.mktemp("made"))
    made_study.make(made)
    return made


def job_of(plan: Plan, name: str) -> FigureJob:
    """Return a figure's job, its output folders made as Snakemake makes them."""
    job = FigurePlan(plan).job(name)
    for path in (*job.output.drawings, *job.output.captions):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    return job


def handed_over(files: dict[str, Any]) -> Namedlist:
    """Return named files as Snakemake gives them to a script."""
    given = Namedlist()
    for name, paths in files.items():
        start = len(given)
        given += paths
        given._set_name(name, start, end=len(given))
    return given


@pytest.mark.parametrize("name", FIGURES.names())
def test_a_description_comes_back_from_snakemake_as_it_went(plan: Plan, name: str) -> None:
    job = FigurePlan(plan).job(name)
    carried = json.loads(json.dumps(job.carried()))
    files, written = handed_over(job.input.named()), handed_over(job.output.named())
    assert FigureJob.received(files, written, carried) == job
    assert str(plan.paths.root) not in json.dumps(carried)  # files are told by their place


def test_all_pictures_are_drawn_with_their_captions(plan: Plan) -> None:
    job = job_of(plan, "quadrants")
    figure(job, QUIET)
    assert len(job.drawings) == 4
    for path in job.output.drawings:
        assert path.stat().st_size > 1000
        assert path.read_bytes()[:4] == (b"\x89PNG" if path.suffix == ".png" else b"<?xm")
    for drawing, path in zip(job.drawings, job.output.captions, strict=True):
        text = path.read_text()
        assert f"its {drawing.wildcards['explainer']} map" in text
        assert "(PA, ``ink``)" in text


def test_pages_and_texts_are_written_as_they_are_returned(plan: Plan) -> None:
    for name in ("page", "leaderboard", "table_one"):
        job = job_of(plan, name)
        figure(job, QUIET)
        for path in job.output.drawings:
            text = path.read_text(encoding="utf-8")
            assert text.startswith("<!DOCTYPE html>") == (path.suffix == ".html")
            assert len(text) > 300


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Exception]], None]:
    """Return a function that makes a figure fail for some explainers."""

    def fail(errors: dict[str, Exception]) -> None:
        known = FIGURES["mean_maps"]

        def draw(given: Given, params: Params) -> Any:
            if given.explainer in errors:
                raise errors[given.explainer]
            return known.run(given, params)

        monkeypatch.setitem(FIGURES._components, "mean_maps", replace(known, run=draw))

    return fail


def test_a_picture_that_fails_is_named_and_the_others_are_drawn(
    plan: Plan, failing: Callable[[dict[str, Exception]], None]
) -> None:
    failing({"lrp": UserError("no map of this kind")})
    job = job_of(plan, "mean_maps")
    with pytest.raises(UserError, match="2 of 8 drawings failed") as caught:
        figure(job, QUIET)
    for pair in ("smiling_by_hat-phi", "smiling_by_ink-artifact_fraction"):
        assert f"mean_maps-{pair}-lrp: no map of this kind" in str(caught.value)
    drawn = {path.stem for path in job.output.drawings if path.exists()}
    assert len(drawn) == 6
    assert not any(name.endswith("-lrp") for name in drawn)


def test_a_bug_is_no_mistake_of_the_users(
    plan: Plan, failing: Callable[[dict[str, Exception]], None], caplog: pytest.LogCaptureFixture
) -> None:
    failing({"lrp": UserError("yours"), "integrated_gradients": KeyError("map")})
    with pytest.raises(RuntimeError, match="4 of 8 drawings failed"):
        figure(job_of(plan, "mean_maps"), QUIET)
    assert "Traceback" in caplog.text


def test_a_figure_is_drawn_again_where_the_originals_style_has_changed(plan: Plan) -> None:
    modules = FigurePlan(plan).job("leaderboard").modules()
    assert modules == ("rightreasons.figures.leaderboard", "rightreasons.debias.vanilla")


def test_a_drawing_gets_its_own_files_and_no_others(plan: Plan) -> None:
    job = FigurePlan(plan).job("mean_maps")
    for drawing in job.drawings:
        given = given_of(job, drawing, {})
        assert (
            given.facts.protected
            == {"smiling_by_hat": "Wearing_Hat", "smiling_by_ink": "ink"}[given.task]
        )
        for group in given.groups:
            part = given.mean_maps(group)
            wanted = np.load(plan.measure_files(group).mean_maps)
            np.testing.assert_array_equal(part["map/lrp/vanilla"], wanted["map/lrp/vanilla"])


def test_maps_are_those_of_the_group_set_by_set(plan: Plan) -> None:
    job = FigurePlan(plan).job("page")
    given = given_of(job, job.drawings[0], {})
    for group in given.groups:
        sets = given.map_sets(group)
        assert [name for one in sets for name, _, _ in one.explainers()] == [
            "lrp", "integrated_gradients", "occlusion_8", "occlusion_4", "random",
        ]  # fmt: skip
        for one, name in zip(sets, ("main", "boxes"), strict=True):
            stored = np.load(plan.map_files(group, "vanilla", name).maps)
            np.testing.assert_array_equal(one.maps, stored)


def test_an_roi_is_that_of_the_rows_asked_for(plan: Plan) -> None:
    hat = FigurePlan(plan).job("occlusion_grids")
    given = given_of(hat, hat.drawings[0], {})
    masks = np.load(plan.pool("synthfaces").output.masks)
    rows = np.array([3, 1])
    size = (made_study.SIZE, made_study.SIZE)
    np.testing.assert_array_equal(given.roi(rows, size), masks[rows] == 1)
    other = given_of(FigurePlan(plan).job("mean_maps"), hat.drawings[0].model_copy(
        update={"files": {}, "roi": None}), {})  # fmt: skip
    with pytest.raises(TypeError, match="does not ask for `roi`"):
        other.roi(rows, size)


def test_a_table_is_cut_to_what_the_drawing_is_of(plan: Plan) -> None:
    job = FigurePlan(plan).job("sanity")
    tables = {"sanity": made_study.table(plan, "sanity")}
    for drawing in job.drawings:
        rows = given_of(job, drawing, tables).table("sanity")
        assert set(rows["task"]) == {drawing.wildcards["task"]}
        assert len(rows) < len(tables["sanity"])


def test_figures_are_written_below_the_results_folder(plan: Plan) -> None:
    root = Path(plan.paths.root)
    for name in FigurePlan(plan).pictures:
        output = FigurePlan(plan).output(name)
        assert all(root / "report" in path.parents for path in (*output.drawings, *output.captions))
