"""From measures to tables: keys, comparisons and their families, ranks, associations, runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.study.load import load_config
from rightreasons.study.sections import StudyConfig
from rightreasons.tables import tabulate
from rightreasons.tables.schema import TABLES, conform
from study import demo

METHODS = ("vanilla", "finetune", "same", "thropt", "worse")


def make_study() -> StudyConfig:
    raw = {**demo(), "seeds": [0, 1]}
    raw["tasks"] = {"tie": raw["tasks"]["smiling_by_necktie"]}
    raw["designs"] = {"phi": {"levels": [0.0, 0.5]}}
    raw["methods"] = {
        **{name: {} for name in ("vanilla", "finetune", "thropt")},
        **{name: {"kind": "finetune"} for name in ("same", "worse")},
    }
    raw["methods"] = {name: raw["methods"][name] for name in METHODS}
    raw["explain"]["sets"] = {"main": {"lrp": {}}}
    raw["measure"] = {"replicates": 200}
    return load_config(raw)


STUDY = make_study()
KEY = {"study": "demo", "dataset": "synthfaces", "task": "tie", "design": "phi"}
N = 80


def make_predictions() -> pd.DataFrame:
    """Every method on 80 images, 2 levels, 2 seeds. `same` equals vanilla; `worse` is a coin."""
    parts = []
    for level in (0.0, 0.5):
        for seed in (0, 1):
            rng = np.random.default_rng([seed, int(10 * level)])
            target, protected = np.tile([0, 1], N // 2), np.repeat([0, 1], N // 2)
            vanilla = np.where(rng.random(N) < 0.85, target, 1 - target)
            for method in METHODS:
                own = np.random.default_rng([seed, METHODS.index(method)])
                flip = own.random(N) < {"worse": 0.6, "finetune": 0.05, "thropt": 0.1}.get(
                    method, 0
                )
                decision = np.where(flip, 1 - vanilla, vanilla)
                twin = np.where(own.random(N) < (0.5 if method == "worse" else 0), 1, 0) ^ decision
                parts.append(
                    pd.DataFrame(
                        {
                            **KEY,
                            "level": level,
                            "seed": seed,
                            "method": method,
                            "image_id": [f"i{n}" for n in range(N)],
                            "target": target,
                            "protected": protected,
                            "score": 0.25 + 0.5 * decision,
                            "decision": decision,
                            "twin_decision": pd.array(twin, dtype="Int8"),
                        }
                    )
                )
    return pd.concat(parts, ignore_index=True)


def make_images() -> pd.DataFrame:
    """rrf per map: `same` and `thropt` equal vanilla, `worse` is 0.2 higher."""
    table = make_predictions()[[*KEY, "level", "seed", "method", "image_id"]]
    base = table["image_id"].str[1:].astype(int) / 200
    shift = table["method"].map({"worse": 0.2, "finetune": -0.01}).fillna(0)
    noise = np.random.default_rng(0).normal(0, 0.01, len(table)) * (shift != 0)
    return table.assign(explainer="lrp", metric="rrf", value=base + shift + noise)


PREDICTIONS, IMAGES = make_predictions(), make_images()
CELL_TESTS = pd.DataFrame(
    [{**KEY, "level": 0.0, "seed": 0, "method": "same", "test": "rddt", "p_value": 0.03}]
)
TESTS = tabulate.tests(STUDY, [CELL_TESTS], PREDICTIONS, IMAGES)


def chosen(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    return table[(table[list(wanted)] == list(wanted.values())).all(axis=1)]


def one(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    rows = chosen(table, **wanted)
    assert len(rows) == 1, f"{len(rows)} rows for {wanted}"
    return rows.iloc[0]


def test_a_path_spells_its_key() -> None:
    key = {**KEY, "level": 0.5, "seed": 12}
    for path in (
        "results/demo/debias/tie/phi-0.5/seed-12/thropt/model.json",
        "/tmp/a-1/seed-3/demo/measure/tie/phi-0.5/seed-12/tests.parquet",
    ):
        assert tabulate.key_of(STUDY, path) == key
    assert tabulate.key_of(STUDY, "x/tie/phi--0.5/seed-0/m")["level"] == -0.5
    with pytest.raises(ValueError, match="no result of a cell"):
        tabulate.key_of(STUDY, "results/demo/pool/synthfaces/images.npy")


def test_every_method_is_compared_with_each_reference() -> None:
    paired = chosen(TESTS, test="paired")
    pairs = set(zip(paired["method"], paired["reference"], strict=True))
    others = {"same", "thropt", "worse"}
    assert pairs == {(m, r) for m in others for r in ("vanilla", "finetune")} | {
        ("finetune", "vanilla")
    }
    metrics = {"equalized_odds", "accuracy", "worst_group_accuracy", "twin_flip_rate", "rrf"}
    assert set(paired["metric"]) == metrics
    assert len(paired) == len(pairs) * len(metrics) * 2
    assert len(TESTS) == len(paired) + 1
    assert chosen(TESTS, test="rddt")["p_value"].tolist() == [0.03]


def test_identical_predictions_have_no_effect_and_p_1() -> None:
    same = chosen(TESTS, test="paired", method="same", reference="vanilla")
    same = same[same["metric"] != "twin_flip_rate"]
    assert len(same) == 4 * 2
    assert (same["effect"] == 0).all()
    assert (same["ci_low"] == 0).all()
    assert (same["ci_high"] == 0).all()
    assert (same["p_value"] == 1).all()
    assert (same["p_holm"] == 1).all()
    assert not same["significant"].any()


def test_effects_are_mean_differences_over_seeds() -> None:
    for level in (0.0, 0.5):
        differences, odds = [], []
        for seed in (0, 1):
            part = chosen(PREDICTIONS, level=level, seed=seed)
            right = (part["decision"] == part["target"]).groupby(part["method"]).mean()
            differences.append(right["worse"] - right["vanilla"])
            gap = {}
            for method in ("worse", "vanilla"):
                mine = chosen(part, method=method)
                rate = mine.groupby(["target", "protected"])["decision"].mean()
                gap[method] = max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))
            odds.append(gap["worse"] - gap["vanilla"])
        row = {"method": "worse", "reference": "vanilla", "level": level}
        accuracy = one(TESTS, metric="accuracy", **row)
        assert accuracy["effect"] == pytest.approx(np.mean(differences))
        assert accuracy["significant"]
        assert accuracy["n"] == 2 * N
        effect = one(TESTS, metric="equalized_odds", **row)["effect"]
        assert effect == pytest.approx(np.mean(odds))
        flips = one(TESTS, metric="twin_flip_rate", **row)
        mine = chosen(PREDICTIONS, level=level, method="worse")
        assert flips["effect"] == pytest.approx((mine["decision"] != mine["twin_decision"]).mean())


def test_maps_are_compared_image_by_image() -> None:
    row = one(TESTS, method="worse", reference="vanilla", metric="rrf", level=0.5)
    assert row["effect"] == pytest.approx(0.2, abs=0.005)
    assert row["explainer"] == "lrp"
    assert row["p_value"] < 1e-6


def test_without_twins_there_is_no_twin_comparison() -> None:
    alone = PREDICTIONS.assign(twin_decision=pd.array([pd.NA] * len(PREDICTIONS), dtype="Int8"))
    tests = tabulate.tests(STUDY, [], alone, IMAGES)
    assert "twin_flip_rate" not in set(tests["metric"])
    assert len(tests) == 7 * 4 * 2


def _holm(p: list[float]) -> list[float]:
    """Holm's step-down correction, as in the textbook."""
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def test_holms_families_are_the_methods_of_one_comparison() -> None:
    paired = chosen(TESTS, test="paired")
    families = list(paired.groupby(["level", "reference", "metric"]))
    assert len(families) == 2 * 2 * 5
    for (_, reference, _), family in families:
        assert len(family) == (4 if reference == "vanilla" else 3)
        assert family["p_holm"].tolist() == pytest.approx(_holm(family["p_value"].tolist()))
    assert np.isnan(chosen(TESTS, test="rddt")["p_holm"].iloc[0])


