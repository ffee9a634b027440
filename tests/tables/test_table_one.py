"""Table 1 of the data-attribution paper, from made-up cells whose numbers are known."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.tables.parameters import TableOne
from rightreasons.tables.schema import TABLES, conform, read_table, write_table
from rightreasons.tables.table_one import CELL, grid, table_one
from rightreasons.tables.table_one_text import render_text

PAPER = TableOne.registered()
KINDS, SCHEMES, NUMBERS = PAPER.kinds, PAPER.schemes, tuple(PAPER.numbers.values())

GROUP = {
    "study": "fake",
    "dataset": "celeba",
    "task": "male_by_hat",
    "design": "one_sided",
    "level": 2 / 3,
}
QUANTILES = (0.6, 0.7, 0.9)
METHODS = {
    "vanilla": {"kind": "vanilla"},
    "balanced": {"kind": "balanced"},
    "finetune": {"kind": "finetune", "epochs": 1},
    **{
        f"{kind}_{round(100 * q)}": {"kind": kind, "quantile": q, "sigma": 0.5}
        for kind, q in itertools.product(SCHEMES, QUANTILES)
    },
}


def fake_predictions(
    methods: tuple[str, ...] = tuple(METHODS), seeds: tuple[int, ...] = (0, 1, 2), n: int = 60
) -> pd.DataFrame:
    """Return predictions on n validation and n test images; each model is right at its own rate."""
    parts = []
    for (i, method), seed, (j, role) in itertools.product(
        enumerate(methods), seeds, enumerate(("debias", "test"))
    ):
        rng = np.random.default_rng([i, seed, j])
        target = np.arange(n) % 2
        right = rng.random(n) < np.where(target == 1, 0.6 + 0.01 * i, 0.9 - 0.005 * i)
        cell = {**GROUP, "seed": seed, "method": method, "role": role}
        chance = np.where(right, target, 1 - target).astype(float)
        parts.append(pd.DataFrame({**cell, "target": target.astype(np.int8), "chance": chance}))
    return pd.concat(parts, ignore_index=True)


def slow_numbers(part: pd.DataFrame) -> dict[str, float]:
    """Return the four numbers image by image."""
    right = {0: [], 1: []}
    for row in part.to_dict("records"):
        right[row["target"]].append(row["target"] == row["chance"])
    one, zero = (sum(right[c]) / len(right[c]) for c in (1, 0))
    both = right[0] + right[1]
    gap = abs(one - zero)
    return dict(zip(NUMBERS, (sum(both) / len(both), one, zero, gap), strict=True))


def cells_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return `cell_metrics` of the test images, with a metric and an explainer to be left out."""
    names = ("accuracy", "class_accuracy_1", "class_accuracy_0", "class_accuracy_gap")
    rows = []
    for key, part in predictions[predictions["role"] == "test"].groupby(CELL):
        cell = dict(zip(CELL, key, strict=True))
        for name, value in zip(names, slow_numbers(part).values(), strict=True):
            rows.append({**cell, "metric": name, "value": value, "n": len(part)})
        rows.append({**cell, "metric": "equalized_odds", "value": 0.3, "n": len(part)})
        rows.append({**cell, "metric": "rrf", "explainer": "lrp", "value": 0.3, "n": len(part)})
    return pd.DataFrame(rows)


PREDICTIONS = fake_predictions()
CELLS = cells_of(PREDICTIONS)


def grid_row(
    kind: str, quantile: float, gap: float, accuracy: float, seed: int = 0, **others: float
) -> dict:
    """Return one row of the grid with a gap and an accuracy."""
    name = kind if np.isnan(quantile) else f"{kind}_{round(100 * quantile)}"
    row = {**GROUP, "seed": seed, "method": name, "kind": kind, "quantile": quantile}
    row |= {"epochs": np.nan, "n": 100}
    numbers = {"accuracy": accuracy, "accuracy_1": accuracy - gap / 2, "gap": gap}
    return {**row, **numbers, "accuracy_0": accuracy + gap / 2, **others}


def validated(row: dict, gap: float, accuracy: float) -> dict:
    return {**row, "validation_gap": gap, "validation_accuracy": accuracy}


def chosen(table: pd.DataFrame, picked_on: str = "test") -> dict[str, float]:
    """Return each scheme's quantile."""
    of = table[(table["picked_on"] == picked_on) & (table["metric"] == "gap")]
    return dict(zip(of["kind"], of["quantile"], strict=True))


