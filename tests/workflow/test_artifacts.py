"""A whole tiny study of injected artifacts, from faces to yardstick and pages."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rightreasons.core.job import Running
from rightreasons.stages.figure import figure
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.study.plan_tables import TablePlan
from study import FEW, Workspace, tiny

EXPLAINERS = ["gradient", "random", "occlusion_2", "occlusion_4"]
#: Figures that show artifacts: Snakemake draws them, with all tables.
FIGURES = (
    *("yardstick", "yardstick_heatmap", "reliance", "quadrants", "page", "mystery_models"),
    *("sanity", "two_shortcuts"),
)
LEVELS = [0.0, 1.0]
TASKS = ["smiling_by_mark", "smiling_by_tint"]


def artifacts() -> dict[str, Any]:
    """Return the config: a patch and a tint, two levels, vanilla and one method.

    Each task watches a second attribute: one of the dataset, and the other artifact.
    """
    task = {"dataset": "synthfaces", "target": "Smiling", "roi": {"artifact": "mark"}}
    return tiny(
        datasets={"synthfaces": {"size": 32, "n_images": 600}},
        artifacts={"mark": {"kind": "patch", "jitter": 0.05}, "tint": {"opacity": 0.4}},
        tasks={
            "smiling_by_mark": {
                **task,
                "protected": "mark",
                "watched": {"attribute": "Eyeglasses"},
            },
            "smiling_by_tint": {
                **task,
                "protected": "tint",
                "methods": ["vanilla"],
                "watched": {"attribute": "mark", "level": 0.5},
            },
        },
        designs={
            "artifact_fraction": {
                "levels": LEVELS,
                "max_images": {"train": 160, "debias": 40, "test": 80},
            }
        },
        training={"epochs": 8, "batch_size": 16, "learning_rate": 3e-3},
        methods={"vanilla": {}, "finetune": FEW},
        regions={},
        explain={
            "images": 32,
            "sets": {
                "main": {
                    "gradient": {},
                    "random": {},
                    "occlusion_2": {"kind": "occlusion", "grid": 2},
                    "occlusion_4": {"kind": "occlusion", "grid": 4},
                }
            },
        },
        sanity={"images": 8, "stages": 2},
        report={"explainers": ["gradient"]},
    )


def plan() -> Plan:
    return Plan(load_config(artifacts()))


def wanted() -> list[str]:
    """Return all tables and the files of those figures."""
    tables = [str(path) for path in TablePlan(plan()).files().values()]
    return tables + [f"figure_{name}" for name in FIGURES]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("artifacts"))
    space.configure(artifacts())
    done = space.run("--", *wanted())
    assert done.returncode == 0, done.stdout[-4000:]
    return space


@pytest.fixture(scope="module")
def tables(finished: Workspace) -> dict[str, pd.DataFrame]:
    return finished.tables()


def test_tasks_have_the_methods_that_they_name(tables: dict[str, pd.DataFrame]) -> None:
    cells = tables["cell_metrics"]
    methods = cells.groupby("task")["method"].unique()
    assert set(methods["smiling_by_mark"]) == {"vanilla", "finetune"}
    assert list(methods["smiling_by_tint"]) == ["vanilla"]
    assert set(cells["level"]) == set(LEVELS)


def test_every_test_image_is_there_without_and_with_it(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["predictions"].query("task == 'smiling_by_mark' and method == 'vanilla'")
    one = rows[rows["level"] == 1.0]
    assert len(one) == 80
    source = one["image_id"].str.removesuffix("+mark")
    assert (source.groupby(source).count() == 2).all()
    assert (one["image_id"].str.endswith("+mark") == (one["protected"] == 1)).all()


def with_artifact(image: str, name: str) -> str:
    """Return the id of an image's version with the protected artifact: a watched one comes last."""
    source, *watched = image.split("+")
    return "+".join([source, name, *watched])


