"""The figures and the leaderboard, from small made-up tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import given as made_up
from drawing import misplaced, smallest, texts
from fake_tables import (
    COLLAPSED,
    METHODS,
    TASK,
    fake_associations,
    fake_cells,
    fake_leaderboard,
    fake_part,
    fake_runtimes,
    fake_tests,
)
from given import as_table, roles_of
from rightreasons.core.job import Group
from rightreasons.figures import Given
from rightreasons.figures._cells import changes, collapsed_cells, over_seeds
from rightreasons.figures._labels import better, is_flag
from rightreasons.figures._signed_maps import average, rectangle
from rightreasons.figures._style import (
    SPARE_EXPLAINERS,
    SPARE_METHODS,
    explainer_styles,
    method_styles,
    save_figure,
)
from rightreasons.figures.leaderboard import render_html, render_text
from rightreasons.metrics import METRICS, headline
from rightreasons.metrics.measures import MapSet, mean_maps
from rightreasons.tables.schema import TABLES

STUDIES = {
    "full": fake_cells(),
    "one": fake_cells(("vanilla",), (0.9,), (0,), ("lrp",)),
    "gaps": fake_cells(("vanilla", "finetune", "zhang", "my_own_method"), (-0.5, 0.5)),
}
STUDIES["gaps"].loc[STUDIES["gaps"]["metric"] == "twin_flip_rate", "value"] = np.nan
GONE = STUDIES["gaps"].query("metric == 'rrf' and explainer == 'lrp' and level > 0").index[:3]
STUDIES["gaps"].loc[GONE, "value"] = np.nan


def tables_of(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return all tables of a study that the figures read; a lone vanilla has no comparisons."""
    methods = tuple(cells["method"].unique())
    alone = len(methods) == 1
    return {
        "cell_metrics": cells,
        "tests": pd.DataFrame() if alone else fake_tests(cells),
        "associations": pd.DataFrame() if alone else fake_associations(),
        "runtimes": fake_runtimes(methods),
    }


OVER = {
    "metrics_by_level": ("task", "design", "explainer"),
    "comparisons": ("task", "design"),
    "mean_maps": ("task", "design", "explainer"),
}


def given(name: str, tables: Mapping[str, pd.DataFrame], **changes: Any) -> Given:
    """Return what one of these figures is given of the study that its `cell_metrics` are of."""
    cells = tables.get("cell_metrics", STUDIES["full"])
    facts: dict[str, Any] = {
        "methods": tuple(cells["method"].unique()),
        "explainers": tuple(cells["explainer"].dropna().unique()),
        "levels": sorted(cells["level"].unique()),
        "dataset": "synthfaces",
        "over": OVER.get(name, ()),
        "explainer": "lrp",
        "symbol": "φ",
    }
    return made_up.given(tables, **{**TASK, **facts, **changes})


def draw(name: str, tables: Mapping[str, pd.DataFrame], **changes: Any) -> Any:
    return made_up.drawn(name, given(name, tables, **changes))


def draw_mean_maps(
    parts: Sequence[Mapping[str, np.ndarray]],
    methods: tuple[str, ...],
    collapsed: tuple[str, float, int] = COLLAPSED,
) -> Figure:
    """Draw mean maps of seeds at level 0.9, from files as the stage `measure` leaves them."""
    seeds = tuple(range(len(parts)))
    groups = [Group(dataset="synthfaces", **TASK, level=0.9, seed=seed) for seed in seeds]
    cells = fake_cells(methods, (0.9,), seeds, ("lrp",), collapsed)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{seed}.npz" for seed in seeds]
        for path, part in zip(files, parts, strict=True):
            np.savez(path, **part)
        what = given("mean_maps", {"cell_metrics": cells}, groups=groups, seeds=seeds,
                     files={"mean_maps": tuple(files)})  # fmt: skip
        return made_up.drawn("mean_maps", what)


@cache
def drawn(name: str, study: str) -> Figure:
    """Draw one figure of a study."""
    cells = STUDIES[study]
    if name == "mean_maps":
        methods = tuple(cells["method"].unique())
        return draw_mean_maps([fake_part(methods)], methods)
    tables = tables_of(cells)
    return draw(name, {table: tables[table] for table in ("cell_metrics", *NEEDED[name])})