def test_the_grid_has_a_row_per_cell_of_the_papers_methods() -> None:
    found = grid(CELLS, METHODS, PAPER, [PREDICTIONS])
    assert conform(found, TABLES["data_attribution"]).num_rows == 3 * (len(METHODS) - 1)
    assert set(found["kind"]) == set(KINDS)
    assert found.loc[found["kind"].isin(["vanilla", "balanced"]), "quantile"].isna().all()
    row = found[(found["method"] == "noise_specific_70") & (found["seed"] == 1)].iloc[0]
    assert (row["kind"], row["quantile"], row["n"]) == ("noise_specific", 0.7, 60)
    for role, prefix in (("test", ""), ("debias", "validation_")):
        part = PREDICTIONS.query(
            f"role == '{role}' and method == 'noise_specific_70' and seed == 1"
        )
        for name, value in slow_numbers(part).items():
            assert row[prefix + name] == pytest.approx(value)


def test_the_grid_reads_stored_tables(tmp_path: Path) -> None:
    write_table([CELLS], "cell_metrics", tmp_path / "cells.parquet")
    stored = grid(read_table(tmp_path / "cells.parquet"), METHODS, PAPER, [PREDICTIONS])
    pd.testing.assert_frame_equal(stored, grid(CELLS, METHODS, PAPER, [PREDICTIONS]))
    write_table([stored], "data_attribution", tmp_path / "grid.parquet")
    again = table_one(read_table(tmp_path / "grid.parquet"), PAPER)
    pd.testing.assert_frame_equal(again, table_one(stored, PAPER))


def test_without_validation_images_only_the_test_images_choose() -> None:
    no_rows = PREDICTIONS[PREDICTIONS["role"] == "test"]
    for found in (grid(CELLS, METHODS, PAPER), grid(CELLS, METHODS, PAPER, [no_rows])):
        assert set(table_one(found, PAPER)["picked_on"]) == {"test"}


def test_a_validation_class_without_images_has_no_gap() -> None:
    only_men = PREDICTIONS[PREDICTIONS["target"] == 1]
    found = grid(CELLS, METHODS, PAPER, [only_men])
    assert found["validation_gap"].isna().all()
    assert found["validation_accuracy"].notna().all()


def test_a_kind_that_is_not_named_is_the_methods_name() -> None:
    found = grid(CELLS, {"vanilla": {}, "balanced": {}}, PAPER)
    assert sorted(found["kind"].unique()) == ["balanced", "vanilla"]
    assert table_one(found, PAPER).empty
    assert "empty" in render_text(table_one(found, PAPER), PAPER)


def test_a_study_without_the_papers_methods_is_refused() -> None:
    with pytest.raises(UserError, match=r"only finetune.*mask_general"):
        grid(CELLS, {"finetune": {}}, PAPER)


def test_changes_are_paired_by_seed_with_students_interval() -> None:
    table = table_one(grid(CELLS, METHODS, PAPER, [PREDICTIONS]), PAPER)
    conform(table, TABLES["table_one"])
    assert len(table) == 2 * len(SCHEMES) * len(NUMBERS)
    values = grid(CELLS, METHODS, PAPER).set_index(["method", "seed"])
    for row in table.to_dict("records"):
        ours, original = (
            values.loc[m, row["metric"]].to_numpy() for m in (row["method"], "vanilla")
        )
        change = ours - original
        half = 4.302652729911275 * change.std(ddof=1) / 3**0.5  # t(0.975, 2)
        found = [row[f"ours_change{end}"] for end in ("", "_low", "_high")]
        expected = [change.mean(), change.mean() - half, change.mean() + half]
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert row["original"] == pytest.approx(original.mean())
        even = values.loc["balanced", row["metric"]].to_numpy() - original
        assert row["balanced_change"] == pytest.approx(even.mean())
        half = 4.302652729911275 * even.std(ddof=1) / 3**0.5
        assert row["balanced_change_high"] == pytest.approx(even.mean() + half)
        assert row["balanced"] == pytest.approx(values.loc["balanced", row["metric"]].mean())
        assert row["n_seeds"] == 3


def test_the_smallest_gap_that_keeps_accuracy_is_chosen() -> None:
    rows = [
        grid_row("vanilla", np.nan, 0.3, 0.75),
        grid_row("mask_general", 0.6, 0.00, 0.50),  # as even as chance
        grid_row("mask_general", 0.7, 0.10, 0.71),
        grid_row("mask_general", 0.8, 0.15, 0.80),
        grid_row("noise_general", 0.6, 0.20, 0.55),  # all lose too much: the most accurate
        grid_row("noise_general", 0.7, 0.25, 0.65),
        grid_row("mask_specific", 0.9, 0.10, 0.72),  # equal gaps: the more accurate
        grid_row("mask_specific", 0.6, 0.10, 0.71),
        {**grid_row("noise_specific", 0.7, 0.30, 0.75), "method": "a"},
        {**grid_row("noise_specific", 0.6, 0.30, 0.75), "method": "b"},
    ]
    table = table_one(pd.DataFrame(rows), PAPER)
    assert chosen(table) == {
        "mask_general": 0.7,
        "noise_general": 0.7,
        "mask_specific": 0.9,
        "noise_specific": 0.6,
    }
    assert set(table.loc[table["best"], "kind"]) == {"mask_specific"}
    assert chosen(table_one(pd.DataFrame(rows), PAPER, tolerance=0.3))["mask_general"] == 0.6