def test_tests_do_not_depend_on_other_methods_or_runs() -> None:
    again = tabulate.tests(STUDY, [CELL_TESTS], PREDICTIONS, IMAGES)
    pd.testing.assert_frame_equal(again, TESTS)
    fewer = STUDY.model_copy(
        update={"methods": {m: STUDY.methods[m] for m in ("vanilla", "worse")}}
    )
    alone = tabulate.tests(fewer, [], PREDICTIONS, IMAGES)
    for metric in ("equalized_odds", "rrf"):
        rows = {"method": "worse", "reference": "vanilla", "metric": metric, "level": 0.0}
        assert one(alone, **rows)["p_value"] == one(TESTS, **rows)["p_value"]
        assert one(alone, **rows)["p_holm"] == one(alone, **rows)["p_value"]
    conform(TESTS, TABLES["tests"])


def cell_metrics(
    odds: dict[str, float], collapsed: tuple[tuple[str, int], ...] = (), seeds: int = 2
) -> pd.DataFrame:
    """Cells of the methods in `odds`, at two levels; seed s adds 0.01 s to equalized odds."""
    rows = []
    for level in (0.0, 0.5):
        for method, value in odds.items():
            for seed in range(seeds):
                flat = {
                    "equalized_odds": value + 0.01 * seed,
                    "accuracy": 0.8,
                    "worst_group_accuracy": 0.6,
                    "twin_flip_rate": np.nan,
                    "collapsed_prediction": float((method, seed) in collapsed),
                }
                maps = {"rrf": 0.3 + value, "adr": 2 * value, "dif": 0.5, "rddt": seed % 2}
                for explainer, metrics in ((None, flat), ("lrp", maps), ("ig", maps)):
                    rows += [
                        {
                            **KEY,
                            "level": level,
                            "seed": seed,
                            "method": method,
                            "explainer": explainer,
                            "metric": metric,
                            "value": float(number),
                            "ci_low": number - 0.05,
                            "ci_high": number + 0.05,
                        }
                        for metric, number in metrics.items()
                    ]
    return pd.DataFrame(rows)


