"""The figures of every study, from small made-up tables."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from drawing import misplaced, smallest, texts
from fake_tables import (
    COLLAPSED,
    METHODS,
    fake_associations,
    fake_cells,
    fake_leaderboard,
    fake_runtimes,
    fake_tests,
)
from given import roles_of
from rightreasons.figures._cells import changes, collapsed_cells, over_seeds
from rightreasons.figures._labels import better, is_flag
from rightreasons.figures._style import (
    SPARE_EXPLAINERS,
    SPARE_METHODS,
    explainer_styles,
    method_styles,
    save_figure,
)
from rightreasons.metrics import METRICS, headline
from rightreasons.tables.schema import TABLES
from study_drawn import NEEDED, STUDIES, draw, drawn, tables_of


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("name", NEEDED)
def test_every_figure_of_every_study_fits_the_page_and_is_legible(name: str, study: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = drawn(name, study)
    assert dict(matplotlib.rcParams) == before
    assert figure.get_figwidth() <= 7.01
    assert misplaced(figure) == []
    assert smallest(figure) >= 7


def test_no_panel_is_empty() -> None:
    for name, study in itertools.product(NEEDED, STUDIES):
        for axes in drawn(name, study).axes:
            shown = [*axes.lines, *axes.collections, *axes.images, *axes.patches]
            assert shown or axes.get_legend() or texts(axes).startswith("no "), (name, study)


def saved(figure: Figure, folder: Path) -> dict[str, bytes]:
    """Return the bytes of a figure's files by format."""
    files = {name: folder / f"f.{name}" for name in ("png", "svg")}
    save_figure(figure, files)
    return {name: path.read_bytes() for name, path in files.items()}


def test_saved_files_are_the_same_every_time_and_leave_no_scratch(tmp_path: Path) -> None:
    first = saved(drawn("runtimes", "full"), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.png", "f.svg"]
    assert saved(drawn("runtimes", "full"), tmp_path) == first
    assert first["png"][:4] == b"\x89PNG"
    assert b"<dc:date>" not in first["svg"]


@pytest.mark.parametrize(
    "own", [{"text.usetex": True}, {"font.size": 30, "axes.grid": True}, {"savefig.bbox": "tight"}]
)
def test_settings_of_the_users_change_no_figure(own: dict[str, Any], tmp_path: Path) -> None:
    """As a matplotlibrc in the home or the working folder would set them."""
    before = saved(drawn("runtimes", "one"), tmp_path)
    with matplotlib.rc_context(own):
        drawn.cache_clear()
        assert saved(drawn("runtimes", "one"), tmp_path) == before
        assert matplotlib.rcParams[next(iter(own))] == next(iter(own.values()))
    drawn.cache_clear()


def test_a_failing_write_leaves_nothing_behind(tmp_path: Path) -> None:
    files = {"png": tmp_path / "f.png", "svg": tmp_path / "absent" / "f.svg"}
    with pytest.raises(FileNotFoundError):
        save_figure(drawn("runtimes", "one"), files)
    assert not list(tmp_path.glob("*f.png*"))


def test_styles_are_distinct_and_do_not_depend_on_the_study() -> None:
    many = [*METHODS, *(f"own_{i}" for i in range(len(SPARE_METHODS)))]
    styles = method_styles(reversed(many), roles_of(many, ()))
    assert len(set(styles.values())) == len(many)
    assert list(styles) == many
    few = method_styles(["zhang", "vanilla"], roles_of(("vanilla", "zhang"), ()))
    assert few["zhang"] == styles["zhang"]
    assert list(few) == ["vanilla", "zhang"]
    assert styles["vanilla"].color == "#000000"


def test_the_first_of_a_kind_has_its_style_whatever_it_is_called() -> None:
    roles = roles_of(("vanilla", "tuned", "tuned_twice"), (), tuned="zhang", tuned_twice="zhang")
    styles = method_styles(roles.methods, roles)
    assert styles["tuned"] == method_styles(["zhang"], roles_of(("zhang",), ()))["zhang"]
    assert styles["tuned_twice"] in SPARE_METHODS


def test_explainers_styles_differ_up_to_sixteen() -> None:
    others = [f"own_{i}" for i in range(len(SPARE_EXPLAINERS))]
    names = [*others, "random", "edges"]
    styles = explainer_styles(names, roles_of(("vanilla",), names))
    assert len(set(styles.values())) == 16
    assert list(styles) == names
    assert {styles["random"].color, styles["edges"].color} == {"#000000", "#666666"}


def test_mean_and_student_interval_over_three_seeds() -> None:
    rows = pd.DataFrame({"level": 0.5, "method": "zhang", "value": [0.1, 0.2, 0.6, np.nan]})
    row = over_seeds(rows).iloc[0]
    half = 4.302652729911275 * 0.2645751311064591 / 3**0.5  # t(0.975, 2) sd / sqrt(3)
    np.testing.assert_allclose(
        [row["mean"], row["low"], row["high"]], [0.3, 0.3 - half, 0.3 + half]
    )
    assert row["seeds"] == 3


def test_two_seeds_show_the_mean_of_their_own_intervals() -> None:
    rows = pd.DataFrame(
        {"level": 0.5, "method": "zhang", "value": [0.1, 0.3], "ci_low": [0.0, 0.2]}
    ).assign(ci_high=[0.3, 0.5])
    row = over_seeds(rows).iloc[0]
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], [0.2, 0.1, 0.4])


