"""The benchmark command at toy size, and how a ratio comes about."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.speed import measure, report
from benchmarks.speed.measure import Comparison, Seconds

ROOT = Path(__file__).parents[2]
GROUPS = {
    "pool", "input", "train", "methods", "bound", "libraries", "explainers", "families",
    "metrics", "regions",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    place = tmp_path_factory.mktemp("speed")
    out = place / "speed.parquet"
    command = [sys.executable, "-m", "benchmarks.speed", "--toy", "--repeats", "1"]
    command += ["--cores", "2", "--out", str(out), "--root", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Ratio: x times as fast" in done.stdout
    return pd.read_parquet(out)


def test_every_part_gives_rows_with_both_rates(rows: pd.DataFrame) -> None:
    assert set(rows["group"]) == GROUPS
    assert (rows[["ours", "other", "ratio"]] > 0).all(axis=None)
    assert not rows.drop(columns=["aim", "reached"]).isna().any(axis=None)
    assert rows["reached"].isna().equals(rows["aim"].isna())


#: Methods whose time is that of training (on other images, weights or losses of a line), of
#: scikit-learn, or of another method's row: they add nothing that could be written slowly.
PLAIN = {
    *("vanilla", "erm", "finetune", "balanced", "twin_augmentation", "domain_independent"),
    *("group_dro", "resampling", "reweighting", "jtt", "lff"),
    *("dfr", "inlp", "random_decision"),
    *("reactive_p_clarc", "savani_lwo"),  # as p_clarc and savani_rp
}


def test_every_method_that_computes_and_every_explainer_has_a_row(rows: pd.DataFrame) -> None:
    from rightreasons.debias import METHODS
    from rightreasons.saliency import EXPLAINERS

    told = " ".join(rows.loc[rows["group"] == "methods", "what"])
    named = {name for name in METHODS.names() if re.search(rf"\b{name}\b", told)}
    assert {*METHODS.names()} - named == PLAIN
    assert set(EXPLAINERS.names()) == set(rows.loc[rows["group"] == "explainers", "what"])


def comparison(ours: float, other: float, **more: object) -> Comparison:
    return Comparison(
        group="g",
        what="w",
        data="d",
        unit="maps",
        units=10,
        ours=lambda: Seconds(ours),
        other=lambda: Seconds(other),
        against="a",
        **more,  # type: ignore[arg-type]
    )


def test_a_speed_up_is_our_rate_over_the_others() -> None:
    found = measure.compare(comparison(2.0, 3.0, aim=1.4, other_units=5), 3, "wall")
    assert found["ours"] == pytest.approx(5)
    assert found["other"] == pytest.approx(5 / 3)
    assert found["ratio"] == pytest.approx(3)
    assert found["reached"]


@pytest.mark.parametrize(("aim", "reached"), [(0.5, False), (0.7, True)])
def test_a_cost_is_our_time_over_the_others(aim: float, reached: bool) -> None:
    found = measure.compare(comparison(2.0, 3.0, aim=aim, kind="cost"), 3, "processor")
    assert found["ratio"] == pytest.approx(2 / 3)
    assert found["reached"] is reached


def test_the_ratio_is_the_median_over_repeats_with_the_extremes() -> None:
    seconds = np.array([[1.0, 2.0], [1.0, 8.0], [2.0, 6.0]])
    found = measure.row(comparison(1, 1), seconds, "wall")
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == (3, 2, 8)
    assert found["reached"] is None


def test_both_sides_begin_in_turn() -> None:
    calls: list[str] = []

    def work(name: str) -> Seconds:
        calls.append(name)
        return Seconds(1.0)

    made = comparison(1, 1)
    made = Comparison(**{**made.__dict__, "ours": lambda: work("a"), "other": lambda: work("b")})
    measure.compare(made, 2, "wall")
    assert "".join(calls) == "ab" + "ab" + "ba"


def test_markdown_has_a_table_per_group_and_says_what_was_missed() -> None:
    missed = measure.compare(comparison(2.0, 3.0, aim=2.0), 2, "wall")
    text = report.markdown(pd.DataFrame([missed, {**missed, "group": "h"}]))
    assert text.count("| what ") == 2
    assert "x 1.50 [1.50, 1.50] | at least 2.00: no" in text


def test_an_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks.speed", "--only", "pools"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no part 'pools'; there are pool, input" in done.stderr