def test_the_validation_images_choose_but_the_test_images_are_shown() -> None:
    rows = [
        validated(grid_row("vanilla", np.nan, 0.3, 0.75), 0.3, 0.75),
        validated(grid_row("mask_general", 0.6, 0.05, 0.75), 0.2, 0.75),
        validated(grid_row("mask_general", 0.7, 0.10, 0.75), 0.1, 0.75),
    ]
    table = table_one(pd.DataFrame(rows), PAPER)
    assert chosen(table) == {"mask_general": 0.6}
    assert chosen(table, "validation") == {"mask_general": 0.7}
    row = table.query("picked_on == 'validation' and metric == 'gap'").iloc[0]
    assert row["ours"] == pytest.approx(0.10)
    assert row["ours_change"] == pytest.approx(-0.20)


def test_one_seed_has_no_interval_and_a_missing_balanced_no_numbers() -> None:
    rows = [grid_row("vanilla", np.nan, 0.3, 0.75), grid_row("mask_general", 0.6, 0.1, 0.75)]
    table = table_one(pd.DataFrame(rows), PAPER)
    assert table[["ours_change_low", "ours_change_high", "original_low"]].isna().all(axis=None)
    assert table[["balanced", "balanced_change"]].isna().all(axis=None)
    assert conform(table, TABLES["table_one"]).num_rows == len(NUMBERS)
    assert "1 seed\n" in render_text(table, PAPER)


def test_a_seed_without_the_original_is_not_compared() -> None:
    rows = [
        grid_row("vanilla", np.nan, 0.3, 0.75, seed=0),
        grid_row("vanilla", np.nan, 0.2, 0.75, seed=1),
        *(grid_row("mask_general", 0.6, 0.1, 0.75, seed=s) for s in (0, 1, 2)),
        grid_row("mask_general", 0.7, 0.0, 0.75, seed=2),
    ]
    row = table_one(pd.DataFrame(rows), PAPER).query("metric == 'gap'").iloc[0]
    assert (row["quantile"], row["n_seeds"]) == (0.6, 2)
    assert row["ours_change"] == pytest.approx(-0.15)


def test_schemes_are_compared_with_the_original_of_their_epochs() -> None:
    methods = {
        "vanilla": {"epochs": None},
        "short": {"kind": "mask_general", "quantile": 1.0, "epochs": 10},
        "mask_general_60": {"kind": "mask_general", "quantile": 0.6, "epochs": 10},
        "noise_general_60": {"kind": "noise_general", "quantile": 0.6, "epochs": None},
    }
    predictions = fake_predictions(tuple(methods))
    found = grid(cells_of(predictions), methods, PAPER)
    assert set(found.loc[found["method"] == "short", "kind"]) == {"vanilla"}
    assert found.loc[found["method"] == "short", "quantile"].isna().all()
    table = table_one(found, PAPER)
    means = found.groupby("method")["gap"].mean()
    for kind, original in (("mask_general", "short"), ("noise_general", "vanilla")):
        row = table[(table["kind"] == kind) & (table["metric"] == "gap")].iloc[0]
        assert row["original"] == pytest.approx(means[original])
        assert row["quantile"] == 0.6
    lines = render_text(table, PAPER).splitlines()
    assert sum("  original   " in line and "[" in line for line in lines) == 2


def test_tasks_and_levels_are_kept_apart() -> None:
    found = grid(CELLS, METHODS, PAPER, [PREDICTIONS])
    two = pd.concat([found, found.assign(level=0.9), found.assign(task="male_by_smile")])
    table = table_one(two, PAPER)
    assert len(table) == 3 * len(table_one(found, PAPER))
    assert table.groupby(["task", "level"])["ours"].apply(tuple).nunique() == 1


def test_the_text_has_the_papers_columns_and_every_interval() -> None:
    table = table_one(grid(CELLS, METHODS, PAPER, [PREDICTIONS]), PAPER)
    text = render_text(table, PAPER, classes=("women", "men"))
    assert "quantile chosen on test images, 3 seeds" in text
    assert "quantile chosen on validation images" in text
    assert text.index("accuracy, men") < text.index("accuracy, women")
    lines = text.splitlines()
    row = next(line for line in lines if "General Mask" in line)
    of = table[(table["kind"] == "mask_general") & (table["picked_on"] == "test")]
    gap = of[of["metric"] == "gap"].iloc[0]
    assert row.split()[-3:] == [f"{gap[n]:.3f}" for n in ("original", "balanced", "ours")]
    assert f"{gap['ours_change']:+.3f} [{gap['ours_change_low']:+.3f}, " in text
    assert max(map(len, lines)) < 180
    tables = [i for i, line in enumerate(lines) if line.startswith("─")]
    assert len(tables) == 4
    assert sum("*" in line for line in lines) == 4 + 1
