"""Tables joined group by group are those that all groups' files hold, read at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.job import Running
from rightreasons.metrics import headline
from rightreasons.stages.compare import compare
from rightreasons.stages.tabulate import tabulate
from rightreasons.stages.tabulate_reliance import tabulate_reliance
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.tables.comparisons import level_tests
from rightreasons.tables.reliance import reliance, summarised, true_reliance
from rightreasons.tables.schema import read_table
from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import scale

SHAPE = scale.Shape(tasks=1, levels=2, seeds=2, methods=3, maps=12, test=40)
KEY = ["task", "design", "level", "seed", "method"]


def silent(items: Iterable[Any], description: str) -> Iterable[Any]:
    return items


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A study whose tables were made by its jobs."""
    raw = scale.config(SHAPE, tmp_path_factory.mktemp("results"))
    found = Plan(load_config({**raw, "measure": {"replicates": 50}}))
    for group in found.grid.groups():
        scale.make((found.study, SHAPE, group))
    tables = TablePlan(found)
    made = [
        *((compare, tables.compare(*key)) for key in tables.levels()),
        (tabulate, tables.tabulate()),
        (tabulate_reliance, tables.reliance()),
    ]
    for work, job in made:
        for path in job.output.named().values():
            Path(str(path)).parent.mkdir(parents=True, exist_ok=True)
        work(job, Running(silent))
    return found


def images_of(plan: Plan) -> pd.DataFrame:
    """Return what all groups' files hold."""
    files = [plan.measure_files(group).image_metrics for group in plan.grid.groups()]
    return pd.concat(map(pd.read_parquet, files), ignore_index=True)


def predictions_of(plan: Plan) -> pd.DataFrame:
    parts = []
    for cell in plan.cells():
        table = pd.read_parquet(plan.model_files(cell.group, cell.method).predictions)
        key = {"study": plan.study.study, **cell.group.model_dump(), "method": cell.method}
        parts.append(table[table["role"] == "test"].drop(columns="role").assign(**key))
    return pd.concat(parts, ignore_index=True).astype(
        dict.fromkeys(("logit_0", "logit_1", "twin_logit_0", "twin_logit_1"), float)
    )


def table(plan: Plan, name: str) -> pd.DataFrame:
    return read_table(TablePlan(plan).files()[name])


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, by: list[str]) -> None:
    """Check that two tables have the same rows, in whatever order."""
    one, other = (
        t[list(theirs)].sort_values(by, ignore_index=True).astype(object) for t in (ours, theirs)
    )
    one, other = (t.where(t.notna(), np.nan) for t in (one, other))
    assert len(one)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, check_exact=True)


def test_numbers_of_maps_are_all_there_once(plan: Plan) -> None:
    ours = table(plan, "image_metrics")
    assert len(ours) == 4 * 3 * 2 * 21 * SHAPE.maps
    assert_same(ours, images_of(plan), [*KEY, "explainer", "metric", "image_id"])
    assert list(ours["run"].unique()) == list(table(plan, "provenance")["run"])


def test_predictions_are_those_of_the_test_images(plan: Plan) -> None:
    ours = table(plan, "predictions")
    assert len(ours) == 4 * 3 * SHAPE.test
    assert_same(ours, predictions_of(plan), [*KEY, "image_id"])


def test_comparisons_are_those_of_each_level_read_from_whole_tables(plan: Plan) -> None:
    ours = table(plan, "tests")
    predictions, images = table(plan, "predictions"), table(plan, "image_metrics")
    tables = TablePlan(plan)
    assert set(ours["level"]) == {0.0, 0.9}
    (task, design, _), level = tables.levels()[0], 0.9
    expected = level_tests(
        tables.compare(task, design, level).comparing,
        predictions[predictions["level"] == level].drop(columns="run"),
        images[
            (images["level"] == level)
            & images["metric"].isin(headline("comparisons", "image", "pair"))
        ],
    )
    expected["significant"] = expected["significant"].astype(object)
    compared = ours["test"].isin(expected["test"])
    by = ["test", "method", "reference", "metric", "explainer", "unit"]
    kept = [name for name in by if name in expected]
    assert_same(ours[compared & (ours["level"] == level)], expected, kept)
    of_maps = [pd.read_parquet(plan.measure_files(g).tests) for g in plan.grid.groups()]
    assert_same(
        ours[~compared], pd.concat(of_maps), ["level", "seed", "method", "explainer", "test"]
    )


def test_reliance_is_that_of_the_whole_tables(plan: Plan) -> None:
    images = images_of(plan)
    images["shown"] = np.where(images["protected"] == 1, "with", "without")
    by = ["study", "dataset", *KEY, "explainer", "metric", "shown"]
    grid = plan.grid
    job = TablePlan(plan).reliance()
    expected = reliance(
        table(plan, "cell_metrics"),
        summarised(images[~images["metric"].isin(["no_roi", "zero_map", "region_sign"])], by),
        true_reliance(predictions_of(plan)),
        original=grid.original,
        elsewhere=job.elsewhere,
        controls=job.controls,
    )
    ours = table(plan, "reliance")
    assert ours["called"].notna().any()
    assert_same(ours, expected, [*KEY, "explainer", "metric", "shown"])


def test_chance_is_in_no_table_of_what_maps_tell(plan: Plan, tmp_path: Path) -> None:
    """A coin has the original's maps, and its decisions say nothing of them."""
    tables, (_, coin, *_) = TablePlan(plan), plan.grid.methods(plan.grid.groups()[0].task)
    assert coin in set(table(plan, "reliance")["method"])
    job = tables.reliance()
    output = type(job.output).below(tmp_path)
    tabulate_reliance(job.model_copy(update={"output": output, "chance": (coin,)}), Running(silent))
    left = read_table(output.reliance)["method"]
    assert len(left)
    assert coin not in set(left)
    whole = tables.tabulate()
    known = whole.described[coin].model_copy(update={"noise": True})
    made = type(whole.output).below(tmp_path)
    changed = {"output": made, "described": {**whole.described, coin: known}}
    tabulate(whole.model_copy(update=changed), Running(silent))
    both = read_table(made.associations), table(plan, "associations")
    cells = [one["n"].max() for one in both]
    assert cells[0] < cells[1]
