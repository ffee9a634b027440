"""The figure of groups: who is drawn, with which numbers, and what is said of the others."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import given as made_up
from drawing import misplaced, smallest, texts
from fake_tables import METHODS, TASK, fake_groups

RACES = ("Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian")
MANY = tuple(f"{r} & {g}" for r, g in itertools.product((*RACES, "White"), ("Female", "Male")))
AGES = ("0-2", "3-9", "more than 70")


def draw(rows: pd.DataFrame, **params: Any) -> Figure:
    facts = {
        "methods": tuple(rows["method"].unique()),
        "levels": sorted(rows["level"].unique()),
        "dataset": "synthfaces",
        "explainers": ("lrp",),
        "over": ("task", "design"),
        "symbol": "φ",
    }
    return made_up.drawn("groups", made_up.given({"groups": rows}, **TASK, **facts), **params)


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


CASES = {
    "two": fake_groups(METHODS[:3]),
    "one method, many groups": fake_groups(METHODS[:1], names=MANY),
    "many": fake_groups(METHODS[:4], levels=(0.9,), names=MANY),
    "too many": fake_groups(METHODS[:1], names=tuple(f"{m} & {a}" for m in MANY for a in AGES)),
    "classes": fake_groups(METHODS[:1], names=RACES, classes=AGES),
    "three seeds": fake_groups(METHODS[:2], seeds=(0, 1, 2), levels=(0.0,)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_nothing_overlaps_or_leaves_the_page(case: str) -> None:
    figure = draw(CASES[case])
    assert misplaced(figure) == []
    assert smallest(figure) >= 7
    assert figure.get_figheight() <= 10
    assert len(figure.axes) == 5


def test_a_marker_stands_at_the_mean_over_seeds_of_the_strongest_level() -> None:
    rows = CASES["two"]
    figure = draw(rows)
    part = rows[(rows["level"] == 0.9) & (rows["method"] == "vanilla") & (rows["metric"] == "tpr")]
    wanted = part.groupby("group_code")["value"].mean().to_numpy()
    (drawn,) = (line for line in figure.axes[2].lines if line.get_marker() == "o")
    np.testing.assert_allclose(drawn.get_xdata(), wanted)
    ends = part.groupby("group_code")[["ci_low", "ci_high"]].mean().to_numpy()
    bars = [[bar[:, 0] for bar in one.get_segments()] for one in figure.axes[2].collections]
    assert any(np.allclose(one, ends) for one in bars)


def test_groups_without_images_are_named_and_have_no_marker() -> None:
    figure = draw(CASES["one method, many groups"])
    assert labels(figure)[-1] == "White & Male (0)"
    assert "1 group without a test image" in texts(figure)
    (drawn,) = (line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert drawn.get_ydata().tolist() == list(range(13))


def test_of_too_many_groups_those_with_the_least_accuracy_are_drawn() -> None:
    rows = CASES["too many"]
    figure = draw(rows, groups=10)
    own = rows[(rows["level"] == 0.9) & (rows["method"] == "vanilla")]
    own = own[own["metric"] == "accuracy"].groupby("group_name")["value"].mean()
    worst = own.nsmallest(10).index
    drawn = {label.rsplit(" (", 1)[0].rstrip("…") for label in labels(figure)}
    assert len(drawn) == 10
    assert all(any(name.startswith(one) for one in drawn) for name in worst)
    assert "10 of 42 groups" in texts(figure)


def test_of_several_classes_the_one_with_the_largest_gap_is_drawn() -> None:
    rows = CASES["classes"].copy()
    far = (rows["class_name"] == "3-9") & (rows["metric"] == "tpr") & (rows["group_code"] == 0)
    rows.loc[far, "value"] = 0.01
    figure = draw(rows)
    assert "class 3-9" in texts(figure.axes[2])
    assert "class" not in texts(figure.axes[0])
    (drawn,) = (line for line in figure.axes[2].lines if line.get_marker() == "o")
    assert drawn.get_xdata().min() == 0.01


def test_without_test_images_there_is_a_remark() -> None:
    rows = CASES["two"].assign(value=np.nan)
    assert "no group has test images" in texts(draw(rows))
