"""The script that goes from tables to a figure and a statistic of one's own."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import kendalltau

import fake_tables
from rightreasons.tables.schema import write_table

SCRIPT = Path(__file__).parents[2] / "examples/tables.py"


def test_from_tables_to_a_figure_and_a_statistic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = fake_tables.fake_cells()
    board = fake_tables.fake_leaderboard(cells).assign(noise=lambda t: t["method"] == "thropt")
    (tmp_path / "tables").mkdir()
    write_table([cells], "cell_metrics", tmp_path / "tables/cell_metrics.parquet")
    write_table([board], "leaderboard", tmp_path / "tables/leaderboard.parquet")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path)])
    found = runpy.run_path(str(SCRIPT), run_name="__main__")

    plain = cells[cells["explainer"].isna()]
    values = {
        (row.level, row.seed, row.method, row.metric): row.value for row in plain.itertuples()
    }
    taus = {}
    for level in (0.5, 0.9):
        for seed in (0, 1):
            gains = []
            for method in fake_tables.METHODS:
                if method in ("vanilla", "thropt") or (method, level, seed) == (
                    fake_tables.COLLAPSED
                ):
                    continue
                pair = []
                for metric in ("equalized_odds", "twin_flip_rate"):
                    of_vanilla = values[level, seed, "vanilla", metric]
                    pair.append(of_vanilla - values[level, seed, method, metric])
                gains.append(pair)
            taus[level, seed] = kendalltau(*zip(*gains, strict=True)).statistic
    assert len(found["taus"]) == 4
    for (*_, level, seed), value in found["taus"].items():
        assert value == pytest.approx(taus[level, seed])  # no ties: tau-a is tau-b
    assert f"mean {sum(taus.values()) / 4:.2f}" in capsys.readouterr().out
    assert (tmp_path / "own/fairness_by_flips.png").stat().st_size > 10_000
    written = pd.read_csv(tmp_path / "own/fairness_by_flips.csv")
    assert set(written["method"]) == set(fake_tables.METHODS) - {"vanilla", "thropt"}
    assert len(written) == 2 * 2 * 7 - 1
