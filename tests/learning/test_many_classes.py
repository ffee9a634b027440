"""Predictions of a network with more than two outputs: what is decided, and how twins count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rightreasons.contracts.fakes import CPU
from rightreasons.core.job import Cell, Group
from rightreasons.learning.decisions import Decision, probabilities, probability
from rightreasons.learning.predictions import TaskImages, collapsed, decide, predict
from rightreasons.metrics.by_group import group_report, of_predictions
from rightreasons.metrics.compute import resolve
from rightreasons.metrics.measures import of_predictions as measured
from rightreasons.tables.rows import read_rows
from rightreasons.tables.schema import TABLES, conform
from rightreasons.tables.tabulate import predictions as tabulated

RNG = np.random.default_rng(0)
POOL = RNG.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
TWINS = POOL[:, ::-1, :, ::-1].copy()
NAMES = {"protected": ["a", "b", "c", "d"], "target": ["cat", "dog", "owl"]}


class Colours(torch.nn.Module):
    """Three logits from the mean of each colour."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 4 * inputs.mean(dim=(2, 3))


def made(twins: np.ndarray | None = TWINS) -> pd.DataFrame:
    split = pd.DataFrame(
        {
            "row": np.arange(24),
            "image_id": [f"{n}.png" for n in range(24)],
            "role": ["test"] * 20 + ["select"] * 4,
            "target": (np.arange(24) % 3).astype(np.int8),
            "protected": (np.arange(24) % 4).astype(np.int8),
        }
    )
    return predict(Colours(), TaskImages(POOL, twins, None), split, CPU)


def test_softmax_against_its_definition() -> None:
    logits = RNG.normal(0, 300, (5, 4))
    logits[0] = [1000, 1000, -1000, 0]
    for row, found in zip(logits, probabilities(logits), strict=True):
        powers = [np.exp(np.float64(x - row.max())) for x in row]
        np.testing.assert_allclose(found, np.array(powers) / sum(powers), atol=1e-15)
    two = RNG.normal(size=(6, 2))
    np.testing.assert_allclose(probabilities(two)[:, 1], probability(two), rtol=1e-14)
    assert np.isnan(probabilities(np.full((1, 3), np.nan))).all()


def test_every_class_has_its_logit_and_probability() -> None:
    table = made()
    logits = table[["logit_0", "logit_1", "logit_2"]].to_numpy(np.float64)
    scores = table[["score_0", "score_1", "score_2"]].to_numpy()
    np.testing.assert_allclose(scores, probabilities(logits))
    np.testing.assert_array_equal(table["score"], scores.max(axis=1))
    assert "twin_score_0" not in table


def test_a_twin_counts_for_the_class_that_is_decided_for_the_image() -> None:
    table = decide(made(), Decision(0.9))
    test = table[table["role"] == "test"]
    for row in test.itertuples():
        ours = np.array([row.logit_0, row.logit_1, row.logit_2], np.float64)
        twin = np.array([row.twin_logit_0, row.twin_logit_1, row.twin_logit_2], np.float64)
        assert row.decision == ours.argmax()
        assert row.twin_decision == twin.argmax()
        assert row.chance == 1
        assert row.twin_chance == (ours.argmax() == twin.argmax())
        assert row.twin_score == pytest.approx(probabilities(twin[None])[0, ours.argmax()])
    flips = measured(table, resolve(), seed=0, replicates=10, names=NAMES)["cell_metrics"]
    found = flips.set_index("metric")["value"]["twin_flip_rate"]
    assert found == pytest.approx((test["decision"] != test["twin_decision"]).mean())
    assert 0 < found < 1
    other = table[table["role"] == "select"]
    assert other[["twin_score", "twin_decision", "twin_chance"]].isna().all(axis=None)


def test_without_twins_all_of_them_is_missing() -> None:
    table = decide(made(None), Decision())
    assert table[["twin_decision", "twin_chance", "twin_score"]].isna().all(axis=None)


def test_a_model_that_always_decides_the_same_is_collapsed() -> None:
    table = decide(made(), Decision())
    assert not collapsed(table)
    assert collapsed(table.assign(decision=2))


def test_the_metrics_of_the_cell_are_those_of_a_report() -> None:
    table = decide(made(), Decision())
    test = table[table["role"] == "test"]
    found = measured(table, resolve(), seed=3, replicates=10, names=NAMES)
    scores = test[["score_0", "score_1", "score_2"]].to_numpy()
    report = group_report(
        test["target"], test["decision"], test["protected"],
        groups=NAMES["protected"], classes=NAMES["target"], scores=scores, seed=3, replicates=10,
    )  # fmt: skip
    pd.testing.assert_frame_equal(found["groups"], report.groups)
    cell = found["cell_metrics"].set_index("metric")["value"]
    for metric, value in zip(report.overall["metric"], report.overall["value"], strict=True):
        assert cell[metric] == pytest.approx(value, nan_ok=True)
    assert cell["accuracy"] == pytest.approx((test["decision"] == test["target"]).mean())
    again = of_predictions(test, NAMES["protected"], NAMES["target"], seed=3, replicates=10)
    pd.testing.assert_frame_equal(again.groups, report.groups)


def test_the_table_of_predictions_keeps_its_columns(tmp_path: Path) -> None:
    """What only more classes have stays with the model."""
    path = tmp_path / "predictions.parquet"
    decide(made(), Decision()).to_parquet(path)
    assert "logit_2" in read_rows(path).column_names
    cell = Cell(
        group=Group(dataset="d", task="t", design="as_is", level=0.0, seed=0), method="vanilla"
    )
    (part,) = tabulated("s", [cell], [path])
    stored = conform(part, TABLES["predictions"])
    assert stored.num_rows == 20
    assert stored["decision"].to_pylist() == pd.read_parquet(path)["decision"][:20].tolist()