def ranks(board: pd.DataFrame, level: float = 0.0, explainer: str = "lrp") -> dict[str, Any]:
    part = chosen(board, level=level, explainer=explainer)
    return dict(zip(part["method"], part["rank"].astype(object), strict=True))


def test_rank_is_by_equalized_odds_with_ties() -> None:
    odds = {"vanilla": 0.4, "finetune": 0.1, "same": 0.1, "thropt": 0.2, "worse": 0.5}
    board = tabulate.leaderboard(cell_metrics(odds), TESTS, METHODS)
    for level in (0.0, 0.5):
        for explainer in ("lrp", "ig"):
            got = ranks(board, level, explainer)
            assert got == {"finetune": 1, "same": 1, "thropt": 3, "vanilla": 4, "worse": 5}
            assert list(got) == ["finetune", "same", "thropt", "vanilla", "worse"]
    conform(board, TABLES["leaderboard"])


def test_a_collapsed_method_is_never_ranked() -> None:
    """Not even with the best of all equalized odds, and if it collapsed with one seed only."""
    odds = {"vanilla": 0.4, "finetune": 0.0, "same": 0.0, "thropt": 0.2}
    collapsed = (("finetune", 0), ("finetune", 1), ("same", 1))
    board = tabulate.leaderboard(cell_metrics(odds, collapsed), TESTS, METHODS)
    got = ranks(board)
    assert got["thropt"] == 1
    assert got["vanilla"] == 2
    assert got["finetune"] is pd.NA
    assert got["same"] is pd.NA
    assert list(got) == ["thropt", "vanilla", "finetune", "same"]
    row = chosen(board, level=0.0, explainer="lrp").set_index("method")
    assert row["n_collapsed"].to_dict() == {"thropt": 0, "vanilla": 0, "finetune": 2, "same": 1}


