"""Group metrics of many groups and classes: against loops over images, and against fairlearn."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.metrics import METRICS, takes_many
from rightreasons.metrics._groups import count_cells
from rightreasons.metrics.by_group import GroupReport, group_report, of_predictions
from rightreasons.metrics.compute import resolve
from rightreasons.metrics.group_rows import group_rows
from rightreasons.statistics.intervals import lowest_share

ROOT = Path(__file__).parents[2]
FAIRLEARN = json.loads((Path(__file__).parent / "fairlearn.json").read_text())
CASES = [name for name in FAIRLEARN if name != "fairlearn"]
nan = math.nan
EXACT = {"rel": 0, "abs": 1e-12}


def coded(case: str) -> tuple[np.ndarray, list[str]]:
    """Return the groups of a case of fairlearn's, and their names."""
    attributes = np.array(FAIRLEARN[case]["attributes"])
    sizes = attributes.max(axis=1) + 1
    code = np.ravel_multi_index(tuple(attributes), tuple(sizes))
    return code, [" & ".join(map(str, one)) for one in itertools.product(*map(range, sizes))]


def said(report: GroupReport) -> dict[str, float]:
    return dict(zip(report.overall["metric"], report.overall["value"], strict=True))


@pytest.mark.parametrize("case", CASES)
def test_the_same_as_fairlearn(case: str) -> None:
    one, (group, names) = FAIRLEARN[case], coded(case)
    report = group_report(
        one["target"], one["decision"], group, groups=names, scores=one["score"], replicates=50
    )
    found = report.groups.groupby("metric")["value"].apply(list)
    for metric, values in one["by_group"].items():
        if metric != "n":
            assert found[metric] == pytest.approx(values, **EXACT), metric
    accuracy = report.groups[report.groups["metric"] == "accuracy"]
    assert accuracy["n"].tolist() == one["by_group"]["n"]
    assert accuracy["group_name"].tolist() == names
    ours = said(report)
    for metric, value in one["overall"].items():
        assert ours[metric] == pytest.approx(value, **EXACT), metric


@pytest.mark.parametrize("case", CASES)
def test_metrics_of_cells_are_the_same_as_fairlearns(case: str) -> None:
    """What the table `cell_metrics` has, by the registered metrics."""
    one, (group, _) = FAIRLEARN[case], coded(case)
    predictions = pd.DataFrame(
        {
            "target": one["target"],
            "protected": group,
            "chance": np.array(one["decision"], float),
            "score": one["score"],
        }
    )
    rows = group_rows(resolve(), predictions=predictions, seed=0, replicates=50)
    ours = {row["metric"]: row["value"] for row in rows}
    theirs = {k: v for k, v in one["overall"].items() if k in ours}
    assert len(theirs) == 10
    for metric, value in theirs.items():
        assert ours[metric] == pytest.approx(value, **EXACT), metric
    assert ("tpr_0" in ours) == (case == "two")


