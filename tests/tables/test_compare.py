"""Comparing the tables of two runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.tables.compare import compare
from rightreasons.tables.schema import write_table

VALUES = [0.25, 0.5, 0.75]


def study(folder: Path, values: list[float], method: str = "vanilla") -> Path:
    """Write two tables of a study and return the study's folder."""
    metrics = pd.DataFrame({"metric": "rrf", "value": values, "method": method, "seed": 0})
    metrics["run"] = folder.name
    runtimes = pd.DataFrame({"seconds": [len(str(folder)) * 1.0], "stage": "train"})
    (folder / "tables").mkdir(parents=True)
    write_table([metrics], "cell_metrics", folder / "tables/cell_metrics.parquet")
    write_table([runtimes], "runtimes", folder / "tables/runtimes.parquet")
    return folder


def test_identical_tables_do_not_differ_and_runtimes_are_left_out(tmp_path: Path) -> None:
    found = compare(study(tmp_path / "a", VALUES), study(tmp_path / "longer", VALUES))
    assert found["table"].tolist() == ["cell_metrics"]
    assert found["differs"].tolist() == [""]
    assert found["rows"].tolist() == [3]


def test_the_last_bit_counts(tmp_path: Path) -> None:
    other = [0.25, 0.5, 0.75 + 2**-53]
    assert other != VALUES
    found = compare(study(tmp_path / "a", VALUES), study(tmp_path / "b", other))
    assert found["differs"].tolist() == ["value"]
    assert found["largest"].tolist() == [2**-53]


def test_words_rows_and_tables_that_differ_are_named(tmp_path: Path) -> None:
    a = study(tmp_path / "a", VALUES)
    assert compare(a, study(tmp_path / "b", VALUES, "zhang"))["differs"].tolist() == ["method"]
    assert compare(a, study(tmp_path / "c", VALUES[:2]))["differs"].tolist() == ["rows"]
    more = study(tmp_path / "d", VALUES)
    write_table([], "leaderboard", more / "tables/leaderboard.parquet")
    absent = a / "tables/leaderboard.parquet"
    assert compare(a, more)["differs"].tolist() == ["", f"{absent} is missing"]


def test_missing_values_are_equal_to_each_other_alone(tmp_path: Path) -> None:
    values = [0.25, float("nan"), 0.75]
    a = study(tmp_path / "a", values)
    assert compare(a, study(tmp_path / "b", values))["differs"].tolist() == [""]
    found = compare(a, study(tmp_path / "c", VALUES))
    assert found["differs"].tolist() == ["value"]
    assert found["largest"].isna().all()


def test_the_command_says_it_and_ends_with_0_or_1(tmp_path: Path) -> None:
    a, b = study(tmp_path / "a", VALUES), study(tmp_path / "b", VALUES)
    c = study(tmp_path / "c", [1.0, 2.0, 3.0])

    def said(*folders: Path) -> tuple[int, str]:
        command = [sys.executable, "-m", "rightreasons.tables.compare", *map(str, folders)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout + done.stderr).splitlines()[-1]

    assert said(a, b) == (0, "all identical")
    assert said(a, c) == (1, "different: cell_metrics")
    empty = tmp_path / "empty"
    assert said(a, empty)[1].startswith(f"error: {empty / 'tables'} holds no tables.")
    with pytest.raises(UserError, match="holds no tables"):
        compare(a, empty)
