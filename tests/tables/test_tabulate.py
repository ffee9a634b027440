"""What all tables need of the cells: keys, models, provenance, splits, predictions, run times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from made_tables import KEY, one
from rightreasons.core.job import Cell, Group
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.sections import StudyConfig
from rightreasons.tables import tabulate
from rightreasons.tables.schema import TABLES, conform

GROUP = Group(dataset="synthfaces", task="tie", design="phi", level=0.5, seed=1)


def test_a_group_is_its_key() -> None:
    assert tabulate.key_of("demo", GROUP) == {**KEY, "level": 0.5, "seed": 1}


HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
MODELS = pd.DataFrame(
    [
        {**KEY, "level": 0.5, "seed": 1, "method": "worse", "device": "gpu", "peak_gpu": 77.0,
         "reduced": "train 128 > 64", "versions": "{}"}
    ]
)  # fmt: skip


def _benchmark(path: Path, seconds: str, rss: str = "100.5") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:02\t{rss}\t1\t1\t1\t0\t0\t68.32\t2.47\n")


def runtimes(folder: Path) -> pd.DataFrame:
    """The table of the made-up study whose results lie in a folder."""
    job = TablePlan(made.plan_of(results=str(folder))).runtimes()
    return tabulate.runtimes(job.study, job.timed, MODELS)


def test_runtimes_read_snakemakes_benchmarks(tmp_path: Path) -> None:
    cell, folder = "tie/phi-0.5/seed-1", tmp_path / "demo/benchmarks"
    _benchmark(folder / f"train/{cell}.tsv", "12.5")
    _benchmark(folder / f"debias/{cell}/worse.tsv", "3.25")
    _benchmark(folder / f"explain/{cell}/worse/main.tsv", "8", "-")
    _benchmark(folder / f"explain/{cell}/thropt/main.tsv", "1")  # has vanilla's maps: no job
    _benchmark(folder / "train/tie/phi-0.9/seed-1.tsv", "1")  # a level of another study
    _benchmark(folder / "pool/synthfaces.tsv", "40")
    _benchmark(folder / "pool/synthfaces-twins-Wearing_Necktie.tsv", "41")
    _benchmark(folder / "fetch/synthfaces.tsv", "1")
    table = runtimes(tmp_path)
    assert len(table) == 6
    train = one(table, stage="train")
    assert train["seconds"] == 12.5
    assert train["max_rss"] == 100.5
    assert train["mean_load"] == 68.32
    assert (train["task"], train["level"], train["seed"]) == ("tie", 0.5, 1)
    assert train["method"] == "vanilla"
    debias = one(table, stage="debias")
    assert (debias["method"], debias["device"], debias["peak_gpu"]) == ("worse", "gpu", 77.0)
    assert debias["reduced"] == "train 128 > 64"
    explained = one(table, stage="explain")
    assert explained["explainers"] == "main"
    assert np.isnan(explained["max_rss"])
    assert one(table, stage="twins")["seconds"] == 41
    assert one(table, stage="pool")["dataset"] == "synthfaces"
    assert conform(table, TABLES["runtimes"]).num_rows == 6


def test_runtimes_without_benchmarks(tmp_path: Path) -> None:
    assert len(runtimes(tmp_path)) == 0
    _benchmark(tmp_path / "demo/benchmarks/fetch/synthfaces.tsv", "1")
    table = runtimes(tmp_path)
    assert table["stage"].tolist() == ["fetch"]
    conform(table, TABLES["runtimes"])


def test_models_and_provenance(tmp_path: Path) -> None:
    cells = [Cell(group=GROUP, method=method) for method in ("vanilla", "worse")]
    reduced: list[dict[str, list[int]]] = [{}, {"methods.worse": [64, 16], "predict": [32, 8]}]
    paths = [tmp_path / f"{cell.method}.json" for cell in cells]
    for path, batches in zip(paths, reduced, strict=True):
        record = {"device": "cpu", "peak_gpu_mib": None, "reduced_batches": batches}
        path.write_text(json.dumps({**record, "python": "3", "versions": {"torch": "2"}}))
    models = tabulate.models("demo", cells, paths)
    assert models["method"].tolist() == ["vanilla", "worse"]
    assert models["level"].tolist() == [0.5, 0.5]
    said = "methods.worse 64 > 16, predict 32 > 8"
    assert models["reduced"].fillna("nothing").tolist() == ["nothing", said]
    job = TablePlan(made.plan_of()).tabulate()
    first, again, other = (
        tabulate.provenance(job.study, job.config, table)
        for table in (models, models, models.assign(device="gpu"))
    )
    conform(first, TABLES["provenance"])
    assert first["run"].iloc[0] == again["run"].iloc[0]
    assert first["run"].iloc[0] != other["run"].iloc[0]
    stored = StudyConfig.model_validate_json(first["config"].iloc[0])
    assert stored == made.plan_of().study


def test_predictions_and_splits_get_their_key(tmp_path: Path) -> None:
    path, cell = tmp_path / "predictions.parquet", Cell(group=GROUP, method="worse")
    table = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "d", "e"],
            "role": ["test", "test", "test", "test", "debias"],
            "target": [0, 1, 0, 1, 1],
            "protected": [0, 0, 1, 1, 1],
            "chance": [0.0, 1.0, 0.5, 1.0, 0.25],
        }
    )
    table.astype({"chance": np.float32}).to_parquet(path)
    cells = [cell, Cell(group=GROUP, method="same")]
    cells.append(Cell(group=GROUP.model_copy(update={"seed": 2}), method="worse"))
    got, other = tabulate.predictions("demo", cells, [path] * 3)
    assert got["image_id"].to_pylist() == ["a", "b", "c", "d"] * 2
    assert got["method"].to_pylist() == ["worse"] * 4 + ["same"] * 4
    assert got["chance"].to_pylist() == [0, 1, 0.5, 1] * 2
    assert got["chance"].type == "double"
    key = got.to_pandas()[["study", "task", "level", "seed"]].drop_duplicates()
    assert key.to_numpy().tolist() == [["demo", "tie", 0.5, 1]]
    assert set(other["seed"].to_pylist()) == {2}
    assert set(conform(got, TABLES["predictions"])["method"].to_pylist()) == {"worse", "same"}
    (held_out,) = tabulate.held_out("demo", [cell], [path])
    assert held_out[["seed", "method", "target", "chance"]].to_numpy().tolist() == [
        [1, "worse", 1, 0.25]
    ]
    holds = {GROUP.design: {"train": "level", "test": "equal cells"}}
    (counts,) = tabulate.splits("demo", [GROUP], [path], holds)
    assert counts["role"].tolist() == ["debias", "test"]
    assert one(counts, role="test")["n"] == 4
    assert one(counts, role="test")["phi"] == 0
    assert one(counts, role="test")["composition"] == "equal cells"
    assert pd.isna(one(counts, role="debias")["composition"])
    conform(counts, TABLES["splits"])


def test_as_many_files_as_cells_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        next(tabulate.predictions("demo", [Cell(group=GROUP, method="worse")], []))