def test_the_watched_attribute_has_twins_of_its_own(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["predictions"].query("level == 1.0")
    mark, tint = (rows[rows["task"] == task] for task in TASKS)
    carries = tint["image_id"].str.endswith("+mark")
    assert (carries == (tint["watched"] == 1)).all()
    assert set(tint.groupby(["target", "protected"])["watched"].mean()) == {0.5}
    assert not mark["image_id"].str.contains("Eyeglasses").any()
    for one in (mark, tint):
        assert one["watched_twin_score"].notna().all()
        assert not one["watched_twin_score"].equals(one["twin_score"])
        assert (one["watched_twin_score"] != one["score"]).any()
    cells = tables["cell_metrics"].query("level == 1.0 and method == 'vanilla'")
    value = cells.query("metric == 'watched_flip_rate'").set_index("task")["value"]
    flips = tables["reliance"].query("level == 1.0 and method == 'vanilla'")
    for task, one in (("smiling_by_mark", mark), ("smiling_by_tint", tint)):
        own = one[one["method"] == "vanilla"]
        expected = (own["watched_twin_decision"] != own["decision"]).mean()
        assert value[task] == pytest.approx(expected)
        of_task = flips[flips["task"] == task]
        assert of_task["watched_flips"].unique() == pytest.approx([expected])


def test_two_shortcuts_are_set_side_by_side(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["two_shortcuts"]
    assert table[["task", "method"]].drop_duplicates().values.tolist() == [
        ["smiling_by_mark", "finetune"]
    ]
    assert sorted(table["level"]) == LEVELS
    assert set(table["unit"]) == {"image"}  # one seed
    board = tables["leaderboard"].drop_duplicates(["task", "level", "method"])
    board = board[board["task"] == "smiling_by_mark"].set_index(["level", "method"])
    for row in table.to_dict("records"):
        for name, metric in (("protected", "twin_flip_rate"), ("watched", "watched_flip_rate")):
            own, reference = (board.loc[(row["level"], m), metric] for m in ("finetune", "vanilla"))
            assert row[f"{name}_change"] == pytest.approx(own - reference)


def test_a_twin_is_the_other_version(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["predictions"].query("method == 'vanilla' and level == 1.0")
    for task, name in zip(TASKS, ("mark", "tint"), strict=True):
        own = rows[rows["task"] == task].set_index("image_id")
        without = own[own["protected"] == 0]
        other = own.loc[[with_artifact(image, name) for image in without.index]]
        for output in ("logit_0", "logit_1", "score"):
            difference = other[output].to_numpy() - without[f"twin_{output}"].to_numpy()
            assert abs(difference).max() < 1e-4
        assert (other["decision"].to_numpy() == without["twin_decision"].to_numpy()).all()


def test_the_model_of_level_1_relies_on_the_patch(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["reliance"].query("task == 'smiling_by_mark' and method == 'vanilla'")
    flips = rows.groupby("level")["flips"].first()
    assert flips[1.0] > 0.5 > flips[0.0]
    assert rows.loc[rows["level"] == 1.0, "reliant"].any()
    assert not rows.loc[rows["level"] == 0.0, "reliant"].any()
    tint = tables["reliance"].query("task == 'smiling_by_tint'")
    assert not tint["place"].any()
    assert not tint["reliant"].any()


def test_the_yardstick_ranks_explainers_and_metrics(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["yardstick"]
    assert set(table["explainer"]) == set(EXPLAINERS)
    assert {"rrf", "top_fraction", "k_ssd", "fam", "adr"} <= set(table["metric"])
    assert table["rank"].notna().any()
    assert table["area"].between(0, 1).any()
    assert table["area_low"].isna().all()  # one seed
    said = tables["reliance"].query("shown == 'with'")
    assert said["called"].isna().all()
    assert {"0 of 2 level-0 seeds", "1 of 2 level-0 seeds"} <= set(said["uncalled"])


def test_maps_change_with_the_artifact(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["cell_metrics"].query("metric == 'map_change' and method == 'vanilla'")
    assert len(rows) == 2 * 2 * len(EXPLAINERS)
    assert (rows["value"] > 0).all()
    images = tables["image_metrics"].query("metric == 'map_change' and protected == 1")
    assert images["value"].notna().mean() > 0.9  # both versions of every image have maps
    assert {"map_change", "rrf"} <= set(tables["retest"]["metric"])
    assert set(tables["yardstick_tasks"]["task"]) == {"smiling_by_mark"}  # whose ROI is its place


def test_maps_of_level_0_are_their_own_normal_maps(tables: dict[str, pd.DataFrame]) -> None:
    fam = tables["cell_metrics"].query("metric == 'fam' and method == 'vanilla'")
    assert fam.loc[fam["level"] == 0, "value"].tolist() == pytest.approx([1.0] * 8)
    own = fam[(fam["level"] == 1) & (fam["explainer"] == "gradient")]
    assert (own["value"] < 0.999).all()


def test_sanity_of_the_control_is_perfect_and_of_the_gradient_not(
    tables: dict[str, pd.DataFrame],
) -> None:
    table = tables["sanity"].query("similarity == 'ssim'")
    assert set(table["explainer"]) == set(EXPLAINERS)
    assert (table.loc[table["explainer"] == "random", "value"] > 0.999).all()
    assert (table.loc[table["explainer"] == "gradient", "value"] < 0.99).all()


def test_figures_and_pages_are_there(finished: Workspace) -> None:
    report = finished.folder / "results/tiny/report"
    for task in TASKS:
        page = (report / f"quadrants-{task}-artifact_fraction.html").read_text()
        assert "data:image/png" in page
    names = {path.stem for path in (report / "figures").glob("*.png")}
    expected = {"yardstick", "yardstick_heatmap", "reliance-gradient"}
    expected |= {f"quadrants-{task}-artifact_fraction-gradient" for task in TASKS}
    expected |= {"mystery_models-synthfaces-artifact_fraction"}
    expected |= {"two_shortcuts-smiling_by_mark-artifact_fraction"}
    expected |= {f"sanity-{task}-artifact_fraction" for task in TASKS}
    assert expected <= names


def test_all_other_figures_can_be_drawn_of_these_tables(finished: Workspace) -> None:
    """In this process: the jobs of Snakemake would do no more, and take longer to start."""
    with chdir(finished.folder):
        figures = FigurePlan(plan())
        others = set(figures.pictures) - set(FIGURES)
        for name in sorted(others):
            job = figures.job(name)
            for path in (*job.output.drawings, *job.output.captions):
                path.parent.mkdir(parents=True, exist_ok=True)
            figure(job, Running(lambda items, description: items))
            assert all(path.stat().st_size > 0 for path in job.output.drawings), name
    assert {"leaderboard", "runtimes"} < others


def test_a_second_run_does_nothing(finished: Workspace) -> None:
    assert "Nothing to be done" in finished.run("--", *wanted()).stdout


def test_another_opacity_trains_again(finished: Workspace, tmp_path: Path) -> None:
    config = artifacts()
    config["artifacts"]["tint"] = {"opacity": 0.2}
    before = (finished.folder / "study.yaml").read_text()
    finished.configure(config)
    planned = finished.planned()
    (finished.folder / "study.yaml").write_text(before)
    assert planned["train"] == 2
    assert "split" not in planned
    assert "pool" not in planned
