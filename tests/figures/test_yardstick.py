"""The yardstick over tasks, across datasets and after debiasing, from made-up tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from drawing import texts
from rightreasons.figures._ranked import interval
from rightreasons.tables.yardstick_transfer import halved
from watermark import TASKS
from watermark_drawn import drawn, of_tasks, of_yardstick


def test_every_task_has_a_column_and_the_mean_is_the_last() -> None:
    axes, tables = drawn("yardstick_tasks").axes[0], of_tasks()
    values = np.asarray(axes.images[0].get_array())
    ranked = tables["yardstick"].dropna(subset=["rank"]).sort_values("rank")
    rows = ranked.iloc[[*range(20), *range(len(ranked) - 5, len(ranked))]]
    np.testing.assert_allclose(values[:, -1], rows["within"])
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == [*(task for d in sorted(TASKS) for task in TASKS[d]), "mean"]
    tasks = tables["yardstick_tasks"]
    tasks = tasks[(tasks["truth"] == "flips") & (tasks["shown"] == "with")]
    for column, task in enumerate(names[:-1]):
        own = tasks[tasks["task"] == task].set_index(["explainer", "metric"])["estimate"]
        keys = zip(rows["explainer"], rows["metric"], strict=True)
        np.testing.assert_allclose(values[:, column], [own[key] for key in keys])
    edges = [line.get_xdata()[0] for line in axes.lines]
    assert edges == [0.5, 2.5, 4.5]  # one task of celeba, two of faces, two of pets
    assert "From the left: celeba, faces, pets." in texts(axes.figure)


def test_every_cut_of_the_datasets_has_a_panel_with_all_pairs() -> None:
    figure, tables = drawn("yardstick_transfer"), of_tasks()
    cuts = halved(tables["yardstick_tasks"])
    assert [cut.half for cut in cuts] == [("celeba",), ("faces",), ("pets",)]
    for axes, cut in zip(figure.axes, cuts, strict=True):
        points = np.concatenate([c.get_offsets() for c in axes.collections])
        assert len(points) == len(cut.pairs) == 14 * 12
        expected = cut.pairs.sort_values("here")[["here", "there"]]
        np.testing.assert_allclose(points[points[:, 0].argsort(), 0], expected["here"])
        assert axes.get_xlabel() == cut.half[0]
        assert axes.get_ylabel() == " + ".join(cut.others)
        known = cut.pairs[~cut.pairs["explainer"].isin(["random", "edges"])]
        rho = known["here"].corr(known["there"], method="spearman")
        assert axes.get_title(loc="left") == f"ρ = {rho:.2f}"
        best = known.loc[known["here"].idxmax()]
        ring = axes.lines[-1].get_xydata()[0]
        np.testing.assert_allclose(ring, best[["here", "there"]].astype(float))


def test_with_one_dataset_its_tasks_are_cut() -> None:
    tasks = of_tasks()["yardstick_tasks"].assign(dataset="pets")
    cuts = halved(tasks)
    assert len(cuts) == 10  # two of five tasks
    assert "6 of 10 ways to cut; 4 not shown." in texts(drawn("yardstick_transfer, tasks"))
    two = halved(tasks[tasks["task"].isin(["by_hat", "by_mark"])])
    assert [(cut.half, cut.others) for cut in two] == [(("by_hat",), ("by_mark",))]


def test_debiased_models_stand_beside_all_models() -> None:
    figure, tables = drawn("yardstick_debiased"), of_tasks()
    left, right = figure.axes
    rows = tables["yardstick_debiased"].dropna(subset=["rank"]).sort_values("rank")
    rows = rows.iloc[[*range(20), *range(len(rows) - 5, len(rows))]]
    every = tables["yardstick"]
    every = every[(every["truth"] == "flips") & (every["shown"] == "with")]
    every = every.set_index(["explainer", "metric"])["within"]
    own, before = (np.asarray(marks.get_offsets())[:, 0] for marks in left.collections[1:3])
    np.testing.assert_allclose(own, rows["within"])
    keys = list(zip(rows["explainer"], rows["metric"], strict=True))
    np.testing.assert_allclose(before, [every[key] for key in keys])
    assert to_hex(left.collections[2].get_facecolor()[0]) == "#ffffff"
    guess, true, free = (np.asarray(marks.get_offsets())[:, 0] for marks in right.collections[:3])
    np.testing.assert_allclose(guess, 1 / 3)
    np.testing.assert_allclose(true, rows["true_if_made"])
    np.testing.assert_allclose(free, rows["untrue_if_not"])
    assert "ρ over 60 debiased models; its interval: other datasets." in texts(figure)


@pytest.mark.parametrize(
    ("gone", "about"),
    [((), "other datasets"), (("datasets",), "other tasks of these datasets"),
     (("datasets", "tasks"), "other seeds")],
)  # fmt: skip
def test_the_interval_is_for_the_widest_question_that_has_one(
    gone: tuple[str, ...], about: str
) -> None:
    tables = of_tasks()
    ends = itertools.product(("within", "area_within"), gone, ("low", "high"))
    lost = {"_".join(parts): np.nan for parts in ends}
    table = tables["yardstick"].assign(**lost)
    low, high, said = interval(table, "within", ("ci_low", "ci_high"))
    assert said == about
    assert table[[low, high]].notna().all().all()
    figure = of_yardstick("yardstick", {**tables, "yardstick": table})
    assert f"Intervals: {about}." in texts(figure)
