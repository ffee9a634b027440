"""The plan: which jobs there are, what each is told, and that nothing is lost on the way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plans import group_of, plan_of
from rightreasons.core.code import closure
from rightreasons.core.job import Files, Job
from rightreasons.metrics import WITNESSES
from rightreasons.stages.measure import MeasureJob
from rightreasons.study.grid import TOGETHER
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.paths import FOLDERS
from rightreasons.study.plan import Plan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.study.plan_probes import ProbePlan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.plan_witness import WitnessPlan
from rightreasons.study.rules import STAGES, Rules
from study import ROOT, demo, tiny

STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


def jobs_of(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield stage and wildcards of every job before the tables, from the grid alone."""
    grid = plan.grid
    for dataset in plan.study.datasets:
        yield "fetch", {"dataset": dataset}
        yield "pool", {"dataset": dataset}
    for dataset, attribute in plan.switched():
        yield "twins", {"dataset": dataset, "attribute": attribute}
    for dataset, region in plan.regions:
        yield "region", {"dataset": dataset, "region": region}
    for key in plan.fences:
        yield "fenced_region", dict(zip(("task", "design", "seeds", "region"), key, strict=True))
    for group in grid.groups():
        task, design, level = group.stream
        key = {"task": task, "design": design, "level": level, "seed": str(group.seed)}
        yield from ((stage, key) for stage in ("split", "train", "measure"))
        for method in grid.methods(task):
            own = {**key, "method": method}
            if method != grid.original:
                yield "debias", own
            if method in grid.models(task):
                yield from (("explain", {**own, "explainers": e}) for e in grid.sets(task))
    for group, explainers in ProbePlan(plan).sanity_cells():
        task, design, level = group.stream
        own = {"task": task, "design": design, "level": level, "seed": str(group.seed)}
        yield "sanity", {**own, "explainers": explainers}
    for group, witness in itertools.product(WitnessPlan(plan).groups(), WITNESSES):
        task, design, level = group.stream
        own = {"task": task, "design": design, "level": level, "seed": str(group.seed)}
        yield "witness", {**own, "witness": witness}
        for explainers in grid.sets(task):
            yield "explain_witness", {**own, "witness": witness, "explainers": explainers}
    for cell, explainers in ProbePlan(plan).probed_cells():
        task, design, level = cell.group.stream
        own = {"task": task, "design": design, "level": level, "seed": str(cell.group.seed)}
        yield "probe", {**own, "method": cell.method, "explainers": explainers}
    for group in MultiversePlan(plan).measured():
        task, design, level = group.stream
        yield "universe", {"task": task, "design": design, "level": level, "seed": str(group.seed)}
    yield from tuning_of(plan)
    for task, design, level in TablePlan(plan).levels():
        yield "compare", {"task": task, "design": design, "level": f"{level:g}"}
    yield from ((name, {}) for name in tables_of(plan))


