"""The figures of injected artifacts and of the yardstick, from made-up tables and maps."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

import given as made_up
from drawing import misplaced, smallest, texts
from given import as_table
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen, Group
from rightreasons.figures import Given
from rightreasons.figures._dots import RIGHT, WRONG, chance_of, dots_of, height
from rightreasons.figures._labels import short_name
from rightreasons.figures._style import styled
from rightreasons.figures.mystery_models import side_by_side
from rightreasons.figures.occlusion_grids import grids
from rightreasons.tables.schema import TABLES
from watermark import (
    EXPLAINERS,
    LAYERS,
    LEVELS,
    METRICS,
    PLACE,
    SIZE,
    TASK,
    fake_images,
    fake_part,
    fake_reliance,
    fake_sanity,
    fake_yardstick,
)

CELLS = ((0, 0), (1, 0), (0, 1), (1, 1))
OCCLUSIONS = ("occlusion_2", "occlusion_4", "occlusion_8", "occlusion_16")


def given(
    tables: dict[str, pd.DataFrame] | None = None,
    explainers: tuple[str, ...] = EXPLAINERS,
    levels: tuple[float, ...] = LEVELS,
    **changes: Any,
) -> Given:
    """Return what a figure is given of a study of watermarks with vanilla and fine-tuning."""
    methods = ("vanilla", "finetune")
    return made_up.given(
        tables, methods=methods, explainers=explainers, levels=levels, **{**TASK, **changes}
    )


def grouped(metrics: pd.DataFrame, predictions: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Write the files of each group as `measure` and `train` leave them; return groups and files.

    Predictions are vanilla's, without the columns of their key, and of the debias split as well.
    """
    found: dict[str, Any] = {"groups": [], "files": {"image_metrics": [], "predictions": []}}
    for (level, seed), part in metrics.groupby(["level", "seed"], sort=False):
        group = Group(dataset="pets", **TASK, level=level, seed=seed)
        paths = [folder / f"{kind}-{len(found['groups'])}" for kind in ("metrics", "made")]
        part.to_parquet(paths[0])
        made = predictions[(predictions["level"] == level) & (predictions["seed"] == seed)]
        made = made[made["method"] == "vanilla"]
        made = made.drop(columns=["study", "dataset", *TASK, "level", "seed", "method"])
        debias = made.assign(role="debias", decision=9)
        pd.concat([debias, made.assign(role="test")]).to_parquet(paths[1])
        found["groups"].append(group)
        for name, path in zip(found["files"], paths, strict=True):
            found["files"][name].append(path)
    return {**found, "files": {name: tuple(paths) for name, paths in found["files"].items()}}


