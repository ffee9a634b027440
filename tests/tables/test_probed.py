"""The table of probes: means over images, and differences to the best control in pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.job import Cell, Chosen, Group
from rightreasons.tables.probed import best_control, probes
from rightreasons.tables.schema import TABLES, conform

GROUP = Group(dataset="faces", task="tie", design="phi", level=0.8, seed=3)
IMAGES = 12


def rows(explainer: str, probe: str, values: np.ndarray, control: bool = False) -> pd.DataFrame:
    ids = [f"{i:02d}" for i in range(len(values))]
    return pd.DataFrame({"image_id": ids, "value": values}).assign(
        explainer=explainer, probe=probe, control=control
    )


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two sets of one cell; the controls are in the second, which lists its images otherwise."""
    rng = np.random.default_rng(0)
    hard = 5 * rng.normal(size=IMAGES)  # what an image adds to every explainer's value
    noise = lambda: 0.1 * rng.normal(size=IMAGES)  # noqa: E731
    main = [
        rows("lrp", "flips", hard + 1 + noise()),
        rows("lrp", "left", hard + 1 + noise()),
    ]
    more = [
        rows("dice", "flips", hard + noise(), True),
        rows("edges", "flips", hard - 2 + noise(), True),
        rows("dice", "left", hard + noise(), True),
        rows("edges", "left", hard - 2 + noise(), True),
    ]
    main[0].loc[4, "value"] = np.nan
    more[0].loc[5, "value"] = np.nan
    paths = [tmp_path / "main.parquet", tmp_path / "more.parquet"]
    pd.concat(main).to_parquet(paths[0])
    pd.concat(more).iloc[::-1].to_parquet(paths[1])
    return paths


def table(files: list[Path], replicates: int = 400) -> pd.DataFrame:
    chosen = [Chosen(name="flips", kind="pixel_flipping"), Chosen(name="left", kind="deletion")]
    cell = Cell(group=GROUP, method="vanilla")
    [made] = probes("mine", [cell, cell], files, chosen, replicates=replicates)
    return made


def test_an_explainer_is_held_against_the_best_control_image_by_image(files: list[Path]) -> None:
    made = table(files).set_index(["probe", "explainer"])
    every = pd.concat(map(pd.read_parquet, files))
    by = {key: part.sort_values("image_id")["value"].to_numpy()
          for key, part in every.groupby(["probe", "explainer"])}  # fmt: skip
    higher, lower = made.loc["flips", "lrp"], made.loc["left", "lrp"]
    assert (higher["floor"], lower["floor"]) == ("dice", "edges")
    pairs = by["flips", "lrp"] - by["flips", "dice"]
    assert higher["above_floor"] == pytest.approx(np.nanmean(pairs))
    assert (higher["n"], higher["pairs"]) == (IMAGES - 1, IMAGES - 2)
    assert lower["above_floor"] == pytest.approx(np.mean(by["left", "edges"] - by["left", "lrp"]))
    assert lower["above_floor"] == pytest.approx(-3, abs=0.2)
    assert lower["above_high"] < -2.7  # in pairs: what images have in common does not count
    assert lower["ci_high"] - lower["ci_low"] > 2
    assert higher["value"] == pytest.approx(np.nanmean(by["flips", "lrp"]))


def test_controls_are_held_against_nothing(files: list[Path]) -> None:
    made = table(files)
    controls = made[made["control"]]
    assert set(controls["explainer"]) == {"dice", "edges"}
    assert controls[["above_floor", "above_low", "above_high"]].isna().all(axis=None)
    assert made["floor"].notna().all()


def test_the_table_repeats_has_its_key_and_fits_its_schema(files: list[Path]) -> None:
    made = table(files)
    assert conform(made, TABLES["probes"]).num_rows == len(made) == 2 * 3
    assert made["probe"].tolist() == ["flips"] * 3 + ["left"] * 3
    assert set(made["method"]) == {"vanilla"}
    assert set(made["seed"]) == {3}
    assert made["family"].unique().tolist() == ["faithfulness"]
    assert made.groupby("probe")["better"].first().to_dict() == {"flips": "higher", "left": "lower"}
    pd.testing.assert_frame_equal(made, table(files))


def test_without_a_control_that_has_a_value_there_is_no_floor() -> None:
    by_image = pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan]})
    control = pd.Series({"b": True, "a": False})
    assert best_control(by_image, control, 1) is None
    assert best_control(by_image, ~control, -1) == "a"
