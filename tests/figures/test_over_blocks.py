"""The figures over tasks, levels and seeds, from made-up tables."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from drawing import misplaced, smallest, texts
from given import as_table, drawn, given

FIGURES = {
    "critical_differences": "ranks",
    "improvement": "improvement",
    "performance_profiles": "profiles",
}
NAMES = (
    "vanilla",
    "finetune",
    "random_decision",
    *(f"a_method_with_a_name_{i}" for i in range(17)),
)
BLUE, ORANGE = "#0072b2", "#d55e00"


def ranks(methods: int = 20, *, tested: bool = True) -> pd.DataFrame:
    """Return two metrics of methods that lie close together in pairs, the best first."""
    rows = []
    for metric in ("equalized_odds", "accuracy"):
        for i, name in enumerate(NAMES[:methods]):
            rank = 1 + (methods - 1) * (i // 2) / (methods // 2) + 0.02 * (i % 2)
            row = {"metric": metric, "method": name, "noise": name == "random_decision"}
            row |= {"mean_rank": rank, "blocks": 12, "note": None if tested else "too few blocks"}
            if tested:
                row |= {"friedman_p": 0.0004, "critical_difference": 2.5}
                row |= {"nemenyi_cliques": "1" if i < 4 else "", "wilcoxon_cliques": "1 2"[: i + 1]}
            rows.append(row)
    return pd.DataFrame(rows)


def improvement(*, tested: bool = True) -> pd.DataFrame:
    rows = []
    for metric, (i, name) in itertools.product(
        ("equalized_odds", "accuracy"), enumerate(NAMES[1:])
    ):
        row = {"metric": metric, "method": name, "noise": name == "random_decision", "blocks": 12}
        row |= {"other": "vanilla", "probability": i / 19, "probability_low": max(0, i / 19 - 0.1)}
        row |= {"probability_high": min(1, i / 19 + 0.1)}
        rows.append(row | {"wilcoxon_p": 0.2 / (i + 1) if tested else None})
        rows.append({**row, "method": "vanilla", "other": name, "noise": False})
    return pd.DataFrame(rows)


def profiles(methods: int = 20) -> pd.DataFrame:
    parts = []
    tau = np.linspace(0, 1, 51)
    for metric, (i, name) in itertools.product(
        ("equalized_odds", "accuracy", "twin_flip_rate"), enumerate(NAMES[:methods])
    ):
        share = np.clip(1.2 - tau - 0.03 * i, 0, 1)
        ends = {"share_low": share - 0.05, "share_high": share + 0.05}
        parts.append(pd.DataFrame({"metric": metric, "method": name, "noise": False, "tau": tau,
                                   "share": share, **ends}))  # fmt: skip
    return pd.concat(parts)


def picture(name: str, table: pd.DataFrame) -> Figure:
    what = given(
        {FIGURES[name]: as_table(table, FIGURES[name])},
        methods=NAMES,
        explainers=("lrp",),
        task="t",
        design="phi",
        levels=(0.0, 0.9),
        kinds=dict.fromkeys(NAMES[3:], "my_own"),
    )
    return drawn(name, what)


DRAWN: dict[str, Any] = {
    "critical_differences": lambda: ranks(),
    "critical_differences, three": lambda: ranks(3),
    "critical_differences, no tests": lambda: ranks(6, tested=False),
    "critical_differences, nothing": lambda: ranks().iloc[:0],
    "improvement": lambda: improvement(),
    "improvement, no tests": lambda: improvement(tested=False),
    "improvement, nothing": lambda: improvement().iloc[:0],
    "performance_profiles": lambda: profiles(),
    "performance_profiles, nothing": lambda: profiles().iloc[:0],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_fits_the_page_and_is_legible(name: str) -> None:
    figure = picture(name.split(",")[0], DRAWN[name]())
    assert figure.get_figwidth() <= 7.01
    assert figure.get_figheight() <= 9.5
    assert misplaced(figure) == []
    assert smallest(figure) >= 7
    assert ("nothing" in name) == ("no " in texts(figure) and len(figure.axes) == 1)


def test_twenty_names_do_not_overlap_and_stand_on_the_page() -> None:
    figure = picture("critical_differences", ranks())
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = {t.get_text(): t.get_window_extent() for t in axes.texts}
        assert sum("  " in text for text in boxes) == 20 + 1  # and the critical difference
        assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes.values())
        pairs = itertools.combinations(boxes.values(), 2)
        assert not any(a.padded(-1).overlaps(b.padded(-1)) for a, b in pairs)


def bars(axes: Axes, color: str) -> list[tuple[float, float]]:
    """Return from where to where the thick lines of a colour reach."""
    thick = [
        li for li in axes.lines if li.get_linewidth() == 2.5 and to_hex(li.get_color()) == color
    ]
    return [(min(x), max(x)) for x in (np.asarray(li.get_xdata(), float) for li in thick)]


def test_a_bar_reaches_over_the_mean_ranks_of_each_group() -> None:
    table = ranks()
    axes = picture("critical_differences", table).axes[0]
    rank = table.loc[table["metric"] == "equalized_odds", "mean_rank"].to_numpy()
    for color, groups in ((BLUE, [rank[:4]]), (ORANGE, [rank, rank[2:]])):
        found = bars(axes, color)
        assert len(found) == len(groups)
        for (low, high), members in zip(found, groups, strict=True):
            assert low < members.min() < members.max() < high
            assert (high - low) - np.ptp(members) < 0.6
    words = texts(axes)
    assert "CD = 2.50" in words
    assert "12 blocks, Friedman p < 0.001" in words
    bold = [t.get_text() for t in axes.texts if t.get_fontweight() == "bold"]
    assert bold == ["vanilla  1.00 "]


def test_without_tests_there_are_no_bars_and_the_reason_is_said() -> None:
    figure = picture("critical_differences", ranks(6, tested=False))
    assert not any(bars(axes, color) for axes in figure.axes for color in (BLUE, ORANGE))
    assert "Equalized odds, Accuracy: too few blocks." in texts(figure)
    assert not figure.legends


def test_probabilities_stand_at_their_methods_and_significant_ones_are_filled() -> None:
    table = improvement()
    figure = picture("improvement", table)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == list(NAMES[1:])
    rows = table.query("metric == 'equalized_odds' and other == 'vanilla'").set_index("method")
    dots = [li for li in figure.axes[0].lines if li.get_marker() == "o"]
    assert len(dots) == len(rows)
    for dot in dots:
        row = rows.loc[names[int(dot.get_ydata()[0])]]
        assert dot.get_xdata()[0] == row["probability"]
        assert (dot.get_markerfacecolor() != "white") == (row["wilcoxon_p"] < 0.05)
    assert "12 blocks are too few for p < 0.05 among 20 methods" in texts(figure)


def test_a_profile_is_its_line_within_its_band() -> None:
    table = profiles(3)
    figure = picture("performance_profiles", table)
    assert [a.get_title(loc="left") for a in figure.axes] == [
        "Equalized odds",
        "Twin flip rate",
        "Accuracy",
    ]
    axes = figure.axes[0]
    for line, band, name in zip(axes.lines, axes.collections, NAMES[:3], strict=True):
        rows = table.query(f"metric == 'equalized_odds' and method == '{name}'")
        assert np.allclose(line.get_ydata(), rows["share"])
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(rows["share_low"].min())
        assert heights.max() == pytest.approx(rows["share_high"].max())