def tuning_of(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the jobs of tuning: networks with other seeds, trials on them, and choices."""
    grid = plan.grid
    for task, design in (pair for pair in grid.pairs() if grid.tuned(pair[0])):
        together = grid.tuned_together(design)
        levels = [f"{level:g}" for level in together or grid.levels(design)]
        for level, seed in itertools.product(levels, map(str, plan.study.tuning.seeds)):
            cell = {"task": task, "design": design, "level": level, "seed": seed}
            yield from ((stage, cell) for stage in ("split", "train"))
            yield from (("tune", {**cell, "method": method}) for method in grid.tuned(task))
        for at, method in itertools.product([TOGETHER] if together else levels, grid.tuned(task)):
            yield "choose", {"task": task, "design": design, "at": at, "method": method}


def tables_of(plan: Plan) -> list[str]:
    """Return the rules that make tables of a study, by what it has."""
    grid = plan.grid
    wanted = {
        "tabulate_regions": bool(plan.regions),
        "tabulate_attribution": grid.looks_away(),
        "tabulate_reliance": bool(grid.twinned()),
        "tabulate_sanity": bool(ProbePlan(plan).sanity_cells()),
        "tabulate_shortcuts": any(map(grid.watched, plan.study.tasks)),
        "tabulate_probes": bool(ProbePlan(plan).probed_cells()),
        "tabulate_tuning": bool(grid.tuned()),
        "tabulate_multiverse": bool(MultiversePlan(plan).groups()),
    }
    return [
        "tabulate",
        "tabulate_feasibility",
        "tabulate_ranks",
        "tabulate_runtimes",
        *(name for name, there in wanted.items() if there),
    ]


def paths_of(files: Files) -> list[str]:
    return [
        path
        for given in files.named().values()
        for path in (given if isinstance(given, list) else [given])
    ]


@pytest.mark.parametrize(("levels", "choices"), [("each", 4), ([0.0, 0.8], 2), ([0.8], 2)])
def test_trials_run_with_the_tuning_seeds_alone_and_levels_may_share_a_choice(
    levels: Any, choices: int
) -> None:
    jobs = list(jobs_of(Plan(load_config(tuned(levels)))))
    tried = [wildcards for stage, wildcards in jobs if stage == "tune"]
    assert {wildcards["seed"] for wildcards in tried} == {"7", "8"}
    assert len(tried) == 2 * 2 * (1 if levels == [0.8] else 2)
    assert sum(stage == "choose" for stage, _ in jobs) == choices
    plan = Plan(load_config(tuned(levels)))
    files = {plan.debias(group, "zhang").input.chosen for group in plan.grid.groups()}
    assert len(files) == choices / 2
    assert files == {plan.debias(g, "zhang_control").input.chosen for g in plan.grid.groups()}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_input_is_some_jobs_output_and_every_output_is_one_jobs(path: Path) -> None:
    rules = Rules(Plan(load_config(read_yaml(path))))
    jobs = [rules.job(stage, wildcards) for stage, wildcards in jobs_of(rules.plan)]
    made = [file for job in jobs for file in paths_of(job.output)]
    assert len(made) == len(set(made))
    needed = {file for job in jobs for file in paths_of(job.input)}
    assert needed <= set(made)
    assert {str(table) for table in rules.tables().values()} <= set(made)


def tuned(levels: Any) -> dict[str, Any]:
    """Return a study with tuned methods, whose levels have choices of their own, or one."""
    methods = {"vanilla": {}, "zhang": {"preset": "tuned"}, "thropt": {"preset": "tuned"}}
    tuning = {"trials": 2, "seeds": [7, 8], "levels": levels}
    return tiny(methods=methods, tuning=tuning, controls=True)


KINDS = {"demo": read_yaml(STUDIES[0]), "tuned": tuned("each"), "tuned together": tuned([0.8])}


@pytest.mark.parametrize("kind", KINDS)
def test_every_job_is_received_as_it_was_described(kind: str) -> None:
    """Snakemake gives lists of paths by name and what was carried; nothing else."""
    rules = Rules(Plan(load_config(KINDS[kind])))
    for stage, wildcards in jobs_of(rules.plan):
        job = rules.job(stage, wildcards)
        got = type(job).received(job.input.named(), job.output.named(), job.carried())
        assert got == job, stage
        assert job.code


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_with_a_jobs_wildcards_are_its_outputs(kind: str) -> None:
    rules = Rules(Plan(load_config(KINDS[kind])))
    for stage, wildcards in jobs_of(rules.plan):
        patterns = rules.output(stage)
        filled = {name: str(pattern).format(**wildcards) for name, pattern in patterns.items()}
        assert filled == rules.job(stage, wildcards).output.named(), stage
        assert set(STAGES) >= {stage}
        for made in (rules.log(stage), rules.benchmark(stage)):
            assert "{" not in made.format(**wildcards)


def test_snakemakes_wildcards_are_enough() -> None:
    rules = Rules(plan_of())
    wildcards = {"task": "smiling_by_necktie", "design": "phi", "level": "0.8", "seed": "0"}
    given = SimpleNamespace(items=wildcards.items)
    assert rules.input("train")(given) == rules.job("train", wildcards).input.named()
    assert rules.params("train")(given) == rules.job("train", wildcards).carried()


def test_first_is_called_once_and_before_any_job() -> None:
    called: list[str] = []
    rules = Rules(plan_of(), first=lambda: called.append("first"))
    assert called == []
    rules.job("fetch", {"dataset": "synthfaces"})
    rules.job("pool", {"dataset": "synthfaces"})
    assert called == ["first"]


# What single jobs are told


def test_a_tasks_own_network_is_trained() -> None:
    tasks = tiny()["tasks"]
    own = {"model": {"architecture": "resnet18"}, "training": {"epochs": 3}}
    tasks["own"] = {**tasks["smiling_by_necktie"], **own}
    plan = plan_of(tasks=tasks)
    jobs = [plan.train(plan.grid.group(task, "phi", 0.8, 0)) for task in tasks]
    assert [job.model.architecture for job in jobs] == ["small_cnn", "resnet18"]
    studys = plan.study.training
    assert [job.training for job in jobs] == [studys, studys.model_copy(update={"epochs": 3})]
    assert studys.epochs != 3


@pytest.mark.parametrize("chosen", ["true", "predicted"])
def test_the_explained_class_is_the_configs(chosen: str) -> None:
    explain = {**tiny()["explain"], "explained_class": chosen}
    plan = plan_of(explain=explain, sanity={"images": 8})
    assert plan.explain(group_of(plan), "vanilla", "main").explained_class == chosen
    assert ProbePlan(plan).sanity(group_of(plan), "main").explained_class == chosen


@pytest.mark.parametrize("scale", ["max", "mass", "raw"])
def test_the_scale_of_intensity_is_the_configs(scale: str) -> None:
    plan = plan_of(measure={"scale": scale, "replicates": 70})
    job = plan.measure(group_of(plan))
    assert (job.scale, job.replicates) == (scale, 70)


def test_parameters_of_metrics_reach_measure_and_the_comparisons() -> None:
    metrics = {"top_fraction": {"top": 0.2}}
    plan = plan_of(measure={"metrics": metrics, "replicates": 50})
    assert plan.measure(group_of(plan)).metrics["top_fraction"]["top"] == 0.2
    job = TablePlan(plan).compare("smiling_by_necktie", "phi", 0.8)
    assert job.comparing.metrics["top_fraction"]["top"] == 0.2


def test_maps_are_listed_model_by_model_and_set_by_set() -> None:
    explain = {"images": 16, "sets": {"a": {"lrp": {}}, "b": {"gradient": {}}}}
    plan = plan_of(explain=explain)
    job = plan.measure(group_of(plan))
    assert job.models == ("vanilla", "finetune", "mask_specific")
    keys = [(path.parts[-3], path.parts[-2]) for path in job.input.maps]
    assert keys == [(model, name) for model in job.models for name in ("a", "b")]
    assert [path.parent for path in job.input.map_index] == [p.parent for p in job.input.maps]
    assert job.methods["thropt"] == "vanilla"
    normal = [(path.parts[-5], path.parts[-2]) for path in job.input.normal_maps]
    assert [p.parts[-5:-2] for p in job.input.normal_maps] == [
        ("phi-0", "seed-0", "vanilla"), ("phi-0", "seed-0", "vanilla")
    ]  # fmt: skip
    assert len(normal) == 2


def test_minus_zero_is_level_0_too() -> None:
    designs = {"phi": {**tiny()["designs"]["phi"], "levels": [-0.0, 0.8]}}
    plan = plan_of(designs=designs)
    known = [plan.map_files(group, "vanilla", "main").maps for group in plan.grid.groups()]
    (normal,) = plan.measure(group_of(plan)).input.normal_maps
    assert normal in known


def test_a_design_without_level_0_has_no_normal_model() -> None:
    designs = {"phi": {**tiny()["designs"]["phi"], "levels": [0.8]}}
    plan = plan_of(designs=designs)
    assert plan.measure(group_of(plan)).input.normal_maps == ()


def test_a_deterministic_study_has_deterministic_jobs() -> None:
    for chosen in (True, False):
        plan = plan_of(deterministic=chosen, sanity={"images": 8}, probe={"images": 8})
        group = group_of(plan)
        jobs: list[Job] = [
            plan.train(group),
            plan.debias(group, "finetune"),
            plan.explain(group, "vanilla", "main"),
            ProbePlan(plan).sanity(group, "main"),
            ProbePlan(plan).probe(group, "vanilla", "main"),
            plan.region("synthfaces", "coin_flip"),
        ]
        assert {job.deterministic for job in jobs} == {chosen}


def test_an_artifact_is_laid_over_the_images_of_its_task_alone() -> None:
    plan = Plan(load_config(read_yaml(ROOT / "config.yaml")))
    mark = plan.grid.group("smiling_by_watermark", "artifact_fraction", 1.0, 0)
    tie = plan.grid.group("smiling_by_necktie", "phi", 0.9, 0)
    tint = plan.grid.group("smiling_by_tint", "artifact_fraction", 1.0, 0)
    names = [getattr(plan.train(group).artifact, "name", None) for group in (mark, tie, tint)]
    assert names == ["watermark", None, "tint"]
    assert plan.split(mark).injected
    assert not plan.split(tie).injected
    assert plan.train(tie).input.twins == Path(
        "results/demo/pool/synthfaces/twins_Wearing_Necktie.npy"
    )
    assert plan.train(mark).input.twins is None
    measured: MeasureJob = plan.measure(tint)
    assert measured.roi.artifact is not None
    assert measured.roi.artifact.name == "watermark"


def test_a_new_level_changes_no_other_job() -> None:
    phi = {**tiny()["designs"]["phi"], "same_n": False}
    before, after = (
        Rules(plan_of(designs={"phi": {**phi, "levels": levels}}))
        for levels in ([0.0, 0.8], [0.0, 0.4, 0.8])
    )
    new = ("tabulate", "fenced_region")  # the fence goes round the test images of all levels
    wanted = [(s, w) for s, w in jobs_of(before.plan) if not s.startswith(new)]
    assert all(before.job(s, w) == after.job(s, w) for s, w in wanted)


def test_a_level_is_compared_over_its_seeds_and_no_other_levels() -> None:
    job = TablePlan(plan_of(seeds=[3, 4])).compare("smiling_by_necktie", "phi", "0.8")
    assert [(cell.group.seed, cell.method) for cell in job.cells()] == [
        (seed, method)
        for seed in (3, 4)
        for method in ("vanilla", "finetune", "thropt", "mask_specific")
    ]
    assert [path.parts[-3:-1] for path in job.input.image_metrics] == [
        ("phi-0.8", "seed-3"),
        ("phi-0.8", "seed-4"),
    ]
    vanilla, finetune = map(str, job.input.predictions[:2])
    assert "/train/smiling_by_necktie/phi-0.8/seed-3/" in vanilla
    assert "/debias/smiling_by_necktie/phi-0.8/seed-3/finetune/" in finetune
    assert len(job.input.predictions) == 2 * 4
    assert job.injected == ()


@pytest.mark.parametrize(
    ("changes", "stale"),
    [({"seeds": [3, 4, 5]}, 2), ({"report": {"explainers": ["lrp"]}}, 0)],
    ids=["seed", "report"],
)
def test_what_makes_comparisons_stale(changes: dict[str, Any], stale: int) -> None:
    before, after = (Rules(plan_of(**{"seeds": [3, 4], **c})) for c in ({}, changes))
    jobs = [(s, w) for s, w in jobs_of(before.plan) if s == "compare"]
    assert sum(before.job(s, w) != after.job(s, w) for s, w in jobs) == stale


def test_no_words_of_a_table_make_comparisons_stale() -> None:
    used = closure("rightreasons.stages.compare")
    assert {"rightreasons.tables.comparisons", "rightreasons.tables.reliance"} <= used
    assert not {"rightreasons.tables.schema", "rightreasons.tables.leaderboard"} & used


def test_only_a_task_with_an_artifact_has_every_image_twice() -> None:
    plan = TablePlan(Plan(load_config(read_yaml(ROOT / "config.yaml"))))
    injected = {key[0]: plan.compare(*key).injected for key in plan.levels()}
    assert injected == {
        "smiling_by_necktie": (),
        "smiling_by_watermark": ("smiling_by_watermark",),
        "smiling_by_tint": ("smiling_by_tint",),
    }


def test_levels_of_the_same_n_know_each_other() -> None:
    """Rounded as folders have them, so that all levels' jobs find the same N."""
    plan = plan_of(designs={"phi": {"levels": [2 / 3, -1 / 3]}})
    levels = {plan.split(group).levels for group in plan.grid.groups()}
    assert levels == {(0.666667, -0.333333)}


def test_a_new_image_size_fetches_nothing() -> None:
    small, large = (plan_of(datasets={"synthfaces": {"size": size}}) for size in (32, 64))
    assert small.fetch("synthfaces").coded() == large.fetch("synthfaces").coded()
    assert small.pool("synthfaces") != large.pool("synthfaces")


def test_every_job_before_the_tables_is_timed() -> None:
    asked = {"sanity": {"images": 8}, "probe": {"images": 8}, "measure": {"witnesses": True}}
    rules = Rules(plan_of(**asked, multiverse=True))
    timed = TablePlan(rules.plan).runtimes().timed
    expected = {
        rules.benchmark(stage).format(**wildcards)
        for stage, wildcards in jobs_of(rules.plan)
        if stage in FOLDERS
    }
    assert {str(job.path) for job in timed} == expected
    assert len(timed) == len(expected)


def test_tables_are_those_of_what_the_study_has() -> None:
    raw = demo()
    raw["methods"]["mask_general"] = {}
    full = set(TablePlan(Plan(load_config(raw))).files())
    assert {"cell_metrics", "region_maps", "reliance", "table_one", "runtimes"} <= full
    assert not {"sanity", "probes"} & full
    bare = plan_of(methods={"vanilla": {}}, regions={})
    assert not {"region_maps", "table_one"} & set(TablePlan(bare).files())


def test_claims_are_called_as_the_config_says_and_by_tasks_of_one_region() -> None:
    task = {"dataset": "synthfaces", "target": "Smiling", "roi": {"artifact": "mark"}}
    elsewhere = {**task, "protected": "mark", "roi": [0.1, 0.1, 0.4, 0.4]}
    plan = plan_of(
        artifacts={"mark": {"kind": "patch"}, "tint": {}},
        tasks={
            "mark": {**task, "protected": "mark"},
            "tint": {**task, "protected": "tint"},
            "else": elsewhere,
        },
        designs={"artifact_fraction": {"levels": [0, 1]}},
        measure={"calls": {"rate": 0.2}},
        regions={},
    )
    job = TablePlan(plan).reliance()
    assert (job.rate, job.null) == (0.2, "auto")
    assert job.regions["mark"] == job.regions["tint"] != job.regions["else"]
