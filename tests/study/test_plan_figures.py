"""Which pictures a study has, of what, with which files and facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import made_study
from rightreasons.figures import CONDITIONS, FIGURES, FILES
from rightreasons.study.plan_figures import MEETS, FigurePlan, Scope, scopes

RESULTS = Path("results")
RANKED = {"critical_differences", "improvement", "performance_profiles"}
PAIRS = [("smiling_by_hat", "phi"), ("smiling_by_ink", "artifact_fraction")]


def planned(**changes: Any) -> FigurePlan:
    return FigurePlan(made_study.plan(RESULTS, **changes))


def names(figures: FigurePlan, figure: str) -> list[str]:
    return [picture.name for picture in figures.pictures.get(figure, [])]


def test_everything_that_can_be_asked_of_a_scope_is_known() -> None:
    assert set(MEETS) == set(CONDITIONS)
    assert {f"_{need}" for need in FILES} <= set(dir(FigurePlan))


def test_scopes_are_the_studys_pairs_with_the_explainers_shown() -> None:
    grid = made_study.plan(RESULTS, report={"explainers": ["lrp", "random"]}).grid
    assert list(scopes(grid)) == [
        Scope("synthfaces", task, design, explainer)
        for task, design in PAIRS
        for explainer in ("lrp", "random")
    ]


def test_a_dataset_without_tasks_has_figures_of_its_own() -> None:
    datasets = {**made_study.config(RESULTS)["datasets"], "more": {"kind": "synthfaces"}}
    regions = {"attributes": {"more": {"coin_flip": None}}}
    figures = planned(datasets=datasets, regions=regions)
    assert names(figures, "attribution_maps") == [
        "attribution_maps-synthfaces",  # of the methods that look away
        "attribution_maps-more",
    ]
    assert all("more" not in name for name in names(figures, "mystery_models"))


def test_every_figure_has_the_pictures_that_apply() -> None:
    figures = planned(report={"explainers": ["lrp", "random"]})
    hat, ink = ("-".join(pair) for pair in PAIRS)
    both = [f"{pair}-{explainer}" for pair in (hat, ink) for explainer in ("lrp", "random")]
    assert {name: names(figures, name) for name in figures.pictures} == {
        "attribution_example": ["attribution_example-smiling_by_hat"],
        "attribution_maps": ["attribution_maps-synthfaces"],
        "comparisons": [f"comparisons-{hat}"],  # the other task has the original alone
        "critical_differences": ["critical_differences"],
        "explorer": ["explorer/index"],
        "explorer_images": [f"explorer/images-{hat}", f"explorer/images-{ink}"],
        "fairness_against_saliency": ["fairness_against_saliency"],
        "groups": [f"groups-{hat}", f"groups-{ink}"],
        "improvement": ["improvement"],
        "leaderboard": ["leaderboard"],
        "mean_attribution_maps": ["mean_attribution_maps-synthfaces"],
        "mean_maps": [f"mean_maps-{name}" for name in both],
        "metrics_by_level": [f"metrics_by_level-{name}" for name in both],
        "multiverse": [f"multiverse-{hat}"],
        "mystery_models": ["mystery_models-synthfaces-artifact_fraction"],
        "noise_types": [f"noise_types-{hat}"],
        "occlusion_grids": [f"occlusion_grids-{hat}", f"occlusion_grids-{ink}"],
        "performance_profiles": ["performance_profiles"],
        "page": [f"quadrants-{ink}"],
        "probes": [f"probes-{hat}", f"probes-{ink}"],
        "pareto": [f"pareto-{hat}"],
        "position_maps": ["position_maps"],
        "quadrants": [f"quadrants-{ink}-lrp", f"quadrants-{ink}-random"],
        "quantiles": [f"quantiles-{hat}"],
        "reliability": ["reliability"],
        "reliance": ["reliance-lrp"],  # not for noise
        "runtimes": ["runtimes"],
        "sanity": [f"sanity-{hat}", f"sanity-{ink}"],
        "table_one": ["table_one"],
        "two_shortcuts": [f"two_shortcuts-{hat}"],
        "yardstick": ["yardstick"],
        "yardstick_debiased": ["yardstick_debiased"],
        "yardstick_heatmap": ["yardstick_heatmap"],
        "yardstick_tasks": ["yardstick_tasks"],
        "yardstick_transfer": ["yardstick_transfer"],
    }


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"sanity": {"images": 0}}, {"sanity"}),
        ({"probe": {"images": 0}}, {"probes"}),
        ({"multiverse": False}, {"multiverse"}),
        ({"explain": {"sets": {"main": {"lrp": {}}}}}, {"occlusion_grids"}),
        ({"methods": {"vanilla": {}, "finetune": {}, "mask_general": {}}}, {"quantiles"}),  # one
        ({"methods": {"vanilla": {}, "finetune": {}}, "controls": False},  # too few to rank
         {"quantiles", "noise_types", "table_one", "attribution_example", *RANKED}),
        ({"designs": {"phi": {"levels": [0.0, 0.5]}, "artifact_fraction": {"levels": [0.0, 1.0]}}},
         RANKED),  # two blocks with more than vanilla
        ({"methods": {"vanilla": {}}, "regions": {}},
         {"quantiles", "noise_types", "table_one", "attribution_example", "attribution_maps",
          "mean_attribution_maps", "position_maps", "reliability", "comparisons",
          "fairness_against_saliency", "multiverse", "pareto", "two_shortcuts", *RANKED}),
        ({"report": {"show_images": []}}, {"attribution_example", "attribution_maps"}),
    ],
)  # fmt: skip
def test_a_study_without_it_has_no_such_figure(changes: dict[str, Any], gone: set[str]) -> None:
    assert set(planned().pictures) - set(planned(**changes).pictures) == gone


def test_without_an_artifact_or_twins_there_is_nothing_of_them() -> None:
    tasks = {"t": {**made_study.config(RESULTS)["tasks"]["smiling_by_hat"], "roi": [0, 0, 1, 1],
                   "protected": "Smiling == 1"}}  # fmt: skip
    lost = set(planned().pictures) - set(planned(tasks=tasks, artifacts={}).pictures)
    artifact = {"page", "quadrants", "mystery_models"}
    yardstick = {
        "yardstick",
        *(f"yardstick_{n}" for n in ("debiased", "heatmap", "tasks", "transfer")),
    }
    assert lost == artifact | {"reliance", "two_shortcuts"} | yardstick


def test_files_lie_where_they_lay() -> None:
    figures, report = planned(), RESULTS / "made/report"
    page, leaderboard = figures.output("page"), figures.output("leaderboard")
    assert page.drawings == (report / "quadrants-smiling_by_ink-artifact_fraction.html",)
    assert leaderboard.drawings == tuple(
        report / f"leaderboard.{name}" for name in ("html", "txt", "tex")
    )
    assert figures.output("table_one").drawings == (report / "table_one.txt",)
    assert figures.output("runtimes").drawings == (
        report / "figures/runtimes.png",
        report / "figures/runtimes.svg",
    )
    every = [path for name in figures.pictures for path in figures.output(name).drawings]
    captions = [path for name in figures.pictures for path in figures.output(name).captions]
    assert len(set(every)) == len(every)
    assert len(set(captions)) == len(captions)


def test_a_picture_gets_the_files_of_its_own_groups() -> None:
    figures = planned()
    job = figures.job("mean_maps")
    at = RESULTS / "made/measure/smiling_by_hat/phi-0.9"
    first = job.drawings[0]
    assert first.wildcards == {"task": "smiling_by_hat", "design": "phi", "explainer": "lrp"}
    assert [(group.level, group.seed) for group in first.groups] == [(0.9, 0), (0.9, 1)]
    files = [job.input.files[place] for place in first.files["mean_maps"]]
    assert files == [at / "seed-0/mean_maps.npz", at / "seed-1/mean_maps.npz"]
    assert job.input.tables == (RESULTS / "made/tables/cell_metrics.parquet",)
    assert len(set(job.input.files)) == len(job.input.files) == 2 * 2  # shared by explainers


def test_the_page_takes_one_seed_and_the_originals_maps_of_every_set() -> None:
    job = planned().job("page")
    (drawing,) = job.drawings
    assert [(group.level, group.seed) for group in drawing.groups] == [(0.0, 0), (1.0, 0)]
    maps = [str(job.input.files[place]) for place in drawing.files["maps"]]
    root = "results/made/explain/smiling_by_ink/artifact_fraction"
    assert maps == [
        f"{root}-{level}/seed-0/vanilla/{name}/maps.npy"
        for level in (0, 1)
        for name in ("main", "boxes")
    ]
    predictions = [str(job.input.files[place]) for place in drawing.files["predictions"]]
    assert all("/train/" in path for path in predictions)
    assert drawing.roi is not None
    assert drawing.roi.region == {"artifact": "ink"}
    assert drawing.files["roi_mean"] == ()


def test_an_roi_of_attribution_maps_comes_with_them() -> None:
    tasks = made_study.config(RESULTS)["tasks"]
    roi = {"attribution": {"attribute": "Wearing_Hat", "quantile": 0.8}}
    tasks["smiling_by_ink"] = {**tasks["smiling_by_ink"], "roi": roi}
    job = planned(tasks=tasks).job("page")
    (drawing,) = job.drawings
    (place,) = drawing.files["roi_mean"]
    assert job.input.files[place] == RESULTS / "made/region/synthfaces/Wearing_Hat/mean.npy"


def test_a_task_has_the_maps_of_its_protected_attribute_a_dataset_all() -> None:
    figures = planned()
    regions = RESULTS / "made/region/synthfaces"
    for name, attributes in (
        ("attribution_example", ["Wearing_Hat"]),
        ("attribution_maps", ["coin_flip", "Wearing_Hat"]),
    ):
        job = figures.job(name)
        found = [job.input.files[place] for place in job.drawings[0].files["region"]]
        assert found == [regions / attribute / "region.json" for attribute in attributes]


def test_facts_are_of_what_a_figure_is_about() -> None:
    figures = planned()
    study = figures.job("comparisons").study
    assert list(study.tasks) == ["smiling_by_hat"]
    assert list(study.designs) == ["phi"]
    facts = study.tasks["smiling_by_hat"]
    assert (facts.target, facts.protected, facts.artifact) == ("Smiling", "Wearing_Hat", None)
    assert facts.methods == (
        "vanilla",
        "finetune",
        "thropt",
        "zhang",
        "mask_wide",
        "mask_narrow",
        "random_decision",
    )
    assert facts.boxes == ("occlusion_4", "occlusion_8")  # the coarse grid first
    assert facts.shown == ("lrp", "integrated_gradients", "occlusion_8", "occlusion_4")
    design = study.designs["phi"]
    assert (design.levels, design.strongest, design.symbol) == ((0.0, 0.5, 0.9), 0.9, "φ")
    every = figures.job("leaderboard").study
    artifact = every.tasks["smiling_by_ink"].artifact
    assert artifact is not None
    assert artifact.kind == "watermark"
    assert every.designs["artifact_fraction"].symbol == "artifact_fraction"
    assert every.roles.noise == ("random",)
    dataset = every.datasets["synthfaces"]
    assert dataset.attributes == {"coin_flip": None, "Wearing_Hat": {"mask": "Wearing_Hat"}}
    assert dataset.shows_images


MADE_UP = '''
"""Levels of a task: a figure that a test made up."""

from rightreasons.figures import FIGURES, Given, Params


@FIGURES.register(
    "levels_of_a_task",
    title="Levels",
    paper="made up for a test",
    caption="The levels of ``{task}``.",
    category="5 Run time",
    label="levels",
    over=("task",),
    when=("rivals",),
    tables=("cell_metrics",),
    formats=("txt",),
)
def levels_of_a_task(given: Given, params: Params) -> dict[str, str]:
    """Write the levels."""
    levels = sorted(given.table("cell_metrics")["level"].unique())
    return {"txt": " ".join(f"{level:g}" for level in levels)}
'''


@pytest.fixture
def registered() -> Iterator[None]:
    """Register a figure from one file's text, and forget it afterwards."""
    FIGURES.names()
    exec(compile(MADE_UP, "levels_of_a_task.py", "exec"), {"__name__": "levels_of_a_task"})
    yield
    del FIGURES._components["levels_of_a_task"]


def test_a_figure_of_a_users_own_is_planned_and_drawn_from_one_file(
    registered: None, tmp_path: Path
) -> None:
    from rightreasons.core.job import Running
    from rightreasons.stages.figure import figure

    plan = made_study.plan(tmp_path)
    made_study.make(plan)
    job = FigurePlan(plan).job("levels_of_a_task")
    for path in (*job.output.drawings, *job.output.captions):
        path.parent.mkdir(parents=True, exist_ok=True)
    figure(job, Running(lambda items, description: items))
    folder = tmp_path / "made/report"
    assert (folder / "levels_of_a_task-smiling_by_hat.txt").read_text() == "0 0.5 0.9"
    caption = folder / "captions/levels_of_a_task-smiling_by_hat.rst"
    assert caption.read_text() == "The levels of ``smiling_by_hat``.\n"


def test_a_figure_is_marked_by_tables_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    traits = FIGURES["sanity"].traits
    monkeypatch.setitem(traits, "marks", ("robustness",))
    for on in (True, False):
        tables = [path.stem for path in planned(multiverse=on).job("sanity").input.tables]
        assert tables == [*traits["tables"], *(["robustness"] if on else [])]
