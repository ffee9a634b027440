"""The figures of injected artifacts and of the yardstick, from made-up tables and maps."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from drawing import misplaced, smallest, texts
from given import as_table
from rightreasons.figures._labels import short_name
from rightreasons.figures.probes import ABOVE, BELOW, CONTROL, NEITHER
from rightreasons.tables.schema import TABLES
from watermark import (
    EXPLAINERS,
    LAYERS,
    METRICS,
    PROBED,
    fake_probes,
    fake_reliance,
    fake_sanity,
    fake_yardstick,
)
from watermark_drawn import (
    DRAWN,
    crossed,
    draw_reliance,
    drawn,
    images,
    probes,
    ranked,
    sanity,
    yardstick,
    yardstick_heatmap,
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_fits_the_page_and_is_legible(name: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = drawn(name)
    assert dict(matplotlib.rcParams) == before
    assert figure.get_figwidth() <= 7.01
    assert figure.get_figheight() <= 9.5
    assert misplaced(figure) == []
    assert smallest(figure) >= 7
    assert ("nothing" in name) == ("no " in texts(figure) and len(figure.axes) == 1)


# One dot per image


def test_the_ranking_shows_the_best_and_the_last_by_rank() -> None:
    figure, table = drawn("yardstick"), ranked()
    table = table[table["rank"].notna()].sort_values("rank")
    rows = pd.concat([table.iloc[:20], table.iloc[-5:]])
    left, middle, right = figure.axes
    points = np.asarray(left.collections[1].get_offsets())
    np.testing.assert_allclose(points[:, 0], rows["within"])
    assert (np.diff(points[:, 1]) > 0).all()
    labels = [label.get_text() for label in left.get_yticklabels()]
    for label, row in zip(labels, rows.to_dict("records"), strict=True):
        assert label.startswith(f"{row['rank']:.0f}.  ")
        assert label.endswith(f" of {row['explainer']}")
    assert "The best 20 and the last 5 of 168; 143 not shown." in texts(figure)
    bars = [segment[:, 0] for segment in left.collections[0].get_segments()]
    np.testing.assert_allclose(bars, rows[["within_datasets_low", "within_datasets_high"]])
    assert "Intervals: other datasets." in texts(figure)
    areas = np.asarray(middle.collections[1].get_offsets())
    np.testing.assert_allclose(areas, np.stack([rows["area_within"], points[:, 1]], axis=1))
    bars = [segment[:, 0] for segment in middle.collections[0].get_segments()]
    ends = rows[["area_within_datasets_low", "area_within_datasets_high"]]
    np.testing.assert_allclose(bars, ends)
    for marks, rate in zip(
        right.collections, ("hit", "false_alarm", "false_alarm_place"), strict=False
    ):
        np.testing.assert_allclose(np.asarray(marks.get_offsets())[:, 0], rows[f"{rate}_rate"])


def test_the_ranking_greys_the_controls_and_takes_only_ranked_rows() -> None:
    left = drawn("yardstick").axes[0]
    grey = [t.get_text() for t in left.get_yticklabels() if t.get_color() != "black"]
    assert len(grey) == 5
    assert all("random" in text or "edges" in text for text in grey)
    table = ranked(EXPLAINERS[:2], METRICS[:3])
    few = yardstick(table)
    assert len(few.axes[0].get_yticklabels()) == 6
    assert "not shown" not in texts(few)
    assert "24 true, 12 untrue" in texts(few)
    assert "cannot be judged" not in texts(few)
    assert "cannot be judged: 4 of a row" in texts(yardstick(table.assign(n_uncalled=4)))


def test_the_heatmap_writes_each_correlation_and_brackets_the_unsure() -> None:
    figure, table = drawn("yardstick_heatmap"), ranked()
    ours = table[(table["truth"] == "flips") & (table["shown"] != "without")]
    axes = figure.axes[0]
    rows = [t.get_text() for t in axes.get_yticklabels()]
    means = ours.groupby("metric")["estimate"].mean().sort_values(ascending=False).index
    written = {tuple(np.round(t.get_position()).astype(int)): t.get_text() for t in axes.texts}
    assert len(written) == len(EXPLAINERS) * len(METRICS)
    for row in ours.to_dict("records"):
        text = f"{row['estimate']:.2f}".replace("-", "−")
        text = f"({text})" if row["ci_low"] <= 0 <= row["ci_high"] else text
        place = (list(means).index(row["metric"]), rows.index(row["explainer"]))
        assert written[place] == text
        assert axes.images[0].get_array()[place[1], place[0]] == pytest.approx(row["estimate"])
    assert rows[0] == "gradient"
    assert set(rows[-2:]) == {"random", "edges"}


def test_the_heatmap_of_areas_is_unsure_around_one_half() -> None:
    table = ranked()
    axes = drawn("yardstick_heatmap, area").axes[0]
    ours = table[(table["truth"] == "flips") & (table["shown"] != "without")]
    written = sorted(text.get_text() for text in axes.texts)
    wanted = [
        f"({row.area:.2f})" if row.area_low <= 0.5 <= row.area_high else f"{row.area:.2f}"
        for row in ours.itertuples()
    ]
    assert written == sorted(wanted)
    assert 0 < sum(text.startswith("(") for text in written) < len(written)
    assert axes.images[0].get_clim() == (0, 1)


def test_what_has_no_interval_is_unsure() -> None:
    table = ranked(EXPLAINERS[:2], METRICS[:3]).assign(ci_low=np.nan, ci_high=np.nan)
    figure = yardstick_heatmap(table)
    assert all(text.get_text().startswith("(") for text in figure.axes[0].texts)


def test_blue_follows_reliance_and_red_runs_against_it() -> None:
    axes = drawn("yardstick_heatmap").axes[0]
    (image,) = axes.images
    values = np.asarray(image.get_array())
    red, _, blue, _ = np.moveaxis(image.to_rgba(values), 2, 0)
    assert (blue > red)[values > 0.1].all()
    assert (red > blue)[values < -0.01].all()
    assert (values < -0.01).any()


def test_the_heatmap_leaves_out_what_is_missing_and_numbers_without_room() -> None:
    table = ranked(EXPLAINERS[:2], METRICS[:3])
    gone = (table["explainer"] == "gradient") & (table["metric"] == "hrf")
    table.loc[gone, "estimate"] = np.nan
    assert len(yardstick_heatmap(table).axes[0].texts) == 5
    many = ranked(EXPLAINERS[:2], tuple(f"metric_{i}" for i in range(15)))
    figure = yardstick_heatmap(many)
    assert not figure.axes[0].texts
    assert "brackets" not in texts(figure)


def markers(axes: Axes) -> list[tuple[float, float, str, bool, float]]:
    """Return the dots of a panel: x, y, marker, whether it is filled, size."""
    lines = [line for line in axes.lines if line.get_marker() not in ("None", "x")]
    return [
        (
            *line.get_xydata()[0],
            line.get_marker(),
            to_rgba(line.get_markerfacecolor())[3] > 0,
            line.get_markersize(),
        )
        for line in lines
    ]


def panel_of(figure: Figure, metric: str) -> Axes:
    return next(a for a in figure.axes if a.get_title(loc="left") == short_name(metric))


def test_reliance_has_a_dot_per_model_where_and_as_the_table_says() -> None:
    frame = fake_reliance()
    figure = drawn("reliance")
    ours = frame[(frame["explainer"] == "gradient") & (frame["shown"] == "with")]
    assert len(figure.axes) == len(METRICS)
    assert {axes.get_title(loc="left") for axes in figure.axes} == set(map(short_name, METRICS))
    for metric in METRICS:
        axes = panel_of(figure, metric)
        rows = ours[ours["metric"] == metric]
        assert len(rows) == 2 * 3 * 3 * 2
        expected = [
            (row["flips"], row["value"], "o" if row["place"] else "^", bool(row["called"]))
            for row in rows.to_dict("records")
        ]
        assert [mark[:4] for mark in markers(axes)] == expected
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_ydata()[0] for line in dashed] == [pytest.approx(0.1)]
    colors = {to_hex(line.get_markeredgecolor()) for line in figure.axes[0].lines}
    assert len(colors & {to_hex(c) for c in matplotlib.colormaps["viridis"]([0.0, 0.45, 0.9])}) == 3


def test_reliance_marks_the_unknown_and_the_constant_and_explains_the_marks() -> None:
    figure, frame = drawn("reliance, crossed"), crossed()
    axes = panel_of(figure, METRICS[0])
    rows = frame[(frame["metric"] == METRICS[0]) & (frame["shown"] == "with")]
    small = [mark for mark in markers(axes) if mark[4] == 2]
    assert len(small) == (rows["level"] == 0.25).sum()
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert len(crosses) == (rows["level"] == 0.5).sum()
    for words in (
        "claim made",
        "not made",
        "cannot be told",
        "ROI elsewhere",
        "constant classifier",
    ):
        assert words in texts(figure)
    assert "constant classifier" not in texts(drawn("reliance"))
    assert "cannot be told" not in texts(drawn("reliance"))


def test_reliance_quotes_the_yardstick_and_takes_tests_of_all_images() -> None:
    row = fake_yardstick().query("explainer == 'gradient' and metric == 'hrf' and truth == 'flips'")
    rho, area = row.iloc[0][["estimate", "area"]]
    assert f"ρ {rho:.2f}, area {area:.2f}" in texts(drawn("reliance"))
    frame = fake_reliance(metrics=("det",))
    everything = frame[frame["shown"] == "with"].assign(shown="all")
    assert len(markers(draw_reliance(everything).axes[0])) == 36


# Sanity checks


def test_sanity_lines_are_means_over_models_in_the_layers_order() -> None:
    frame, figure = fake_sanity(), drawn("sanity")
    for axes, similarity in zip(figure.axes, ("ssim", "spearman"), strict=False):
        ours = frame[frame["similarity"] == similarity]
        lines = [line for line in axes.lines if len(line.get_xdata()) == len(LAYERS)]
        assert len(lines) == len(EXPLAINERS)
        for line, explainer in zip(lines, EXPLAINERS, strict=True):
            means = [
                ours[(ours["explainer"] == explainer) & (ours["layer"] == layer)]["value"].mean()
                for layer in LAYERS
            ]
            np.testing.assert_allclose(line.get_ydata(), means)
        assert [t.get_text() for t in axes.get_xticklabels()] == list(LAYERS)
    assert "Means over 6 models" in texts(figure)


def test_sanity_shows_fifteen_lines_that_differ_and_names_the_others() -> None:
    many = (*EXPLAINERS, *(f"own_{i}" for i in range(4)))
    figure = sanity(fake_sanity(many, LAYERS[:2], levels=(0.0,), seeds=(0,)))
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(lines) == len(looks) == 15
    assert "Not shown: own_1, own_2, own_3." in texts(figure)


def test_sanity_numbers_layers_that_differ_between_models() -> None:
    frame = fake_sanity(("lrp",), LAYERS[:3])
    frame.loc[frame["seed"] == 1, "layer"] += "_other"
    axes = sanity(frame).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "3"]
    only = sanity(frame[frame["similarity"] == "ssim"])
    assert [a.get_title(loc="left") for a in only.axes[:-1]] == ["SSIM"]


def test_fake_tables_have_no_columns_that_real_ones_lack() -> None:
    metrics, predictions = images()
    frames = {"image_metrics": metrics, "predictions": predictions, "sanity": fake_sanity()}
    frames |= {"reliance": fake_reliance(), "yardstick": fake_yardstick()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in set(frames) & set(TABLES):
            assert len(as_table(frames[name], name)) == len(frames[name])


# From files, as the stages leave them


# Probes


def test_a_probe_has_the_colour_of_its_interval_and_controls_come_last() -> None:
    explainers = ("edges", "lrp", "gradient", "occlusion")
    table = fake_probes(explainers).drop(columns="above_floor")
    table.loc[table["explainer"] == "gradient", ["above_low", "above_high"]] = (-0.1, 0.2)
    table.loc[table["explainer"] == "lrp", ["above_low", "above_high"]] = (0.1, 0.2)
    table.loc[(table["explainer"] == "lrp") & (table["probe"] == "entropy"), "value"] = np.nan
    [axes] = probes(table).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["lrp", "gradient", "occlusion", "edges"]
    colours = {"lrp": ABOVE, "gradient": NEITHER, "occlusion": BELOW, "edges": CONTROL}
    seen: dict[str, set[str]] = {name: set() for name in names}
    for patch in axes.collections:
        middle = patch.get_paths()[0].vertices[:, 1]
        seen[names[round((middle.min() + middle.max()) / 2)]].add(to_hex(patch.get_facecolor()[0]))
    assert seen == {name: {colour.lower()} for name, colour in colours.items()}
    assert len(axes.texts) == len(names) * len(PROBED) - 1
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[:2] == ["pixel flipping ↑", "deletion ↓"]


def test_numbers_are_means_over_models() -> None:
    table = fake_probes(("lrp", "edges"))
    mean = table[(table["probe"] == "deletion") & (table["explainer"] == "lrp")]["value"].mean()
    figure = probes(table)
    [text] = [t for t in figure.axes[0].texts if t.get_position() == (1, 0)]
    assert float(text.get_text()) == pytest.approx(mean, rel=0.06)
    assert f"{len(table[['level', 'seed']].drop_duplicates())} models" in texts(figure)


def test_probes_that_are_left_out_are_named() -> None:
    assert "Not shown: mine_1." in texts(drawn("probes, many"))
    assert "Not shown" not in texts(drawn("probes"))
