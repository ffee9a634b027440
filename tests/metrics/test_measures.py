"""Measuring a group: vanilla against itself, shared maps, mean maps against loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.metrics import structural_similarity

from rightreasons.contracts.fakes import quiet
from rightreasons.core.arrays import write_array
from rightreasons.metrics import measures
from rightreasons.metrics.compute import located_metrics, resolve
from rightreasons.metrics.mean_maps import CELLS, _mean_image, _mean_map, mean_maps
from rightreasons.metrics.measures import (
    MapSet,
    measure_group,
)
from rightreasons.tables.schema import TABLES, conform

N, SIZE = 24, (6, 8)
ROI = (0.25, 0.5, 0.75, 1.0)
EXPLAINED = {"vanilla": "vanilla", "thropt": "vanilla", "tuned": "tuned"}
TARGET, PROTECTED = np.tile([0, 1, 0, 1], 6), np.tile([0, 0, 1, 1], 6)


def make_maps(seed: int, checks: tuple[str, ...] = ("conservation", "")) -> MapSet:
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(2, N, *SIZE)).astype(np.float32)
    parts = [
        pd.DataFrame(
            {
                "image_id": [f"i{n}" for n in range(N)],
                "row": np.arange(N)[::-1],
                "target": TARGET,
                "protected": PROTECTED,
                "explainer": name,
                "check": check,
                "check_error": [0.25 * seed + 0.01 * n for n in range(N)] if check else np.nan,
            }
        )
        for name, check in zip(("lrp", "ig"), checks, strict=True)
    ]
    return MapSet(maps, pd.concat(parts, ignore_index=True))


def make_predictions(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score, twin = rng.random(2 * N), rng.random(2 * N)
    table = pd.DataFrame(
        {
            "image_id": [f"i{n}" for n in range(2 * N)],
            "role": np.repeat(["test", "debias"], N),
            "target": np.tile(TARGET, 2),
            "protected": np.tile(PROTECTED, 2),
            "score": score,
            "decision": (score > 0.5).astype(np.int8),
            "chance": (score > 0.5).astype(float),
            "twin_score": twin,
            "twin_decision": pd.array(twin > 0.5, dtype="Int8"),
            "twin_chance": (twin > 0.5).astype(float),
        }
    )
    table.loc[table["role"] == "debias", ["twin_score", "twin_decision", "twin_chance"]] = pd.NA
    return table.astype({"twin_score": float, "twin_chance": float})


MAPS = {"vanilla": [make_maps(1)], "tuned": [make_maps(2)]}
PREDICTIONS = {method: make_predictions(i) for i, method in enumerate(EXPLAINED)}


def measured(seed: int = 3, roi: Any = ROI, normal: Any = ()) -> dict[str, pd.DataFrame]:
    return measure_group(
        PREDICTIONS, MAPS, EXPLAINED, roi, resolve(), original="vanilla", scale="max", seed=seed,
        replicates=60, progress=quiet, others={"normal": normal},
    )  # fmt: skip


TABLES_MADE = measured()


def cell(method: str, metric: str, explainer: str | None = None) -> pd.Series:
    table = TABLES_MADE["cell_metrics"]
    shown = table["explainer"].isna() if explainer is None else table["explainer"] == explainer
    (row,) = table[shown & (table["method"] == method) & (table["metric"] == metric)].index
    return table.loc[row]


def test_what_is_watched_is_measured_beside_and_changes_no_other_number() -> None:
    rng = np.random.default_rng(5)
    watched, flips = rng.integers(0, 2, 2 * N), rng.random(2 * N) < 0.3
    known = {
        method: table.assign(
            watched=watched,
            watched_twin_score=table["score"],
            watched_twin_chance=np.where(flips, 1 - table["chance"], table["chance"]),
        )
        for method, table in PREDICTIONS.items()
    }
    made = measure_group(
        known, MAPS, EXPLAINED, ROI, resolve(), original="vanilla", scale="max", seed=3,
        replicates=60, progress=quiet,
    )["cell_metrics"]  # fmt: skip
    own = made["metric"].str.startswith("watched_")
    before = TABLES_MADE["cell_metrics"]
    pd.testing.assert_frame_equal(made[~own].reset_index(drop=True), before)
    for method, table in known.items():
        test = table[table["role"] == "test"]
        rate = test.groupby(["target", "watched"])["decision"].mean()
        gaps = [abs(rate[t].diff().iloc[-1]) for t in (0, 1) if len(rate[t]) == 2]
        of_method = made[own & (made["method"] == method)].set_index("metric")["value"]
        assert of_method["watched_flip_rate"] == flips[:N].mean()
        assert of_method["watched_equalized_odds"] == pytest.approx(max(gaps))
        assert set(of_method.index) == {"watched_flip_rate", "watched_equalized_odds"}


def test_vanilla_against_itself_is_exactly_zero() -> None:
    for explainer in ("lrp", "ig"):
        for metric in ("adr", "dif"):
            row = cell("vanilla", metric, explainer)
            assert row["value"] == row["ci_low"] == row["ci_high"] == 0
            assert row["n"] == N
        assert cell("vanilla", "rddt", explainer)["value"] == 0


def test_a_method_that_only_decides_has_vanillas_numbers_exactly() -> None:
    for name in ("image_metrics", "cell_metrics", "tests"):
        table = TABLES_MADE[name]
        table = table[table["explainer"].notna()]
        a, b, c = (
            table[table["method"] == m].drop(columns="method").reset_index(drop=True)
            for m in EXPLAINED
        )
        pd.testing.assert_frame_equal(a, b)
        assert not a.equals(c)


def test_image_metrics_by_hand() -> None:
    """adr and rrf of the published scale, pixel by pixel: ROI rows 3-5, columns 2-5."""
    images = TABLES_MADE["image_metrics"]
    for e, explainer in enumerate(("lrp", "ig")):
        for n in (0, 5, 23):
            sums, means = {}, {}
            for model, (one,) in MAPS.items():
                p = np.abs(one.maps[e, n].astype(float))
                p = p / p.max() / 2
                inside = [p[y, x] for y in (3, 4, 5) for x in (2, 3, 4, 5)]
                sums[model], means[model] = sum(inside) / p.sum(), sum(inside) / 12
            got = images[
                (images["method"] == "tuned")
                & (images["explainer"] == explainer)
                & (images["image_id"] == f"i{n}")
            ].set_index("metric")["value"]
            assert got["rrf"] == pytest.approx(sums["tuned"], rel=1e-5)
            assert got["adr"] == pytest.approx(means["vanilla"] - means["tuned"], abs=1e-6)


def test_cells_are_means_of_their_images() -> None:
    images = TABLES_MADE["image_metrics"]
    mine = images[(images["method"] == "tuned") & (images["explainer"] == "ig")]
    for metric in ("rrf", "adr", "dif"):
        row = cell("tuned", metric, "ig")
        values = mine[mine["metric"] == metric]["value"]
        assert row["value"] == pytest.approx(values.mean())
        assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_predictions_are_measured_on_the_test_images() -> None:
    for method, table in PREDICTIONS.items():
        test = table[table["role"] == "test"]
        right = (test["decision"] == test["target"]).mean()
        assert cell(method, "accuracy")["value"] == pytest.approx(right)
        flipped = (test["decision"] != test["twin_decision"]).mean()
        assert cell(method, "twin_flip_rate")["value"] == pytest.approx(flipped)
        assert cell(method, "accuracy")["n"] == N


def test_self_checks_are_medians_where_there_is_one() -> None:
    row = cell("vanilla", "conservation_error", "lrp")
    assert row["value"] == pytest.approx(0.25 + 0.01 * 11.5)
    assert cell("tuned", "conservation_error", "lrp")["value"] == pytest.approx(0.5 + 0.01 * 11.5)
    metrics = TABLES_MADE["cell_metrics"]
    assert not metrics[metrics["explainer"] == "ig"]["metric"].str.endswith("_error").any()


def test_tests_name_their_reference() -> None:
    tests = TABLES_MADE["tests"]
    assert set(tests["test"]) == {"rddt", "det"}
    assert (tests["reference"].fillna("none") == "vanilla").equals(tests["test"] == "rddt")
    assert len(tests) == len(EXPLAINED) * 2 * 2


def test_measures_fit_the_schemas_and_repeat() -> None:
    again, other = measured(), measured(seed=4)
    for name, table in TABLES_MADE.items():
        assert conform(table, TABLES[name]).num_rows == len(table)
        pd.testing.assert_frame_equal(table, again[name])
    pd.testing.assert_frame_equal(TABLES_MADE["image_metrics"], other["image_metrics"])
    assert not TABLES_MADE["cell_metrics"].equals(other["cell_metrics"])


def test_a_mask_that_is_the_rectangle_measures_the_same() -> None:
    masks = np.zeros((N, *SIZE), bool)
    masks[:, 3:6, 2:6] = True
    got = measured(roi=masks)["image_metrics"]
    np.testing.assert_allclose(
        got["value"], TABLES_MADE["image_metrics"]["value"], rtol=1e-4, atol=1e-6
    )


def test_without_a_normal_model_its_metrics_are_missing_and_nothing_else_is() -> None:
    cells, images = TABLES_MADE["cell_metrics"], TABLES_MADE["image_metrics"]
    for metric in ("fam", "ccm"):
        rows = cells[cells["metric"] == metric]
        assert len(rows) == len(EXPLAINED) * 2
        assert rows["value"].isna().all()
        assert (rows["n"] == 0).all()
        assert images.loc[images["metric"] == metric, "value"].isna().all()
    assert cell("tuned", "top_fraction", "lrp")["n"] == N
    assert cell("tuned", "k_ssd", "lrp")["n"] == PROTECTED.sum()


def shuffled(one: MapSet, drop: int) -> MapSet:
    """The same maps in another order, without the last `drop` of them."""
    order = np.random.default_rng(7).permutation(N)[drop:]
    rows = [one.index.iloc[e * N + order] for e in range(2)]
    return MapSet(one.maps[:, order], pd.concat(rows, ignore_index=True))


def test_the_normal_models_images_are_matched_by_their_id() -> None:
    normal = shuffled(make_maps(5), 5)
    got = measured(normal=[normal])["image_metrics"]
    assert not got["metric"].isna().any()
    tuned = got[(got["method"] == "tuned") & (got["explainer"] == "ig")]
    wide = tuned.pivot(index="image_id", columns="metric", values="value")
    ids = normal.index["image_id"].iloc[: N - 5].tolist()
    for n in range(N):
        a, b = (np.abs(m.maps[1, n]) for m in (MAPS["tuned"][0], make_maps(5)))
        value = structural_similarity(a / a.max(), b / b.max(), win_size=5, data_range=1)
        shown, other = ("fam", "ccm") if PROTECTED[n] == 1 else ("ccm", "fam")
        assert np.isnan(wide.loc[f"i{n}", other])
        if f"i{n}" in ids:
            assert wide.loc[f"i{n}", shown] == pytest.approx(value, abs=1e-6)
        else:
            assert np.isnan(wide.loc[f"i{n}", shown])


def test_vanilla_at_level_0_is_the_normal_model() -> None:
    cells = measured(normal=MAPS["vanilla"])["cell_metrics"]
    alike = cells[cells["metric"].isin(["fam", "ccm"])].pivot(
        index=["explainer", "metric"], columns="method", values="value"
    )
    assert (alike[["vanilla", "thropt"]] == 1).all(axis=None)
    assert (alike["tuned"] < 0.9).all()


def test_other_normal_models_have_no_maps_of_an_explainer() -> None:
    other = make_maps(5)
    other.index["explainer"] = other.index["explainer"].replace("ig", "gradient")
    cells = measured(normal=[other])["cell_metrics"]
    missing = (
        cells[cells["metric"] == "fam"]
        .groupby("explainer")["value"]
        .apply(lambda v: v.isna().all())
    )
    assert missing.to_dict() == {"ig": True, "lrp": False}


def test_a_model_is_measured_once_for_all_methods_that_have_its_maps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return located_metrics(*args, **kwargs)

    monkeypatch.setattr(measures, "located_metrics", counted)
    measured()
    assert len(calls) == 2 * 2  # models x explainers


IMAGES = np.random.default_rng(9).integers(0, 256, (N, *SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["rectangle", "masks"])
def test_mean_maps_against_loops(kind: str) -> None:
    masks = np.random.default_rng(8).random((N, *SIZE)) < 0.5
    got = mean_maps(
        MAPS, EXPLAINED, IMAGES, ROI if kind == "rectangle" else masks, original="vanilla"
    )
    assert CELLS == ((0, 0), (1, 0), (0, 1), (1, 1))
    assert got["n"].tolist() == [6, 6, 6, 6]
    for i, (protected, target) in enumerate(CELLS):
        members = [n for n in range(N) if TARGET[n] == target and PROTECTED[n] == protected]
        picture = sum(IMAGES[N - 1 - n].astype(float) for n in members) / len(members)
        assert np.abs(got["image"][i] - picture).max() <= 0.5
        for method, model in EXPLAINED.items():
            for e, explainer in enumerate(("lrp", "ig")):
                maps = MAPS[model][0].maps[e]
                mean = sum(maps[n] / np.abs(maps[n]).max() for n in members) / len(members)
                np.testing.assert_allclose(got[f"map/{explainer}/{method}"][i], mean, atol=1e-6)
    roi = np.zeros(SIZE)
    roi[3:6, 2:6] = 1
    np.testing.assert_allclose(got["roi"], roi if kind == "rectangle" else masks.mean(0), atol=1e-6)
    assert got["image"].dtype == np.uint8


def test_mean_maps_of_an_empty_cell_and_of_zero_maps() -> None:
    one = make_maps(1)
    one.maps[:, 0] = 0
    one.index["protected"] = 0
    got = mean_maps({"vanilla": [one]}, {"vanilla": "vanilla"}, IMAGES, ROI, original="vanilla")
    assert got["n"].tolist() == [12, 0, 12, 0]
    assert (got["image"][1] == 255).all()
    assert np.isnan(got["map/lrp/vanilla"][[1, 3]]).all()
    assert np.isfinite(got["map/lrp/vanilla"][[0, 2]]).all()


def test_maps_are_opened_without_being_read(tmp_path: Path) -> None:
    one = make_maps(1)
    write_array(one.maps, tmp_path / "maps.npy")
    one.index.to_parquet(tmp_path / "maps.parquet")
    opened = MapSet.open(tmp_path / "maps.npy", tmp_path / "maps.parquet")
    assert isinstance(opened.maps, np.memmap)
    for e, (name, maps, rows) in enumerate(opened.explainers()):
        assert name == ("lrp", "ig")[e]
        assert np.array_equal(maps, one.maps[e])
        assert rows["image_id"].tolist() == [f"i{n}" for n in range(N)]
        assert (rows["explainer"] == name).all()


def test_mean_maps_taken_one_by_one_are_those_of_all_at_once() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(101, 9, 7)).astype(np.float32)
    maps[3] = 0
    cell = rng.integers(0, 3, len(maps))
    members = [cell == k for k in range(4)]  # the last is empty
    means = _mean_map(maps, members)
    for mean, member in zip(means[:3], members, strict=False):
        peak = np.abs(maps[member]).max(axis=(1, 2), keepdims=True)
        expected = (maps[member] / np.where(peak > 0, peak, 1)).mean(axis=0)
        np.testing.assert_array_equal(mean, expected)
    assert np.isnan(means[3]).all()


def test_mean_images_are_the_same_in_parts() -> None:
    images = np.random.default_rng(0).integers(0, 256, (150, 5, 4, 3), np.uint8)
    rows = np.arange(149)
    np.testing.assert_array_equal(_mean_image(images, rows), images[rows].mean(axis=0).round())