def test_a_method_without_equalized_odds_is_not_ranked() -> None:
    odds = {"vanilla": 0.4, "finetune": np.nan, "thropt": 0.2}
    got = ranks(tabulate.leaderboard(cell_metrics(odds), TESTS, METHODS))
    assert got["finetune"] is pd.NA
    assert got["vanilla"] == 2


def test_rows_are_means_over_seeds() -> None:
    odds = {"vanilla": 0.4, "worse": 0.5}
    board = tabulate.leaderboard(cell_metrics(odds), TESTS, METHODS)
    row = one(board, level=0.5, explainer="lrp", method="worse")
    assert row["equalized_odds"] == pytest.approx(0.505)
    margin = 12.7062 * 0.01 / 2  # t quantile with 1 degree of freedom times sd / sqrt 2
    assert row["equalized_odds_low"] == pytest.approx(0.505 - margin, abs=1e-4)
    assert row["equalized_odds_high"] == pytest.approx(0.505 + margin, abs=1e-4)
    assert (row["rrf"], row["adr"], row["rddt"]) == pytest.approx((0.8, 1.0, 0.5))
    assert row["n_seeds"] == 2
    assert np.isnan(row["twin_flip_rate"])
    paired = one(TESTS, level=0.5, method="worse", reference="vanilla", metric="equalized_odds")
    assert row["equalized_odds_change"] == paired["effect"]
    assert row["equalized_odds_change_p"] == paired["p_holm"]
    assert np.isnan(
        one(board, level=0.5, explainer="lrp", method="vanilla")["equalized_odds_change"]
    )


def test_one_seed_keeps_its_bootstrap_interval_within_bounds() -> None:
    board = tabulate.leaderboard(cell_metrics({"vanilla": 0.02}, seeds=1), TESTS, METHODS)
    row = one(board, level=0.0, explainer="ig")
    assert row["equalized_odds_low"] == 0
    assert row["equalized_odds_high"] == pytest.approx(0.07)


def random_cells(seeds: int = 6) -> pd.DataFrame:
    """Cells in which equalized odds fall with ADR: change = -ADR / 2 + noise."""
    rng = np.random.default_rng(1)
    parts = []
    for seed in range(seeds):
        odds = {m: float(rng.random()) for m in ("vanilla", "finetune", "same")}
        part = cell_metrics(odds, seeds=1).assign(seed=seed)
        for method in ("finetune", "same"):
            shift = float(rng.random())
            mine = part["method"] == method
            noise = float(rng.normal(0, 0.02))
            part.loc[mine & (part["metric"] == "adr"), "value"] = shift
            part.loc[mine & (part["metric"] == "equalized_odds"), "value"] = (
                odds["vanilla"] - shift / 2 + noise
            )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


CELLS = random_cells()


def test_associations_find_the_slope() -> None:
    table = tabulate.associations(CELLS)
    row = one(table, explainer="lrp", predictor="adr", model="regression")
    assert row["estimate"] == pytest.approx(-0.5, abs=0.1)
    assert row["n"] == 6 * 2 * 2  # seeds, levels, methods without vanilla
    spearman = one(table, explainer="lrp", predictor="adr", model="spearman")
    assert spearman["estimate"] < -0.9
    assert set(table["predictor"]) == {"adr", "rrf_change"}
    assert set(table["explainer"]) == {"lrp", "ig"}
    conform(table, TABLES["associations"])


@pytest.mark.parametrize(("method", "left"), [("same", 22), ("vanilla", 20)])
def test_associations_leave_out_collapsed_cells(method: str, left: int) -> None:
    """Where vanilla collapsed, nothing can be compared with it."""
    broken = CELLS.copy()
    place = (broken["method"] == method) & (broken["seed"] == 2)
    broken.loc[place & (broken["metric"] == "collapsed_prediction"), "value"] = 1.0
    broken.loc[place & broken["metric"].isin(["adr", "equalized_odds"]), "value"] = 50.0
    row = one(tabulate.associations(broken), explainer="lrp", predictor="adr", model="regression")
    assert row["n"] == left
    assert row["estimate"] == pytest.approx(-0.5, abs=0.1)