NEEDED = {
    "mean_maps": (),
    "metrics_by_level": (),
    "fairness_against_saliency": ("associations",),
    "comparisons": ("tests",),
    "runtimes": ("runtimes",),
}


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
    tests = fake_tests(STUDIES["full"]).query("test != 'rddt'")
    filled = [li for li in shown if not isinstance(li.get_markerfacecolor(), str)]
    assert len(shown) == len(tests)
    assert len(filled) == (tests["p_holm"] < 0.05).sum()
    assert max(li.get_xdata()[0] for li in shown) < 1


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


def test_mean_maps_are_weighted_by_images() -> None:
    parts = [
        {"n": np.array(n), "a": np.full((4, 1, 2), v)}
        for n, v in (((1, 0, 0, 2), 4), ((3, 0, 5, 0), 8))
    ]
    parts[0]["a"] = parts[0]["a"].astype(float)
    parts[0]["a"][1:3] = np.nan
    mean = average(parts, "a", np.array([p["n"] for p in parts]))
    np.testing.assert_array_equal(mean[:, 0, 0], [7, np.nan, 8, 4])


COLOURS = {(0, 0): 40, (1, 0): 90, (0, 1): 140, (1, 1): 190}  # by (protected, target)


def cells_part() -> dict[str, np.ndarray]:
    """Return mean maps that `measure` makes of images whose grey says protected and target.

    Their maps are positive where protected, negative elsewhere; each cell has another number.
    """
    counts = {(0, 0): 1, (1, 0): 2, (0, 1): 3, (1, 1): 4}
    cells = [cell for cell, count in counts.items() for _ in range(count)]
    order = np.random.default_rng(0).permutation(len(cells))
    protected, target = np.array(cells)[order].T
    grey = np.array([COLOURS[p, t] for p, t in zip(protected, target, strict=True)], np.uint8)
    images = np.broadcast_to(grey[:, None, None, None], (len(cells), 8, 8, 3))
    maps = np.where(protected == 1, 1.0, -1.0)[:, None, None] * np.ones((8, 8))
    index = pd.DataFrame({"explainer": "lrp", "row": np.arange(len(cells)), "target": target,
                          "protected": protected, "image_id": [str(i) for i in order]})  # fmt: skip
    found = MapSet(maps[None].astype(np.float32), index)
    sources = {"vanilla": "vanilla"}
    return mean_maps(
        {"vanilla": [found]}, sources, images, [0.2, 0.2, 0.6, 0.6], original="vanilla"
    )


def test_every_column_says_of_which_cell_it_is() -> None:
    """Images whose grey says protected and target stand below the right words, and in number."""
    figure = draw_mean_maps([cells_part()], ("vanilla",))
    top, below = figure.axes[:4], figure.axes[4:8]
    seen = {}
    for axes, maps in zip(top, below, strict=True):
        protected, target, count = map(
            int, re.findall(r"PA=(\d), T=(\d)\n(\d) images", axes.get_title())[0]
        )
        assert axes.images[0].get_array()[0, 0, 0] == COLOURS[protected, target]
        assert maps.images[0].get_array()[0, 0] == (1 if protected else -1)
        seen[protected, target] = count
    assert seen == {(0, 0): 1, (1, 0): 2, (0, 1): 3, (1, 1): 4}


def test_red_speaks_for_the_class_and_blue_against_it() -> None:
    figure = draw_mean_maps([cells_part()], ("vanilla",))
    for axes in figure.axes[4:8]:
        (image,) = axes.images
        red, _, blue, _ = image.to_rgba(image.get_array())[0, 0]
        assert (red > 2 * blue) if image.get_array()[0, 0] > 0 else (blue > 2 * red)
    bar = figure.axes[-1]
    assert "← against      for the class →" in bar.get_ylabel()


def test_mean_maps_share_one_scale_and_say_what_is_empty_or_collapsed() -> None:
    part = fake_part(("vanilla", "thropt", "zhang"), n=(50, 0, 50, 50))
    figure = draw_mean_maps([part], ("vanilla", "thropt", "zhang"), collapsed=("zhang", 0.9, 0))
    maps = [im for a in figure.axes for im in a.images if im.get_array().ndim == 2]
    assert len(maps) == 2 * 3  # thropt has the row of vanilla
    assert len({im.get_clim() for im in maps}) == 1
    low, high = maps[0].get_clim()
    assert low == -high
    words = texts(figure)
    assert words.count("no images") == 3
    assert "vanilla\nthropt" in words
    assert "zhang ⊗" in words
    assert "constant classifier" in words