def test_changes_are_against_the_original_of_the_same_cell() -> None:
    cells = STUDIES["full"]
    found = changes(cells, "rrf", "vanilla", "lrp")
    value = {
        (r["level"], r["seed"], r["method"]): r["value"]
        for r in cells.to_dict("records")
        if r["metric"] == "rrf" and r["explainer"] == "lrp"
    }
    assert len(found) == 8 * 3 * 2
    for (_, _, level, seed, method), change in found.items():
        assert change == value[level, seed, method] - value[level, seed, "vanilla"]


def test_collapsed_cells_are_found() -> None:
    key = collapsed_cells(STUDIES["full"])[["method", "level", "seed"]]
    assert key.to_numpy().tolist() == [list(COLLAPSED)]


@pytest.mark.parametrize("name", ["metrics_by_level", "fairness_against_saliency", "comparisons"])
def test_constant_classifiers_are_crossed_and_said(name: str) -> None:
    for study, expected in (("full", True), ("gaps", False)):
        figure = drawn(name, study)
        crosses = [li for a in figure.axes for li in a.lines if li.get_marker() == "x"]
        assert bool(crosses) == expected
        assert ("constant classifier" in texts(figure)) == expected


def test_chance_is_no_dot_of_fairness_against_saliency() -> None:
    tables = {"cell_metrics": fake_cells(), "associations": fake_associations()}
    counts = []
    for kinds in ({}, {"thropt": "random_decision"}):
        panel = draw("fairness_against_saliency", tables, kinds=kinds).axes[0]
        counts.append(sum(len(dots.get_offsets()) for dots in panel.collections))
    assert 0 < counts[1] < counts[0]


def test_a_constant_original_crosses_all_that_is_compared_with_it() -> None:
    cells = fake_cells(collapsed=("vanilla", 0.5, 0))
    tables = {"cell_metrics": cells, "associations": fake_associations()}
    figure = draw("fairness_against_saliency", tables)
    crosses = [li for li in figure.axes[0].lines if li.get_marker() == "x"]
    assert len(crosses) == len(METHODS) - 1


def test_an_original_of_another_name_is_what_changes_are_against() -> None:
    cells = fake_cells().replace({"method": {"vanilla": "plain"}})
    tables = {"cell_metrics": cells, "associations": fake_associations()}
    figure = draw("fairness_against_saliency", tables, kinds={"plain": "vanilla"})
    assert "against plain" in texts(figure)
    dots = [c for c in figure.axes[0].collections if len(c.get_offsets()) > 1]
    expected = [c for c in drawn("fairness_against_saliency", "full").axes[0].collections
                if len(c.get_offsets()) > 1]  # fmt: skip
    for one, other in zip(dots, expected, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())


def test_explainers_of_the_original_alone_have_no_row_of_panels() -> None:
    """As in the demo, where eight of ten explainers are those of tasks with vanilla alone."""
    many = ("lrp", *(f"of_vanilla_{i}" for i in range(8)))
    cells = fake_cells(explainers=many)
    lone = cells["explainer"].astype(str).str.startswith("of_vanilla")
    cells = cells[~lone | (cells["method"] == "vanilla")]
    tables = {"cell_metrics": cells, "associations": fake_associations()}
    figure = draw("fairness_against_saliency", tables)
    assert len(figure.axes) == 2
    assert figure.get_figheight() < 4
    assert "of_vanilla" not in texts(figure)


def test_what_is_missing_is_said() -> None:
    words = texts(drawn("metrics_by_level", "gaps"))
    assert "Without values: Twin flip rate." in words
    assert "Missing values left out: RRF 3." in words
    assert "missing value" in texts(drawn("fairness_against_saliency", "gaps"))


def panel(figure: Figure, title: str) -> Any:
    return next(a for a in figure.axes if a.get_title(loc="left") == title)


def test_levels_figure_shows_the_means() -> None:
    axes = panel(drawn("metrics_by_level", "full"), "Equalized odds")
    cells = STUDIES["full"].query("metric == 'equalized_odds' and method == 'vanilla'")
    line = next(
        li for li in axes.lines if li.get_color() == "#000000" and li.get_linestyle() == "-"
    )
    np.testing.assert_allclose(line.get_ydata(), cells.groupby("level")["value"].mean())


def test_levels_figure_has_every_headline_metric_with_its_direction() -> None:
    words = texts(drawn("metrics_by_level", "full"))
    for metric in headline("figures"):
        if METRICS[metric].traits["attribute"] != "protected":
            continue
        assert METRICS[metric].traits["short"] in words
        assert better(metric) in words