@pytest.mark.parametrize("case", CASES)
def test_fairlearn_still_says_so(case: str) -> None:
    pytest.importorskip("fairlearn")
    place = ROOT / "benchmarks" / "fairlearn_numbers.py"
    spec = importlib.util.spec_from_file_location("fairlearn_numbers", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for part, numbers in module.said(FAIRLEARN[case]).items():
        for metric, value in numbers.items():
            assert FAIRLEARN[case][part][metric] == pytest.approx(value, **EXACT)


# Against loops

Image = tuple[int, int, int]  # target, group, decision


def share(right: list[bool]) -> float:
    return sum(right) / len(right) if right else nan


def spread(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return max(known) - min(known) if len(known) > 1 else nan


def quotient(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return min(known) / max(known) if len(known) > 1 and max(known) > 0 else nan


def over(summary: Any, values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return summary(known) if known else nan


def slow(data: list[Image], groups: int, classes: int) -> tuple[dict[Any, float], dict[str, float]]:
    """Every number straight from its definition, image by image."""
    judged = [1] if classes == 2 else list(range(classes))
    table: dict[Any, float] = {}
    for a in range(groups):
        mine = [(t, d) for t, g, d in data if g == a]
        table["accuracy", a, None] = share([t == d for t, d in mine])
        for c in judged:
            table["selection_rate", a, c] = share([d == c for _, d in mine])
            table["tpr", a, c] = share([d == c for t, d in mine if t == c])
            table["fpr", a, c] = share([d == c for t, d in mine if t != c])

    def rates(metric: str, c: int | None) -> list[float]:
        return [table[metric, a, c] for a in range(groups)]

    cells = [
        share([t == d for t, g, d in data if (t, g) == cell])
        for cell in itertools.product(range(classes), range(groups))
    ]
    tpr, fpr = ([spread(rates(m, c)) for c in judged] for m in ("tpr", "fpr"))
    ratios = [(quotient(rates("tpr", c)), quotient(rates("fpr", c))) for c in judged]
    both = list(zip(tpr, fpr, strict=True))
    odds = [nan if any(map(math.isnan, pair)) else max(pair) for pair in both]
    mean = [sum(pair) / 2 for pair in both]
    least = [nan if any(map(math.isnan, pair)) else min(pair) for pair in ratios]
    return table, {
        "accuracy": share([t == d for t, _, d in data]),
        "lowest_group_accuracy": over(min, rates("accuracy", None)),
        "worst_group_accuracy": over(min, cells),
        "cell_balanced_accuracy": over(lambda known: sum(known) / len(known), cells),
        "collapsed_prediction": float(
            20 * (len(data) - max(sum(d == c for _, _, d in data) for c in range(classes)))
            < len(data)
        ),
        "accuracy_gap": spread(rates("accuracy", None)),
        "demographic_parity_difference": over(
            max, [spread(rates("selection_rate", c)) for c in judged]
        ),
        "demographic_parity_ratio": over(
            min, [quotient(rates("selection_rate", c)) for c in judged]
        ),
        "equal_opportunity_difference": over(max, tpr),
        "equal_opportunity_ratio": over(min, [one for one, _ in ratios]),
        "equalized_odds": over(max, odds),
        "equalized_odds_ratio": over(min, least),
        "average_abs_odds_difference": over(max, mean),
        "empty_cells": float(sum(map(math.isnan, cells))),
    }


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Image], int, int]:
    groups, classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    code = st.integers(0, classes - 1)
    image = st.tuples(code, st.integers(0, groups - 1), code)
    return draw(st.lists(image, min_size=1, max_size=40)), groups, classes


@given(problems())
@settings(max_examples=120, deadline=None)
def test_every_number_against_loops(problem: tuple[list[Image], int, int]) -> None:
    data, groups, classes = problem
    target, group, decision = np.array(data).T
    names, of_class = [f"g{a}" for a in range(groups)], [f"c{c}" for c in range(classes)]
    report = group_report(
        target, decision, group, groups=names, classes=of_class, seed=1, replicates=2
    )
    table, overall = slow(data, groups, classes)
    found = {}
    for row in report.groups.itertuples():
        one = row[3]
        c = None if row.metric == "accuracy" else 1 if classes == 2 else of_class.index(one)
        found[row.metric, row.group_code, c] = row.value
        assert (row.n == 0) == math.isnan(row.value)
        assert row.ci_low <= row.value <= row.ci_high or math.isnan(row.value)
    assert found == pytest.approx(table, nan_ok=True)
    assert said(report) == pytest.approx(overall, nan_ok=True)


@given(problems())
@settings(max_examples=80, deadline=None)
def test_registered_metrics_of_many_groups_are_these(problem: tuple[list[Image], int, int]) -> None:
    """The table `cell_metrics` and a report never say different things under one name."""
    data, groups, _ = problem
    data = [(min(t, 1), g, min(d, 1)) for t, g, d in data]
    target, group, decision = np.array([*data, (0, groups + 1, 0)]).T  # three groups or more
    report = group_report(target, decision, group, groups=[*"abcdefg"[: groups + 2]], replicates=2)
    counts = count_cells(target, group, decision)
    ours = said(report)
    shared = [m for m in METRICS if m.traits["many_groups"] and m.name in ours]
    assert len(shared) == 14
    for metric in shared:
        value = float(metric.run(counts, metric.params()))
        assert value == pytest.approx(ours[metric.name], nan_ok=True), metric.name


def test_cell_balanced_accuracy_is_the_mean_of_the_cells_that_are_there() -> None:
    data = [(0, 0, 0), (0, 0, 1), (1, 0, 1), (0, 1, 0), (1, 2, 0), (0, 2, 0)]
    target, group, decision = np.array(data).T
    metric = METRICS["cell_balanced_accuracy"]
    value = metric.run(count_cells(target, group, decision), metric.params())
    assert float(value) == pytest.approx((0.5 + 1 + 1 + 0 + 1) / 5)


def test_every_metric_of_two_groups_only_says_so() -> None:
    two = {m.name for m in METRICS if m.traits["kind"] == "group" and not takes_many(m)}
    assert two == {
        *("accuracy_0", "accuracy_1", "tpr_0", "tpr_1", "fpr_0", "fpr_1"),
        *("average_odds_difference", "equalized_odds_unbiased", "watched_equalized_odds"),
    }


# What must not matter, and edges


def random_data(n: int = 300, groups: int = 4, classes: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    target, group = rng.integers(0, classes, n), rng.integers(0, groups, n)
    scores = rng.dirichlet(np.ones(classes), n) + 0.5 * np.eye(classes)[target]
    scores /= scores.sum(axis=1, keepdims=True)
    return target, scores.argmax(axis=1), group, scores


def test_names_and_order_of_groups_and_classes_do_not_matter() -> None:
    target, decision, group, scores = random_data()
    first = group_report(
        target, decision, group, groups="abcd", classes="xyz", scores=scores, replicates=20
    )
    turned = np.array([2, 0, 1])
    again = group_report(
        turned[target],
        turned[decision],
        3 - group,
        groups="dcba",
        classes="yzx",
        scores=scores[:, np.argsort(turned)],
        replicates=20,
    )
    key = ["group_name", "class_name", "metric"]
    ours, theirs = (
        one.groups.set_index(key).sort_index()[["value", "n"]] for one in (first, again)
    )
    pd.testing.assert_frame_equal(ours, theirs)
    assert said(first) == pytest.approx(said(again))


def test_a_group_without_images_is_missing_and_changes_nothing_else() -> None:
    target, decision, group, scores = random_data()
    few = group_report(target, decision, group, groups="abcd", classes="xyz", replicates=5)
    more = group_report(
        target, decision, group, groups="abcde", classes="xyz", scores=scores, replicates=5
    )
    empty = more.groups[more.groups["group_name"] == "e"]
    assert len(empty) == 1 + 4 * 3
    assert (empty["n"] == 0).all()
    assert empty[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    same = {k: v for k, v in said(more).items() if k not in ("empty_cells", "auroc_gap")}
    assert same == {k: v for k, v in said(few).items() if k != "empty_cells"}
    assert said(more)["empty_cells"] == 3


def test_a_lottery_counts_by_its_expectation() -> None:
    """Rates are the means over all draws, each weighted by its probability."""
    target, group = np.array([1, 0, 1, 1]), np.array([0, 0, 1, 2])
    chance = np.array([0.25, 0.5, 1.0, 0.1])
    found = group_report(target, chance, group, groups="abc", replicates=5).groups
    means: dict[int, float] = dict.fromkeys(range(len(found)), 0.0)
    for drawn in itertools.product((0, 1), repeat=4):
        weight = np.prod(np.where(drawn, chance, 1 - chance))
        one = group_report(target, np.array(drawn), group, groups="abc", replicates=5).groups
        for place, value in enumerate(one["value"]):
            means[place] += weight * value
    assert list(means.values()) == pytest.approx(found["value"].tolist(), nan_ok=True)


def test_intervals_are_those_of_images_drawn_anew() -> None:
    """Against a bootstrap that draws image by image within target and group."""
    target, decision, group, scores = random_data(n=240, groups=3, classes=2)
    asked: dict[str, Any] = {"groups": "abc", "scores": scores}
    report = group_report(target, decision, group, replicates=2000, **asked)
    rng = np.random.default_rng(0)
    strata = [np.flatnonzero((target == t) & (group == a)) for t in (0, 1) for a in range(3)]
    drawn: dict[str, list[float]] = {}
    for _ in range(200):
        rows = np.concatenate([rng.choice(one, len(one)) for one in strata])
        again = group_report(
            target[rows], decision[rows], group[rows], groups="abc", scores=scores[rows],
            replicates=1,
        )  # fmt: skip
        for metric, value in said(again).items():
            drawn.setdefault(metric, []).append(value)
    for row in report.overall.itertuples():
        if row.metric in ("lowest_group_accuracy", "worst_group_accuracy"):
            continue  # score intervals
        low, high = np.quantile(drawn[row.metric], [0.025, 0.975])
        assert row.ci_low == pytest.approx(low, abs=0.03), row.metric
        assert row.ci_high == pytest.approx(high, abs=0.03), row.metric


def test_the_interval_of_the_lowest_accuracy_is_that_of_its_shares() -> None:
    """As the table `cell_metrics` has it: candidates that a score test does not refuse."""
    target, decision, group, scores = random_data(n=240, groups=3, classes=2)
    report = group_report(target, decision, group, groups="abcd", replicates=5)
    table = pd.DataFrame({"target": target, "protected": group, "chance": decision})
    rows = group_rows(resolve(), predictions=table.assign(score=scores[:, 1]), seed=0, replicates=5)
    theirs = pd.DataFrame(rows).set_index("metric")
    ours = report.overall.set_index("metric")
    right = [(target == decision)[group == a] for a in range(3)]
    low, high = lowest_share(np.array([r.sum() for r in right]), np.array([len(r) for r in right]))
    assert ours.loc["lowest_group_accuracy", "ci_low"] == pytest.approx(float(low))
    assert ours.loc["lowest_group_accuracy", "ci_high"] == pytest.approx(float(high))
    for metric in ("lowest_group_accuracy", "worst_group_accuracy"):
        ends = ["value", "ci_low", "ci_high"]
        assert ours.loc[metric, ends].tolist() == pytest.approx(theirs.loc[metric, ends].tolist())


@pytest.mark.parametrize("classes", [2, 3])
def test_predictions_of_a_study_are_read_as_they_are_stored(classes: int) -> None:
    target, decision, group, scores = random_data(classes=classes)
    columns = {f"score_{c}": scores[:, c] for c in range(classes)}
    table = pd.DataFrame({"target": target, "protected": group, "decision": decision, **columns})
    table["chance"], table["score"] = decision.astype(float), scores[:, 1]
    names = {"groups": "abcd", "classes": "xyz"[:classes], "replicates": 5}
    ours = of_predictions(table, **names)
    theirs = group_report(target, decision, group, scores=scores, **names)
    pd.testing.assert_frame_equal(ours.groups, theirs.groups)
    pd.testing.assert_frame_equal(ours.overall, theirs.overall)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"target": [0, 2]}, "target must be numbers from 0 to 1, one per image, not 2"),
        ({"group": [0, 5]}, "group must be numbers from 0 to 2"),
        ({"group": [0, -1]}, "not -1"),
        ({"group": [0]}, "group has the shape"),
        ({"decision": [0.5, 1.5]}, r"in \[0, 1\]"),
        ({"scores": [[0.1, 0.2, 0.7]] * 2}, "scores has the shape"),
        ({"decision": [0.0]}, "decision has the shape"),
        ({"target": [0.5, 1]}, "not 0.5"),
        ({"target": [nan, 1]}, "not nan"),
    ],
)
def test_what_is_no_class_or_group_is_refused(changed: dict[str, Any], message: str) -> None:
    asked = {"target": [0, 1], "decision": [0, 1], "group": [0, 1], **changed}
    arrays = {name: asked.pop(name) for name in ("target", "decision", "group")}
    with pytest.raises(UserError, match=message):
        group_report(*arrays.values(), groups="abc", **asked)