def image_dots(metrics: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the dots of all groups of these tables, read from their files."""
    with TemporaryDirectory() as folder:
        return dots_of(given(**grouped(metrics, predictions, Path(folder))), "top_fraction")


def quadrants(
    metrics: pd.DataFrame, predictions: pd.DataFrame, explainer: str = "gradient", **facts: Any
) -> Figure:
    over, known = ("task", "design", "explainer"), tuple(metrics["explainer"].unique())
    with TemporaryDirectory() as folder:
        what = given(None, known, **grouped(metrics, predictions, Path(folder)), over=over,
                     explainer=explainer, facts=facts)  # fmt: skip
        return made_up.drawn("quadrants", what)


def yardstick(table: pd.DataFrame) -> Figure:
    return made_up.drawn("yardstick", given({"yardstick": table}))


def yardstick_heatmap(table: pd.DataFrame, **params: str) -> Figure:
    return made_up.drawn("yardstick_heatmap", given({"yardstick": table}), **params)


def sanity(table: pd.DataFrame, **names: str) -> Figure:
    return made_up.drawn("sanity", given({"sanity": table}, over=("task", "design"), **names))


def mystery_models(*args: Any, **kwargs: Any) -> Figure:
    with styled():
        return side_by_side(*args, method="vanilla", **kwargs)


def occlusion_grids(*args: Any, **kwargs: Any) -> Figure:
    with styled():
        return grids(*args, **kwargs)


@cache
def images(
    levels: tuple[float, ...] = LEVELS, control: str = "random"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return fake_images(levels, explainers=("gradient", control))


def draw_quadrants(
    levels: tuple[float, ...] = LEVELS, control: str = "random", explainer: str = "gradient"
) -> Figure:
    return quadrants(*images(levels, control), explainer=explainer)


def models() -> list[tuple[str, list[dict[str, np.ndarray]]]]:
    return [
        ("normal\nlevel 0", [fake_part(0.0)]),
        ("watermark\nlevel 1", [fake_part(1.0), fake_part(1.0, n=(5, 5, 10, 30), seed=1)]),
        ("tint\nlevel 1", [fake_part(0.0, EXPLAINERS[1:], seed=2)]),
    ]


def draw_occlusion(explainers: tuple[str, ...] = OCCLUSIONS, **changes: Any) -> Figure:
    part = fake_part(explainers=explainers)
    maps = {e: part[f"map/{e}/vanilla"] for e in explainers}
    labels = [f"PA={p}, T={t}" for p, t in CELLS]
    given: dict[str, Any] = {"roi": part["roi"], "labels": labels, **changes}
    return occlusion_grids(part["image"], maps, **given)


def draw_reliance(frame: pd.DataFrame | None = None, explainer: str = "gradient") -> Figure:
    frame = fake_reliance() if frame is None else frame
    tables = {"reliance": frame, "yardstick": fake_yardstick()}
    return made_up.drawn("reliance", given(tables, over=("explainer",), explainer=explainer))


def ranked(explainers: tuple[str, ...] = EXPLAINERS, metrics: tuple[str, ...] = METRICS) -> Any:
    return as_table(fake_yardstick(explainers, metrics), "yardstick")


def crossed() -> pd.DataFrame:
    """Return a reliance table with everything that a legend may name, at five levels."""
    frame = fake_reliance(("gradient",), METRICS[:3], levels=(0, 0.25, 0.5, 0.75, 1))
    frame["called"] = frame["called"].astype(object).where(frame["level"] != 0.25, None)
    frame.loc[frame["level"] == 0.5, "collapsed"] = True
    return frame


DRAWN: dict[str, Callable[[], Figure]] = {
    "quadrants": draw_quadrants,
    "quadrants, five levels": lambda: draw_quadrants(levels=(0, 0.25, 0.5, 0.75, 1)),
    "quadrants, no control": lambda: draw_quadrants(control="edges"),
    "quadrants, nothing": lambda: draw_quadrants(explainer="lrp"),
    "mystery_models": lambda: mystery_models(models(), explainers=EXPLAINERS),
    "mystery_models, few": lambda: mystery_models(models()[:2], explainers=EXPLAINERS[:3]),
    "mystery_models, nothing": lambda: mystery_models([], explainers=EXPLAINERS),
    "occlusion_grids": draw_occlusion,
    "occlusion_grids, two": lambda: draw_occlusion(OCCLUSIONS[:2], remark="Means."),
    "yardstick": lambda: yardstick(ranked()),
    "yardstick, few": lambda: yardstick(ranked(EXPLAINERS[:2], METRICS[:3])),
    "yardstick, nothing": lambda: yardstick(ranked().assign(rank=None)),
    "yardstick_heatmap": lambda: yardstick_heatmap(ranked()),
    "yardstick_heatmap, few": lambda: yardstick_heatmap(ranked(EXPLAINERS[:2], METRICS[:3])),
    "yardstick_heatmap, nothing": lambda: yardstick_heatmap(ranked().assign(estimate=np.nan)),
    "reliance": draw_reliance,
    "reliance, crossed": lambda: draw_reliance(crossed()),
    "reliance, one": lambda: draw_reliance(fake_reliance(metrics=METRICS[:1])),
    "reliance, nothing": lambda: draw_reliance(explainer="lrp"),
    "sanity": lambda: sanity(fake_sanity()),
    "sanity, few": lambda: sanity(fake_sanity(("lrp",), LAYERS[:3])),
    "sanity, nothing": lambda: sanity(fake_sanity(), task="other"),
}


@cache
def drawn(name: str) -> Figure:
    return DRAWN[name]()


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


def test_dots_join_maps_and_decisions_by_level_seed_and_method() -> None:
    metrics, predictions = images()
    shuffled = predictions.sample(frac=1, random_state=0)
    found = image_dots(metrics, shuffled)
    decided = {
        (r["level"], r["seed"], r["method"], r["image_id"]): (r["decision"], r["score"])
        for r in predictions.to_dict("records")
    }
    ours = metrics[(metrics["metric"] == "top_fraction") & (metrics["method"] == "vanilla")]
    assert found["value"].tolist() == ours["value"].tolist()
    for row in found.to_dict("records"):
        decision, score = decided[row["level"], row["seed"], "vanilla", row["image_id"]]
        assert (row["decision"], row["score"]) == (decision, score)
        assert row["right"] == (decision == row["target"])
    assert not found["right"].all()


def test_dots_leave_out_missing_values_and_other_metrics_and_methods() -> None:
    metrics, predictions = (table.copy() for table in images())
    metrics.loc[metrics["seed"] == 1, "value"] = np.nan
    found = image_dots(metrics, predictions)
    assert set(found["seed"]) == {0}
    assert len(found) == 3 * 4 * 25 * 2  # levels, quadrants, images, explainers


def test_a_map_without_a_prediction_is_refused() -> None:
    metrics, predictions = images()
    gone = predictions["image_id"] != "000003"
    with pytest.raises(UserError, match="image '000003' has a map but no prediction"):
        image_dots(metrics, predictions[gone])


def test_heights_spread_and_belong_to_the_image() -> None:
    heights = np.array([height(f"{i:06d}") for i in range(2000)])
    assert (heights >= 0).all()
    assert (heights < 1).all()
    assert np.abs(np.histogram(heights, 10)[0] - 200).max() < 60
    found = image_dots(*images())
    assert (found.groupby("image_id")["height"].nunique() == 1).all()
    assert found["height"].nunique() == found["image_id"].nunique()


def test_chance_is_the_mean_of_noise_and_of_nothing_else() -> None:
    found = image_dots(*images())
    values = [r["value"] for r in found.to_dict("records") if r["explainer"] == "random"]
    assert chance_of(found, ["random"]) == pytest.approx(sum(values) / len(values))
    assert np.isnan(chance_of(found, ["noise"]))


def dots_in(axes: Axes, color: str) -> np.ndarray:
    """Return where a panel has dots of a colour (n, 2), sorted."""
    found = [c for c in axes.collections if to_hex(c.get_facecolor()[0]) == color.lower()]
    points = np.concatenate([np.asarray(c.get_offsets()) for c in found])
    return points[np.lexsort(points.T)]


def test_quadrants_show_every_image_in_its_place_and_colour() -> None:
    figure = drawn("quadrants")
    found = image_dots(*images())
    found = found[found["explainer"] == "gradient"]
    panels = itertools.product(LEVELS, CELLS)
    for axes, (level, (protected, target)) in zip(figure.axes, panels, strict=True):
        part = found[(found["level"] == level) & (found["protected"] == protected)]
        part = part[part["target"] == target]
        assert len(part) == 50
        for right, color in ((True, RIGHT), (False, WRONG)):
            expected = part.loc[part["right"] == right, ["value", "height"]].to_numpy()
            shown = dots_in(axes, color) if len(expected) else np.empty((0, 2))
            np.testing.assert_allclose(shown, expected[np.lexsort(expected.T)])
        lines = {line.get_linestyle(): line.get_xdata()[0] for line in axes.lines}
        control = image_dots(*images()).query("explainer == 'random'")["value"].mean()
        assert lines == {"-": part["value"].median(), "--": pytest.approx(control)}
        words = texts(figure)
        assert (
            f"n 50, right {part['right'].mean():.0%}, median {part['value'].median():.2f}" in words
        )


def test_every_quadrant_is_called_what_it_is() -> None:
    figure = drawn("quadrants")
    titles = [axes.get_title(loc="left") for axes in figure.axes[:4]]
    assert titles == ["PA=0, T=0", "PA=1, T=0", "PA=0, T=1", "PA=1, T=1"]


def test_quadrants_say_what_they_pool_and_what_is_missing() -> None:
    assert "2 seeds pooled: a dot per image and seed" in texts(drawn("quadrants"))
    assert "random" in texts(drawn("quadrants"))
    lonely = quadrants(*fake_images(seeds=(3,)), protected="ink")
    assert "1 seed." in texts(lonely)
    assert "PA: ink." in texts(lonely)
    without = drawn("quadrants, no control")
    assert "random" not in texts(without)
    assert all(len(axes.lines) == 1 for axes in without.axes)


# Mean maps and grids


def shown_maps(figure: Figure) -> list[np.ndarray]:
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    return [np.asarray(picture) for picture in pictures if picture.ndim == 2]


def test_models_are_averaged_over_seeds_then_targets_whatever_the_sign() -> None:
    first, second = fake_part(1.0), fake_part(1.0, n=(5, 15, 10, 30), seed=1)
    for part in (first, second):
        part["map/gradient/vanilla"][3] *= -1  # against the class: must not cancel
    figure = mystery_models([("a", [first, second])], explainers=["gradient"])
    maps = [part["map/gradient/vanilla"].astype(float) for part in (first, second)]
    zero = (50 * maps[0][1] + 15 * maps[1][1]) / 65
    one = (50 * maps[0][3] + 30 * maps[1][3]) / 80
    expected = (65 * np.abs(zero) + 80 * np.abs(one)) / 145
    np.testing.assert_allclose(shown_maps(figure)[0], expected, rtol=1e-5)
    assert "a\n145 images" in texts(figure)


def test_a_row_of_models_shares_a_scale_and_outlines_the_region() -> None:
    figure = drawn("mystery_models, few")
    normal, watermark = shown_maps(figure)[:2]
    assert watermark[PLACE].mean() > 3 * normal[PLACE].mean()
    pictures = [image for axes in figure.axes for image in axes.images]
    limits = [image.get_clim() for image in pictures if image.get_array().ndim == 2]
    assert limits[0] == limits[1] != limits[2]
    for low, high in limits:
        assert low == 0
        assert f"0 to {high:.2g}" in texts(figure)
    rows, columns = PLACE
    corners = np.array([columns.start, rows.start, columns.stop, rows.stop]) / SIZE
    for axes in figure.axes:
        path = np.concatenate([p.vertices for p in axes.collections[0].get_paths()])
        outline = [*path.min(axis=0), *path.max(axis=0)]
        np.testing.assert_allclose(outline, corners, atol=0.6 / SIZE)


def test_a_model_without_maps_or_images_is_blank() -> None:
    figure = drawn("mystery_models")
    assert texts(figure).count("no map") == 1  # tint has no map by the first explainer
    assert len(shown_maps(figure)) == 3 * len(EXPLAINERS) - 1
    half = mystery_models([("a", [fake_part(n=(9, 0, 9, 4))])], explainers=["gradient"])
    alone = np.abs(fake_part()["map/gradient/vanilla"][3])
    np.testing.assert_allclose(shown_maps(half)[0], alone, rtol=1e-5)
    none = mystery_models([("a", [fake_part(n=(9, 0, 9, 0))])], explainers=["gradient"])
    assert "no images" in texts(none)
    assert "no map" in texts(none)
    assert "a\n0 images" in texts(none)
    assert "edges" not in texts(mystery_models(models()[:1], explainers=["lrp", "none"]))


def test_occlusion_maps_are_in_order_each_by_its_own_peak() -> None:
    figure, part = drawn("occlusion_grids"), fake_part(explainers=OCCLUSIONS)
    assert [a.get_title() for a in figure.axes[:5]] == ["image", *OCCLUSIONS]
    places = itertools.product(range(4), OCCLUSIONS)
    pictures = [i for a in figure.axes for i in a.images if i.get_array().ndim == 2]
    for picture, (row, explainer) in zip(pictures, places, strict=True):
        map_ = part[f"map/{explainer}/vanilla"][row]
        np.testing.assert_array_equal(picture.get_array(), map_)
        assert picture.get_clim() == (-np.abs(map_).max(), np.abs(map_).max())
    assert [a.get_ylabel() for a in figure.axes[::5]] == [f"PA={p}, T={t}" for p, t in CELLS]
    assert "Means." in texts(drawn("occlusion_grids, two"))


def test_occlusion_takes_a_region_per_image_and_maps_of_zeros() -> None:
    rois = np.zeros((4, SIZE, SIZE), bool)
    rois[2, 4:9, 6:20] = True
    image, zeros = fake_part()["image"], np.zeros((4, SIZE, SIZE))
    figure = occlusion_grids(image, {"occlusion_4": zeros}, roi=rois)
    assert [len(axes.patches) for axes in figure.axes] == [0, 0, 0, 0, 1, 1, 0, 0]
    assert {im.get_clim() for a in figure.axes[1::2] for im in a.images} == {(-1, 1)}
    with pytest.raises(UserError, match="3 maps for 4 images"):
        occlusion_grids(image, {"occlusion_4": zeros[:3]}, roi=rois)
    assert "no occlusion maps" in texts(occlusion_grids(image, {}, roi=rois))


# The yardstick


def test_the_ranking_shows_the_best_and_the_last_by_rank() -> None:
    figure, table = drawn("yardstick"), ranked()
    table = table[table["rank"].notna()].sort_values("rank")
    rows = pd.concat([table.iloc[:20], table.iloc[-5:]])
    left, right = figure.axes
    points = np.asarray(left.collections[1].get_offsets())
    np.testing.assert_allclose(points[:, 0], rows["estimate"])
    assert (np.diff(points[:, 1]) > 0).all()
    labels = [label.get_text() for label in left.get_yticklabels()]
    for label, row in zip(labels, rows.to_dict("records"), strict=True):
        assert label.startswith(f"{row['rank']:.0f}.  ")
        assert label.endswith(f" of {row['explainer']}")
    assert "The best 20 and the last 5 of 168; 143 not shown." in texts(figure)
    bars = [segment[:, 0] for segment in left.collections[0].get_segments()]
    np.testing.assert_allclose(bars, rows[["ci_low", "ci_high"]])
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
    for words in ("claim made", "not made", "no control", "ROI elsewhere", "constant classifier"):
        assert words in texts(figure)
    assert "constant classifier" not in texts(drawn("reliance"))
    assert "no control" not in texts(drawn("reliance"))


def test_reliance_quotes_the_yardstick_and_takes_tests_of_all_images() -> None:
    row = fake_yardstick().query("explainer == 'gradient' and metric == 'hrf' and truth == 'flips'")
    low, high = row.iloc[0][["ci_low", "ci_high"]]
    assert f"ρ = {row.iloc[0]['estimate']:.2f} [{low:.2f}, {high:.2f}]" in texts(drawn("reliance"))
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


def test_models_side_by_side_are_the_normal_one_and_each_tasks_strongest(tmp_path: Path) -> None:
    """The first task at level 0, then every task at its strongest level, all seeds."""
    tasks, parts = ("by_watermark", "by_tint"), {}
    groups = [Group(dataset="pets", task=task, design="artifact_fraction", level=level, seed=seed)
              for task in tasks for level in LEVELS for seed in (0, 1)]  # fmt: skip
    for i, group in enumerate(groups):
        parts[group] = fake_part(group.level, ("gradient",), (1, 2 + i, 3, 4 + i), seed=i)
        np.savez(tmp_path / f"{i}.npz", **parts[group])
    files = {"mean_maps": tuple(tmp_path / f"{i}.npz" for i in range(len(groups)))}
    what = given(explainers=("gradient",), groups=groups, files=files, over=("dataset", "design"),
                 dataset="pets", task=tasks[0], facts={"protected": "watermark"})  # fmt: skip
    first = what.study.tasks[tasks[0]]
    both = {tasks[0]: first, tasks[1]: first.model_copy(update={"protected": "tint"})}
    study = what.study.model_copy(update={"tasks": both})
    figure = made_up.drawn("mystery_models", replace(what, study=study))
    models = [("normal\nlevel 0", tasks[0], 0.0), ("watermark\nlevel 1", tasks[0], 1.0),
              ("tint\nlevel 1", tasks[1], 1.0)]  # fmt: skip
    for axes, (name, task, level) in zip(figure.axes[:3], models, strict=True):
        seeds = [part for g, part in parts.items() if (g.task, g.level) == (task, level)]
        assert len(seeds) == 2
        count = sum(part["n"][[1, 3]].sum() for part in seeds)
        assert axes.get_title() == f"{name}\n{count} images"


@pytest.mark.parametrize("shown", [True, False])
def test_occlusion_shows_single_images_only_where_they_may_be_shown(
    shown: bool, tmp_path: Path
) -> None:
    explainers = OCCLUSIONS[:2]
    group = Group(dataset="pets", **TASK, level=1.0, seed=0)
    part = fake_part(explainers=explainers)
    np.savez(tmp_path / "mean.npz", **part)
    pool = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pool)
    rows = pd.DataFrame({"row": [3, 11, 5, 13], "image_id": list("abcd"),
                         "target": [0, 0, 1, 1], "protected": [0, 1, 0, 1]})  # fmt: skip
    maps = np.random.default_rng(1).standard_normal((2, 4, SIZE, SIZE)).astype(np.float32)
    np.save(tmp_path / "maps.npy", maps)
    index = pd.concat([rows.assign(explainer=name) for name in explainers])
    index.to_parquet(tmp_path / "maps.parquet")
    files = {"mean_maps": "mean.npz", "images": "images.npy", "maps": "maps.npy",
             "map_index": "maps.parquet"}  # fmt: skip
    asked = []

    def roi(of: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        asked.append(of.tolist())
        return np.ones((len(of), *shape), bool)

    what = given(
        explainers=explainers,
        groups=[group],
        files={name: (tmp_path / path,) for name, path in files.items()},
        over=("task", "design"),
        facts={"boxes": explainers, "artifact": Chosen(name="tint", kind="tint")},
        of_dataset={"shows_images": shown},
        roi=roi,
    )
    figure = made_up.drawn("occlusion_grids", what)
    assert ("An image of each quadrant." in texts(figure)) == shown
    assert asked == [rows["row"].tolist()] * shown
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    if shown:
        np.testing.assert_array_equal(pictures[0], pool[3])
        assert (pictures[3] != pool[3]).any()  # row 11 is row 3 with the tint
        np.testing.assert_array_equal(pictures[1], maps[0, 0])
    else:
        np.testing.assert_array_equal(pictures[0], part["image"][0])
        np.testing.assert_array_equal(pictures[1], part["map/occlusion_2/vanilla"][0])