def test_a_test_is_a_row_of_marks_as_full_as_the_share_of_seeds() -> None:
    """No line joins marks of 0 and 1; a reader sees which method and level is significant."""
    cells = STUDIES["full"].query("metric == 'rddt' and explainer == 'lrp'")
    shares = cells.groupby(["method", "level"])["value"].mean()
    axes = panel(drawn("metrics_by_level", "full"), "RDDT")
    marks = [li for li in axes.lines if len(li.get_xdata()) == 1 and li.get_marker() != "x"]
    assert len(marks) == len(METHODS) * 3
    styles = method_styles(METHODS, roles_of(METHODS, ()))
    for mark in marks:
        ((level, row),) = mark.get_xydata()
        method = METHODS[round(row)]
        assert mark.get_marker() == styles[method].marker
        share = shares[method, level]
        expected = to_rgba(styles[method].color, share) if share else to_rgba("white")
        assert to_rgba(mark.get_markerfacecolor()) == expected
    assert not [li for li in axes.lines if len(li.get_xdata()) == 3]
    assert set(shares) == {0, 0.5, 1}


def test_the_original_alone_has_no_panels_of_what_is_against_it() -> None:
    titles = {axes.get_title(loc="left") for axes in drawn("metrics_by_level", "one").axes}
    assert {"RRF", "DET"} <= titles
    assert not {"ADR", "DIF", "RDDT"} & titles
    assert drawn("metrics_by_level", "one").get_figheight() < 4.1  # no row for the legend alone


def test_comparisons_fill_what_holm_leaves_significant() -> None:
    figure = drawn("comparisons", "full")
    points = [li for a in figure.axes for li in a.lines if len(li.get_xdata()) == 1]
    shown = [li for li in points if li.get_marker() != "x"]
    tests = fake_tests(STUDIES["full"]).query("test == 'paired' and unit == 'seed'")
    filled = [li for li in shown if not isinstance(li.get_markerfacecolor(), str)]
    assert len(shown) == len(tests)
    assert len(filled) == (tests["p_holm"] < 0.05).sum()
    assert max(li.get_xdata()[0] for li in shown) < 1


def test_comparisons_of_one_run_are_by_image_and_say_so() -> None:
    tables = tables_of(STUDIES["full"])
    assert "paired by seed" in texts(draw("comparisons", tables))
    gone = tables["tests"]["unit"] == "seed"
    numbers = ["ci_low", "ci_high", "p_value", "p_holm"]
    tables["tests"].loc[gone, numbers] = np.nan
    assert "one run: these models, other images" in texts(draw("comparisons", tables))


def test_comparisons_share_a_scale_and_never_outgrow_the_page() -> None:
    figure = drawn("comparisons", "full")
    first, second = figure.axes[:6], figure.axes[6:]
    assert [a.get_xlim() for a in first] == [a.get_xlim() for a in second]
    many = ("lrp", "integrated_gradients", "gradcam", "occlusion")
    cells = fake_cells(explainers=many)
    figure = draw("comparisons", {"cell_metrics": cells, "tests": fake_tests(cells, many)})
    assert misplaced(figure) == []
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 2 * (4 + len(many))


def test_comparisons_show_the_references_of_the_study_and_the_explainers_shown() -> None:
    cells = STUDIES["full"]
    tests = fake_tests(cells).replace(
        {"reference": {"finetune": "tuned"}, "method": {"finetune": "tuned"}}
    )
    cells = cells.replace({"method": {"finetune": "tuned"}})
    tables = {"cell_metrics": cells, "tests": tests}
    figure = draw("comparisons", tables, kinds={"tuned": "finetune"}, shown=("lrp",))
    words = texts(figure)
    assert "against tuned" in words
    assert "RRF lrp" in words
    assert "RRF IG" not in words


def test_associations_are_printed() -> None:
    words = texts(drawn("fairness_against_saliency", "full"))
    assert words.count("Spearman's ρ = −0.42 [−0.60, −0.20], n = 48") == 4
    assert words.count("slope = −0.420 [−0.600, −0.200], p < 0.001") == 4


def test_every_shown_metric_has_a_direction() -> None:
    arrows = {metric: better(metric)[:1] for metric in headline("figures")}
    wanted = {"lower": "↓", "higher": "↑", "none": ""}
    assert arrows == {m: wanted[METRICS[m].traits["better"]] for m in headline("figures")}
    assert better("equalized_odds") == "↓ fairer"
    assert better("adr") == "↑ less in ROI"
    assert better("accuracy") == "↑ better"
    assert [m for m in headline("figures") if is_flag(m)] == ["det", "rddt"]


def test_table_one_is_the_tables_text() -> None:
    assert draw("table_one", {"table_one": pd.DataFrame()})["txt"].startswith("Table 1 is empty")


def test_fake_tables_have_no_columns_that_real_ones_lack() -> None:
    for name, frame in {
        "cell_metrics": STUDIES["full"],
        "tests": fake_tests(STUDIES["full"]),
        "associations": fake_associations(),
        "runtimes": fake_runtimes(),
        "leaderboard": fake_leaderboard(STUDIES["full"]),
    }.items():
        assert set(frame) <= {column.name for column in TABLES[name].columns}