def test_associations_of_vanilla_alone_are_none() -> None:
    table = tabulate.associations(cell_metrics({"vanilla": 0.3}))
    assert len(table) == 0
    conform(table, TABLES["associations"])


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


def test_runtimes_read_snakemakes_benchmarks(tmp_path: Path) -> None:
    cell = "tie/phi-0.5/seed-1"
    _benchmark(tmp_path / f"train/{cell}.tsv", "12.5")
    _benchmark(tmp_path / f"debias/{cell}/worse.tsv", "3.25")
    _benchmark(tmp_path / f"explain/{cell}/worse/main.tsv", "8", "-")
    _benchmark(tmp_path / f"explain/{cell}/thropt/main.tsv", "1")  # has vanilla's maps: no job
    _benchmark(tmp_path / "train/tie/phi-0.9/seed-1.tsv", "1")  # a level of another study
    _benchmark(tmp_path / "pool/synthfaces.tsv", "40")
    _benchmark(tmp_path / "pool/synthfaces-twins-Wearing_Necktie.tsv", "41")
    _benchmark(tmp_path / "fetch/synthfaces.tsv", "1")
    table = tabulate.runtimes(STUDY, tmp_path, MODELS)
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
    assert len(tabulate.runtimes(STUDY, tmp_path, MODELS)) == 0
    _benchmark(tmp_path / "fetch/synthfaces.tsv", "1")
    table = tabulate.runtimes(STUDY, tmp_path, MODELS)
    assert table["stage"].tolist() == ["fetch"]
    conform(table, TABLES["runtimes"])


def test_models_and_provenance(tmp_path: Path) -> None:
    paths = []
    reduced: dict[str, dict[str, list[int]]] = {
        "train/tie/phi-0.5/seed-1": {},
        "debias/tie/phi-0.5/seed-1/worse": {"methods.worse": [64, 16], "predict": [32, 8]},
    }
    for folder, batches in reduced.items():
        path = tmp_path / folder / "model.json"
        path.parent.mkdir(parents=True)
        record = {"device": "cpu", "peak_gpu_mib": None, "reduced_batches": batches}
        record |= {"python": "3", "versions": {"torch": "2"}}
        path.write_text(json.dumps(record))
        paths.append(str(path))
    models = tabulate.models(STUDY, paths)
    assert models["method"].tolist() == ["vanilla", "worse"]
    assert models["level"].tolist() == [0.5, 0.5]
    said = "methods.worse 64 > 16, predict 32 > 8"
    assert models["reduced"].fillna("nothing").tolist() == ["nothing", said]
    first = tabulate.provenance(STUDY, models)
    conform(first, TABLES["provenance"])
    assert first["run"].iloc[0] == tabulate.provenance(STUDY, models)["run"].iloc[0]
    other = tabulate.provenance(STUDY, models.assign(device="gpu"))
    assert first["run"].iloc[0] != other["run"].iloc[0]
    assert StudyConfig.model_validate_json(first["config"].iloc[0]) == STUDY


def test_predictions_and_splits_get_their_key(tmp_path: Path) -> None:
    folder = tmp_path / "debias/tie/phi-0.5/seed-1/worse"
    folder.mkdir(parents=True)
    table = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "d", "e"],
            "role": ["test", "test", "test", "test", "debias"],
            "target": [0, 1, 0, 1, 1],
            "protected": [0, 0, 1, 1, 1],
        }
    )
    table.to_parquet(folder / "predictions.parquet")
    (got,) = tabulate.predictions(STUDY, [str(folder / "predictions.parquet")])
    assert got["image_id"].tolist() == ["a", "b", "c", "d"]
    assert got[["task", "level", "seed", "method"]].drop_duplicates().to_numpy().tolist() == [
        ["tie", 0.5, 1, "worse"]
    ]
    conform(got, TABLES["predictions"])
    (counts,) = tabulate.splits(STUDY, [str(folder / "predictions.parquet")])
    assert one(counts, role="test")["n"] == 4
    assert one(counts, role="test")["phi"] == 0
    assert one(counts, role="train")["n"] == 0
    conform(counts, TABLES["splits"])
