"""Every job script by itself, on tiny data: what it is told decides what it writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen, Job
from rightreasons.metrics import WITNESSES
from rightreasons.stages.files import Maps, Measures, Model, Trained
from rightreasons.stages.measure import open_predictions
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.rules import STAGES, Rules
from rightreasons.tables.schema import TABLES, read_table
from scripts import run_script
from study import FEW, ROOT, tiny

GROUP = {"task": "smiling_by_necktie", "design": "phi", "level": "0", "seed": "0"}
METHODS = ("finetune", "thropt", "mask_general")
#: Where thropt's parameters are tried, and which choice that makes.
TRIALS = {**GROUP, "seed": "7"}
CHOICE = {"task": "smiling_by_necktie", "design": "phi", "at": "0", "method": "thropt"}
FLIPS = {"kind": "pixel_flipping", "steps": 2}


def config(folder: Path) -> dict[str, Any]:
    """Return a study of one level on few images, with every stage."""
    raw = tiny(results=str(folder / "results"), data=str(folder / "data"))
    raw["datasets"]["synthfaces"]["n_images"] = 500
    raw["designs"]["phi"] = {
        "levels": [0.0],
        "max_images": {"train": 60, "debias": 40, "select": 40, "test": 40},
        "min_images": {"train": 8, "debias": 8, "select": 8, "test": 8},
        "select_cell": 2,
    }
    # At quantile 1 nothing is masked: the method is vanilla's training once more.
    raw["methods"] = {"vanilla": {}, **{m: {} for m in METHODS}, "mask_general": {"quantile": 1}}
    raw["methods"] |= {"finetune": FEW, "thropt": {"preset": "tuned"}}
    raw["tuning"] = {"trials": 2, "seeds": [7]}
    raw["sanity"] = {"images": 8, "stages": 2}
    raw["probe"] = {"images": 8, "probes": {"sparseness": {}, "flips": FLIPS}}
    raw["measure"]["witnesses"] = True
    raw["multiverse"] = True
    raw["tasks"]["smiling_by_necktie"]["watched"] = {"attribute": "Eyeglasses"}
    raw["deterministic"] = True  # on a GPU too, "bit for bit" is meant
    return raw


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    """The study, with every job done by its script, in the order of the stages."""
    found = Rules(Plan(load_config(config(tmp_path_factory.mktemp("study")))))
    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    for stage, wildcards in in_order(found.plan):
        job = run_script(found, stage, **wildcards)
        assert all(Path(str(path)).exists() for path in job.output.named().values()), stage
    for name, value in threads.items():
        if value is None:
            os.environ.pop(name, None)
    return found


@pytest.fixture(scope="module", autouse=True)
def _as_before() -> Iterator[None]:
    """Scripts of a deterministic study change how torch computes on a GPU: undo it."""
    yield
    import torch

    torch.use_deterministic_algorithms(False)


def in_order(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    for stage in ("fetch", "pool"):
        yield stage, {"dataset": "synthfaces"}
    for dataset, attribute in plan.switched():
        yield "twins", {"dataset": dataset, "attribute": attribute}
    for dataset, region in plan.regions:
        yield "region", {"dataset": dataset, "region": region}
    yield from ((stage, group) for group in (GROUP, TRIALS) for stage in ("split", "train"))
    for key in plan.fences:
        yield "fenced_region", dict(zip(("task", "design", "seeds", "region"), key, strict=True))
    yield "tune", {**TRIALS, "method": "thropt"}
    yield "choose", CHOICE
    yield from (("debias", {**GROUP, "method": method}) for method in METHODS)
    for method in ("vanilla", "finetune", "mask_general"):
        yield "explain", {**GROUP, "method": method, "explainers": "main"}
    yield "sanity", {**GROUP, "explainers": "main"}
    yield "probe", {**GROUP, "method": "vanilla", "explainers": "main"}
    for witness in WITNESSES:
        yield "witness", {**GROUP, "witness": witness}
        yield "explain_witness", {**GROUP, "witness": witness, "explainers": "main"}
    yield "measure", GROUP
    yield "universe", GROUP
    yield "compare", {name: GROUP[name] for name in ("task", "design", "level")}
    yield from ((stage, {}) for stage in STAGES if stage.startswith("tabulate"))


def test_every_script_and_every_stage_is_run_here(rules: Rules) -> None:
    run = {stage for stage, _ in in_order(rules.plan)}
    assert run == set(STAGES)
    figures = {"figure"}  # tests/figures
    assert {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")} == run | figures


def test_every_table_fits_its_schema(rules: Rules) -> None:
    found = rules.tables()
    assert set(found) == set(TABLES)
    for name, path in found.items():
        table = read_table(path)
        assert list(table.columns) == [column.name for column in TABLES[name].columns]
    assert set(read_table(found["cell_metrics"])["method"]) == {"vanilla", *METHODS}


def test_features_are_probed_where_there_are_select_images(rules: Rules) -> None:
    group = rules.plan.grid.group(*GROUP.values())
    split = pd.read_parquet(rules.plan.split(group).output.split)
    features = np.load(rules.plan.trained_files(group).features)
    assert len(features) == (split["role"] == "select").sum() > 0
    row = read_table(rules.tables()["feasibility"]).iloc[0]
    assert (row["n"], row["method"], row["level"]) == (len(features), "vanilla", 0)
    assert row["target_accuracy_low"] <= row["target_accuracy"] <= row["target_accuracy_high"]


def test_explainers_are_probed_beside_controls_that_the_study_does_not_name(rules: Rules) -> None:
    table = read_table(rules.tables()["probes"])
    named = set(read_table(rules.tables()["reliance"])["explainer"])
    controls = set(table.loc[table["control"], "explainer"])
    assert set(table["explainer"]) == named | controls
    assert controls == {"random", "edges"}
    assert controls - named
    assert set(table["probe"]) == {"sparseness", "flips"}
    assert len(table) == 2 * len(named | controls)
    assert set(table["floor"]) <= controls
    seeing = table[~table["control"]]
    assert (seeing["n"] == 8).all()
    assert seeing["above_floor"].between(seeing["above_low"], seeing["above_high"]).all()


def test_logs_say_where_and_how_long(rules: Rules) -> None:
    for stage, wildcards in in_order(rules.plan):
        lines = Path(rules.log(stage).format(**wildcards)).read_text().splitlines()
        assert " SLURM job " in lines[0], stage
        assert "ready after" in "".join(lines), stage
        assert " done in " in lines[-1], stage


def test_training_once_more_without_a_change_is_the_original_bit_for_bit(rules: Rules) -> None:
    plan = rules.plan
    group = plan.grid.group(*GROUP.values())
    files = [plan.model_files(group, method).model for method in ("vanilla", "mask_general")]
    assert files[0].read_bytes() == files[1].read_bytes()
    other = plan.model_files(group, "finetune").model
    assert other.read_bytes() != files[0].read_bytes()


def test_a_method_that_changes_decisions_keeps_the_originals_weights(rules: Rules) -> None:
    group = rules.plan.grid.group(*GROUP.values())
    ours, vanilla = (rules.plan.model_files(group, m) for m in ("thropt", "vanilla"))
    assert ours.model.read_bytes() == vanilla.model.read_bytes()
    scores = [pd.read_parquet(files.predictions)["score"] for files in (ours, vanilla)]
    pd.testing.assert_series_equal(*scores)


def test_the_predictor_learns_the_protected_attribute(rules: Rules) -> None:
    group = rules.plan.grid.group(*GROUP.values())
    folder = Path(rules.plan.paths.folder("witness", group, witness="predictor"))
    said = pd.read_parquet(folder / "predictions.parquet").set_index("image_id")
    split = pd.read_parquet(rules.plan.split(group).output.split).set_index("image_id")
    for one, other in (("target", "protected"), ("protected", "target")):
        assert (said[one] == split.loc[said.index, other]).all()
    maps, ours = (
        pd.read_parquet(files.index)
        for files in (
            rules.plan.witness_maps(group, "predictor", "main"),
            rules.plan.map_files(group, "vanilla", "main"),
        )
    )
    assert list(maps["image_id"]) == list(ours["image_id"])
    assert (maps["explained_class"] == ours["protected"]).all()


def test_the_baseline_is_another_network_than_the_original(rules: Rules) -> None:
    group = rules.plan.grid.group(*GROUP.values())
    folder = Path(rules.plan.paths.folder("witness", group, witness="baseline"))
    other = (folder / "model.safetensors").read_bytes()
    assert other != rules.plan.trained_files(group).model.read_bytes()
    table = read_table(rules.tables()["cell_metrics"])
    ranked = table[table["metric"].str.startswith("region_rank")].dropna(subset=["value"])
    assert set(ranked["metric"]) == {
        f"region_rank_{name}" for name in ("predictor", "baseline", "partial", "deviation")
    }


def moved(job: Job, kind: type[Model | Maps | Measures], folder: Path) -> dict[str, Any]:
    """Return the change that lets a job write into another folder."""
    return {"output": kind.below(folder)}


@pytest.mark.parametrize("chosen", ["true", "predicted"])
def test_maps_explain_the_class_that_the_config_asks_for(
    rules: Rules, chosen: str, tmp_path: Path
) -> None:
    wildcards = {**GROUP, "method": "vanilla", "explainers": "main"}
    changes = {"explained_class": chosen, "output": Maps.below(tmp_path)}
    run_script(rules, "explain", changes, **wildcards)
    index = pd.read_parquet(tmp_path / "maps.parquet")
    group = rules.plan.grid.group(*GROUP.values())
    said = pd.read_parquet(rules.plan.model_files(group, "vanilla").predictions)
    said = said[said["role"] == "test"].set_index("image_id")
    predicted = (said["logit_1"] > said["logit_0"]).astype(int)[index["image_id"]].to_numpy()
    assert (predicted != index["target"]).any()  # else this test could not fail
    expected = index["target"].to_numpy() if chosen == "true" else predicted
    assert (index["explained_class"] == expected).all()


@pytest.mark.parametrize(("column", "said"), [("score", "2 of"), ("logit_1", "2 of")])
def test_a_prediction_that_is_missing_is_named_and_not_left_out(
    rules: Rules, column: str, said: str, tmp_path: Path
) -> None:
    group = rules.plan.grid.group(*GROUP.values())
    table = pd.read_parquet(rules.plan.model_files(group, "vanilla").predictions)
    table.loc[[3, 5], column] = np.nan
    path = tmp_path / "predictions.parquet"
    table.to_parquet(path)
    with pytest.raises(UserError, match=rf"{path}: {said} .* first {table.image_id[3]}"):
        open_predictions(path)


def test_maps_with_nan_are_named_and_not_averaged(rules: Rules, tmp_path: Path) -> None:
    job = rules.job("measure", GROUP)
    maps = np.load(job.input.maps[0])
    maps[0, 1, 2, 3] = np.nan
    np.save(tmp_path / "maps.npy", maps)
    given = job.input.model_copy(update={"maps": (tmp_path / "maps.npy", *job.input.maps[1:])})
    changes = {"input": given, "output": Measures.below(tmp_path)}
    with pytest.raises(SystemExit, match=r"^error: the maps of vanilla by \w+: map 1 .* NaN"):
        run_script(rules, "measure", changes, **GROUP)


def test_intensity_has_the_scale_that_the_config_asks_for(rules: Rules, tmp_path: Path) -> None:
    found = {}
    for scale in ("max", "raw"):
        changes = {"scale": scale, "output": Measures.below(tmp_path / scale)}
        run_script(rules, "measure", changes, **GROUP)
        cells = pd.read_parquet(tmp_path / scale / "cell_metrics.parquet")
        found[scale] = cells.set_index(["method", "explainer", "metric"])["value"].sort_index()
    pd.testing.assert_series_equal(
        found["max"].xs("rrf", level="metric"), found["raw"].xs("rrf", level="metric")
    )
    adr = [found[scale].xs(("finetune", "lrp", "adr")) for scale in ("max", "raw")]
    assert not np.isclose(*adr)


def test_the_default_universe_has_the_numbers_of_the_main_tables(rules: Rules) -> None:
    found = read_table(rules.tables()["multiverse"])
    cells = read_table(rules.tables()["cell_metrics"]).fillna({"explainer": ""})
    numbers = cells.set_index(["method", "metric", "explainer"])["value"]
    default = found[found["changed"] == ""].fillna({"explainer": ""})
    assert set(default["method"]) == set(METHODS)
    assert set(default["question"]) == {"fairness", "performance", "saliency", "reliance"}
    for row in default.to_dict("records"):
        ours, theirs = (
            numbers[row[who], row["metric"], row["explainer"]] for who in ("method", "reference")
        )
        assert row["effect"] == pytest.approx(ours - theirs, abs=1e-12), row
    adr = found[found["metric"] == "adr"].set_index(["method", "reference", "explainer"])
    main = adr[
        (adr[["sign", "roi", "scale", "explained"]] == ["absolute", "task", "max", "all"]).all(
            axis=1
        )
    ]
    assert main.loc[("finetune", "vanilla", "lrp"), "effect"] == pytest.approx(
        numbers["finetune", "adr", "lrp"], abs=1e-12
    )


def test_a_tasks_own_network_is_the_one_that_is_trained(rules: Rules, tmp_path: Path) -> None:
    from rightreasons.models.config import ModelConfig

    own = ModelConfig(architecture="squeezenet1_1")
    run_script(rules, "train", {"model": own, "output": Trained.below(tmp_path)}, **GROUP)
    assert json.loads((tmp_path / "model.json").read_text())["model"] == own.model_dump()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_job_has_the_threads_that_snakemake_gave_it(
    rules: Rules, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "7")
    split = rules.plan.split(rules.plan.grid.group(*GROUP.values())).output
    changes = {"output": type(split).below(tmp_path)}
    run_script(rules, "split", changes, threads=threads, **GROUP)
    assert [os.environ[name] for name in names] == [str(threads)] * 3
    again = pd.read_parquet(tmp_path / "split.parquet")
    pd.testing.assert_frame_equal(again, pd.read_parquet(split.split))


def test_what_the_user_did_wrong_is_one_line_and_the_log_has_the_rest(
    rules: Rules, tmp_path: Path
) -> None:
    changes = {
        "method": Chosen.of("mask_general", {"quantile": 0.8}),
        "input": rules.job("debias", {**GROUP, "method": "finetune"}).input,
        "output": Model.below(tmp_path),
    }
    with pytest.raises(SystemExit, match=r"^error: this cell has no attribution maps\."):
        run_script(rules, "debias", changes, **GROUP, method="mask_general")
    log = Path(rules.log("debias").format(**GROUP, method="mask_general"))
    assert UserError.__name__ in log.read_text()
    assert not (tmp_path / "model.json").exists()