def test_roi_outline_is_the_rectangle_in_pixels() -> None:
    roi = np.zeros((10, 20))
    roi[2:5, 3:9] = 1
    assert rectangle(roi) == (3, 2, 9, 5)
    roi[2, 3] = 0
    assert rectangle(roi) is None
    assert rectangle(np.zeros((4, 4))) is None


def test_masks_are_outlined_and_all_zero_maps_drawn() -> None:
    part = fake_part(("vanilla",))
    part["roi"] = part["roi"] * np.linspace(0, 1, 64, dtype=np.float32)
    part["map/lrp/vanilla"][:] = 0
    assert misplaced(draw_mean_maps([part], ("vanilla",))) == []


def test_every_shown_metric_has_a_direction() -> None:
    arrows = {metric: better(metric)[:1] for metric in headline("figures")}
    wanted = {"lower": "↓", "higher": "↑", "none": ""}
    assert arrows == {m: wanted[METRICS[m].traits["better"]] for m in headline("figures")}
    assert better("equalized_odds") == "↓ fairer"
    assert better("adr") == "↑ less in ROI"
    assert better("accuracy") == "↑ better"
    assert [m for m in headline("figures") if is_flag(m)] == ["det", "rddt"]


def board() -> pd.DataFrame:
    return as_table(fake_leaderboard(STUDIES["full"]), "leaderboard")


def test_leaderboard_text_ranks_and_puts_constant_classifiers_last() -> None:
    text = render_text(board(), "vanilla")
    assert text.startswith("smiling_by_necktie, phi = 0.9, 2 seeds\n")
    lines = text.split("─\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == len(METHODS)
    assert [line.split()[0] for line in lines] == [*"12345678", "–"]
    odds = [float(line.split()[2]) for line in lines]
    assert odds[:-1] == sorted(odds[:-1])
    assert lines[-1].split()[1] == "p_clarc"
    assert lines[-1].endswith("constant classifier in 1 of 2 seeds")
    assert all(len(line) <= 100 for line in lines[:-1])
    starred = {line.split()[1] for line in lines if "]*" in line}
    assert starred == {"rr_clarc", "a_clarc", "p_clarc"}


def test_leaderboard_text_has_the_columns_that_fit_and_the_page_all() -> None:
    text, page = render_text(board(), "vanilla"), render_html(board(), "vanilla")
    head = text.split("─")[0]
    assert head.count("RRF") == head.count("ADR") == 2  # one an explainer
    assert "DIF" not in head
    assert "The page has all columns." in text
    for metric in headline("leaderboard"):
        name = METRICS[metric].traits["short"]
        per_map = METRICS[metric].traits["kind"] in ("image", "pair", "test")
        assert page.count(f">{name} ") == 3 * (2 if per_map else 1)


def test_leaderboard_shows_missing_numbers_as_dashes() -> None:
    table = board().assign(twin_flip_rate=np.nan, equalized_odds_change_p=np.nan)
    text = render_text(table[table["explainer"] == "lrp"], "vanilla")
    assert re.search(r"rr_clarc +0\.\d{3} \[0\.\d\d, 0\.\d\d\] +– .*\n", text)
    assert "ig" not in text.split("─")[0]


def test_leaderboard_shows_the_explainers_of_each_task_and_no_board_of_the_original_alone() -> None:
    table = board()
    both = draw("leaderboard", {"leaderboard": table})
    few = draw("leaderboard", {"leaderboard": table}, shown=("lrp",))
    assert few["txt"].split("─")[0].count("RRF") == 1
    assert both["txt"].split("─")[0].count("RRF") == 2
    assert "integrated_gradients" not in few["html"]
    alone = table[table["method"] == "vanilla"]
    assert render_text(alone, "vanilla") == "The leaderboard is empty.\n"
    assert "vanilla" in render_html(alone, "vanilla")


def test_empty_leaderboard_says_so() -> None:
    empty = board().iloc[:0]
    assert render_text(empty, "vanilla") == "The leaderboard is empty.\n"
    assert "The leaderboard is empty." in render_html(empty, "vanilla")
    assert "The leaderboard is empty." in draw("leaderboard", {"leaderboard": empty})["txt"]


def test_leaderboard_html_has_all_levels_and_escapes() -> None:
    table = board().replace({"method": {"zhang": "<script>&"}})
    html = render_html(table, "vanilla")
    assert html.count("<table>") == 3
    assert "<script>" not in html
    assert html.count("&lt;script&gt;&amp;") == 3
    assert html.count("class=collapsed") == 1
    assert html.count("class=reference") == 3
    assert "http" not in html


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
