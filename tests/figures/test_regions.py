"""The figures of data attribution, from made-up tables and maps, and from synthetic faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import given as made_up
from drawing import misplaced, smallest, texts
from fake_tables import (
    FEATURES,
    PAPER,
    QUANTILES,
    fake_bins,
    fake_calibration,
    fake_grid,
    fake_positions,
    fake_region_maps,
)
from rightreasons.core.errors import UserError
from rightreasons.core.files import write_json
from rightreasons.data.synthfaces import MASKS, render, sample_latents
from rightreasons.figures import Given
from rightreasons.figures._schemes import NAMES, SCHEMES, STYLES, interval, models_of, view
from rightreasons.figures._style import styled
from rightreasons.figures.attribution_example import changed_images, examples
from rightreasons.figures.attribution_maps import maps_of_images
from rightreasons.figures.mean_attribution_maps import means
from rightreasons.regions.geometry import normalised

SIZE = 64


def given(
    tables: dict[str, pd.DataFrame] | None = None,
    over: tuple[str, ...] = ("task", "design"),
    level: float = 2 / 3,
    **changes: Any,
) -> Given:
    """Return what a figure is given of the paper's study."""
    facts = {"methods": ("vanilla",), "explainers": ("lrp",), "dataset": "celeba"}
    return made_up.given(tables, levels=(level,), over=over, **{**PAPER, **facts, **changes})


def noise_types(frame: pd.DataFrame, level: float = 2 / 3, **params: float) -> Figure:
    return made_up.drawn("noise_types", given({"data_attribution": frame}, level=level), **params)


def quantiles(frame: pd.DataFrame, level: float = 2 / 3) -> Figure:
    return made_up.drawn("quantiles", given({"data_attribution": frame}, level=level))


def reliability(bins: pd.DataFrame, calibration: pd.DataFrame) -> Figure:
    tables = {"region_reliability": bins, "region_calibration": calibration}
    return made_up.drawn("reliability", given(tables, ()))


def position_maps(positions: pd.DataFrame) -> Figure:
    return made_up.drawn("position_maps", given({"region_positions": positions}, ()))


def in_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Return a function that draws in the suite's style."""

    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with styled():
            return draw(*args, **kwargs)

    return drawn


attribution_maps, mean_attribution_maps = in_style(maps_of_images), in_style(means)
attribution_example = in_style(examples)


@cache
def faces(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return synthetic faces with hats, and their mask bits."""
    latents = sample_latents(200, 3)
    chosen = latents[(latents["Wearing_Hat"] == 1) & (latents["Eyeglasses"] == 1)].head(count)
    return render(chosen.reset_index(drop=True), SIZE)


def feature_maps(count: int, size: int = SIZE) -> dict[str, np.ndarray]:
    """Return maps (count, size, size) in [0, 1]: a blob where the feature is, and some noise."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    maps = {}
    for i, (name, (v, u)) in enumerate(FEATURES.items()):
        jitter = 0.02 * np.random.default_rng(i).standard_normal((count, 2, 1, 1))
        blob = np.exp(
            -(((y - v - jitter[:, 0]) / 0.12) ** 2) - ((x - u - jitter[:, 1]) / 0.25) ** 2
        )
        maps[name] = normalised(blob)
    return maps


def true_masks(count: int = 40) -> dict[str, np.ndarray]:
    """Return for each feature the share of synthetic faces (with it) whose mask has the pixel."""
    latents = sample_latents(count, 5)
    _, bits = render(latents, SIZE)
    shares = {}
    for name in FEATURES:
        inside = (bits & np.uint8(1 << MASKS.index(name))) != 0
        shares[name] = inside[latents[name] == 1].mean(axis=0)
    return shares


def draw_example(count: int = 2) -> Figure:
    images, _ = faces(count)
    maps = feature_maps(count)["Wearing_Hat"]
    changed = changed_images(
        images, maps.mean(axis=0), maps, quantile=0.7, sigma=0.5, rng=np.random.default_rng(0)
    )
    return attribution_example(images, changed, specific=maps, labels=["one", "two"][:count])


def draw_reliability(**kw: tuple) -> Figure:
    bins = fake_bins(**kw)
    return reliability(bins, fake_calibration(bins))


SCHEME_CASES = {
    "full": {},
    "one seed": {"seeds": (0,)},
    "one quantile": {"places": (0.8,)},
    "few schemes": {"kinds": ("vanilla", "noise_general"), "seeds": (0, 1)},
    "baselines": {"kinds": ("vanilla", "balanced")},
    "no original": {"kinds": ("mask_specific",)},
}
MANY = ("Wearing_Hat", "Eyeglasses", "Wearing_Necktie", "Smiling", "Blond_Hair", "Male", "Young")
DRAWN = {
    **{f"noise_types, {n}": lambda kw=kw: noise_types(fake_grid(**kw))
       for n, kw in SCHEME_CASES.items()},
    **{f"quantiles, {n}": lambda kw=kw: quantiles(fake_grid(**kw))
       for n, kw in SCHEME_CASES.items()},
    "noise_types, nothing": lambda: noise_types(fake_grid().head(0)),
    "quantiles, nothing": lambda: quantiles(fake_grid().head(0)),
    "reliability, three": draw_reliability,
    "reliability, one": lambda: draw_reliability(attributes=("Smiling",), seeds=(0,)),
    "reliability, five": lambda: draw_reliability(attributes=MANY[:5], seeds=(0,)),
    "reliability, nothing": lambda: reliability(fake_bins().head(0), fake_calibration(fake_bins())),
    "position_maps, three": lambda: position_maps(fake_positions()),
    "position_maps, one": lambda: position_maps(fake_positions(MANY[:1], 4)),
    "position_maps, seven": lambda: position_maps(fake_positions(MANY)),
    "position_maps, networks": lambda: position_maps(fake_positions(networks=2)),
    "position_maps, nothing": lambda: position_maps(fake_positions().head(0)),
    "attribution_maps, three": lambda: attribution_maps(faces(3)[0], feature_maps(3)),
    "attribution_maps, one": lambda: attribution_maps(
        faces(1)[0], {"Smiling": np.full((1, 9, 9), np.nan)}, labels=["a face"]
    ),
    "mean_attribution_maps, known": lambda: mean_attribution_maps(
        {name: maps.mean(axis=0) for name, maps in feature_maps(3).items()},
        quantile=0.9, image=faces(3)[0].mean(axis=0) / 255, masks=true_masks(),
        region_maps=fake_region_maps(),
    ),
    "mean_attribution_maps, one": lambda: mean_attribution_maps(
        {"age": feature_maps(1, 15)["Eyeglasses"][0]}, quantile=0.7
    ),
    "mean_attribution_maps, seven": lambda: mean_attribution_maps(
        {name: feature_maps(1)["Eyeglasses"][0] for name in MANY}, quantile=0.7
    ),
    "attribution_example, two": draw_example,
    "attribution_example, one": lambda: draw_example(1),
}  # fmt: skip


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
    assert misplaced(figure) == []
    assert smallest(figure) >= 7


def panel(figure: Figure, title: str) -> Axes:
    return next(a for a in figure.axes if a.get_title(loc="left") == title)


def values_of(frame: pd.DataFrame, kind: str, metric: str = "gap") -> np.ndarray:
    return frame.loc[frame["kind"] == kind, metric].to_numpy()


def test_noise_types_show_means_and_intervals_over_seeds() -> None:
    frame = fake_grid(places=(0.7,))
    axes = panel(drawn("noise_types, full"), "Gap |T=1 − T=0|")
    points = [float(li.get_xdata()[0]) for li in axes.lines if len(li.get_xdata()) == 1]
    np.testing.assert_allclose(points, [values_of(frame, kind).mean() for kind in STYLES])
    bars = [c.get_segments()[0][:, 0] for c in axes.collections if c.get_segments()]
    gaps = values_of(frame, "mask_general")
    half = 4.302652729911275 * gaps.std(ddof=1) / 3**0.5  # t(0.975, 2)
    np.testing.assert_allclose(bars[2], [gaps.mean() - half, gaps.mean() + half])


def test_noise_types_take_the_quantile_that_is_nearest() -> None:
    words = texts(noise_types(fake_grid(places=(0.6, 0.9)), quantile=0.8))
    assert "General Mask, q = 0.9" in words
    assert "q = 0.6" not in words


def test_quantiles_show_a_line_per_scheme_and_the_baselines_across() -> None:
    frame = fake_grid()
    axes = panel(drawn("quantiles, full"), "Accuracy, T=1")
    lines = {tuple(np.round(li.get_ydata(), 9)) for li in axes.lines}
    for kind in SCHEMES:
        means = frame[frame["kind"] == kind].groupby("quantile")["accuracy_1"].mean()
        assert tuple(means.round(9)) in lines
    for kind in ("vanilla", "balanced"):
        assert (round(values_of(frame, kind, "accuracy_1").mean(), 9),) * 2 in lines
    for kind in STYLES:
        assert NAMES[kind] in texts(drawn("quantiles, full"))


def test_one_scheme_alone_stands_at_its_quantiles() -> None:
    axes = panel(drawn("quantiles, few schemes"), "Accuracy")
    line = next(li for li in axes.lines if len(li.get_xdata()) == len(QUANTILES))
    np.testing.assert_allclose(line.get_xdata(), QUANTILES)


def test_missing_schemes_have_neither_row_nor_line() -> None:
    for name in ("noise_types", "quantiles"):
        words = texts(drawn(f"{name}, few schemes"))
        assert "General Noise" in words
        assert "Specific" not in words
        assert "Balanced" not in words


def test_too_few_seeds_have_no_interval_and_it_is_said() -> None:
    for name in ("noise_types", "quantiles"):
        assert "no intervals" in texts(drawn(f"{name}, one seed"))
        assert "too few seeds for intervals" in texts(drawn(f"{name}, few schemes"))
    assert np.isnan(interval(np.array([0.1, 0.2]))[1:]).all()


def test_the_strongest_level_and_the_originals_epochs_are_shown() -> None:
    weak, strong = fake_grid(level=0.5), fake_grid(level=-0.9)
    short = weak[weak["kind"] == "vanilla"].assign(method="short", epochs=10, gap=0.9)
    models, name = models_of(
        given({"data_attribution": pd.concat([weak, strong, short])}, level=-0.9)
    )
    assert set(models["level"]) == {-0.9}
    assert name == "Male_by_Wearing_Hat, one_sided = -0.9"
    models, _ = models_of(given({"data_attribution": pd.concat([weak, short])}, level=0.5))
    assert "short" not in set(models["method"])


@hypothesis.given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.lists(st.one_of(st.just(np.nan), st.floats(-2, 3)), max_size=6),
)
def test_all_points_are_in_view(values: list[float], ends: list[float]) -> None:
    low, high = view(np.array(values), np.array(ends))
    assert low < min(values)
    assert max(values) < high


def test_reliability_pools_seeds_by_patches() -> None:
    row = {"study": "s", "dataset": "d", "attribute": "a", "network": "n", "bin": 1}
    row |= {"low": 0.5, "high": 1.0}
    bins = pd.DataFrame(
        [
            {**row, "seed": 0, "n": 10, "confidence": 0.6, "accuracy": 0.5},
            {**row, "seed": 1, "n": 30, "confidence": 0.8, "accuracy": 0.9},
            {**row, "seed": 0, "bin": 0, "low": 0.0, "high": 0.5, "n": 0},
        ]
    )
    axes = reliability(bins, fake_calibration(fake_bins())).axes[0]
    assert [p.get_height() for p in axes.patches] == [pytest.approx((10 * 0.5 + 30 * 0.9) / 40)]


def test_reliability_pales_rare_bins_and_writes_each_classifiers_numbers() -> None:
    figure = drawn("reliability, three")
    bars = figure.axes[0].patches
    shades = {p.get_facecolor() for p in bars}
    assert len(shades) == 2
    assert texts(figure).count("ECE 0.012\naccuracy 0.456\nchance 0.300") == 3


def test_positions_lie_where_the_table_says() -> None:
    table = fake_positions(("Wearing_Hat",), 6)
    shuffled = table.sample(frac=1, random_state=0)
    figure = position_maps(pd.concat([shuffled, shuffled.assign(accuracy=table["accuracy"] + 0.2)]))
    shown = figure.axes[0].images[0].get_array()
    for row in table.to_dict("records"):
        assert shown[row["row"], row["column"]] == pytest.approx(row["accuracy"] + 0.1)
    assert f"{shown.min():.3f} to {shown.max():.3f}" in texts(figure)


def test_a_position_without_patches_is_blank() -> None:
    table = fake_positions(("Wearing_Hat",), 4)
    shown = position_maps(table[table["position"] != 5]).axes[0].images[0].get_array()
    assert np.isnan(np.ma.filled(shown, np.nan)).sum() == 1
    assert np.ma.getmaskarray(shown)[1, 1] or np.isnan(shown[1, 1])


def test_the_known_region_and_its_overlap_are_shown() -> None:
    words = texts(drawn("mean_attribution_maps, known"))
    assert "IoU 0.52\nmass 0.31, area 0.08" in words
    assert words.count("IoU 0") == 1
    assert "highest 10%" in words
    assert "Orange" in words
    assert "Orange" not in texts(drawn("mean_attribution_maps, one"))


@pytest.mark.parametrize("maps", [np.zeros((8, 8)), np.full((8, 8), np.nan)])
def test_maps_without_a_region_have_no_outline(maps: np.ndarray) -> None:
    figure = mean_attribution_maps({"coin": maps}, quantile=0.7)
    assert not figure.axes[0].collections


def test_an_outline_lies_around_its_region() -> None:
    region = np.zeros((10, 20), bool)
    region[2:4, 5:10] = True
    axes = mean_attribution_maps({"a": np.zeros((10, 20))}, quantile=0.7, masks={"a": region}).axes[
        0
    ]
    path = np.concatenate([p.vertices for p in axes.collections[0].get_paths()])
    np.testing.assert_allclose(path.min(axis=0), [5 / 20, 2 / 10], atol=0.03)
    np.testing.assert_allclose(path.max(axis=0), [10 / 20, 4 / 10], atol=0.06)


def test_the_four_changes_pixel_by_pixel() -> None:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    general, specific = rng.random((6, 5)), rng.random((2, 6, 5))
    keywords = {"quantile": 0.7, "sigma": 0.5}
    changed = changed_images(images, general, specific, rng=np.random.default_rng(1), **keywords)
    drawn_noise = np.random.default_rng(1).normal(0, 0.5, images.shape)
    for i, y, x, c in np.ndindex(images.shape):
        value = images[i, y, x, c] / 255
        noisy = min(max(value + drawn_noise[i, y, x, c], 0), 1)
        for of, map_ in (("General", general), ("Specific", specific[i])):
            inside = (map_ < map_[y, x]).sum() >= 0.7 * (map_.size - 1)
            assert changed[f"{of} Mask"][i, y, x, c] == pytest.approx(0.5 if inside else value)
            expected = noisy if inside else value
            assert changed[f"{of} Noise"][i, y, x, c] == pytest.approx(expected, abs=1e-6)


def test_the_example_is_in_the_papers_order() -> None:
    figure = drawn("attribution_example, one")
    titles = [a.get_title().replace("\n", " ") for a in figure.axes]
    schemes = ["General Mask", "Specific Mask", "General Noise", "Specific Noise"]
    assert titles == ["Original", "Specific map", *schemes]
    few = attribution_example(faces(1)[0], {"General Noise": faces(1)[0]})
    assert len(few.axes) == 2


def test_wrong_input_is_refused_and_none_is_said() -> None:
    with pytest.raises(UserError, match="2 maps for 3 images"):
        attribution_maps(faces(3)[0], {"a": np.zeros((2, 4, 4))})
    none = np.zeros((0, 8, 8, 3), np.uint8)
    for figure in (
        attribution_maps(none, {}), attribution_example(none, {}),
        mean_attribution_maps({}, quantile=0.7), drawn("reliability, nothing"),
    ):  # fmt: skip
        assert "no " in texts(figure)


# From files, as the stages leave them


@cache
def pool(folder: Path) -> tuple[dict[str, tuple[Path, ...]], np.ndarray]:
    """Write a pool of synthetic faces and the maps of two attributes; return files and images."""
    latents = sample_latents(60, 4)
    images, bits = render(latents, 32)
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", bits)
    index = latents.assign(row=range(60), image_id=[f"i{i:03d}" for i in range(60)])
    index.to_parquet(folder / "index.parquet")
    meta = {"mask_names": list(MASKS), "n_images": 60, "size": 32}
    write_json(meta, folder / "pool.json")
    files = {"images": ("images.npy",), "masks": ("masks.npy",), "index": ("index.parquet",),
             "pool": ("pool.json",)}  # fmt: skip
    rng = np.random.default_rng(0)
    for name in ("Wearing_Hat", "Wearing_Necktie"):
        (folder / name).mkdir()
        confidence = rng.uniform(0.5, 1, (60, 4, 4)).astype(np.float16)
        np.save(folder / name / "confidence.npy", confidence)
        np.save(folder / name / "mean.npy", confidence.mean(axis=0, dtype=np.float64))
        meta = {"positions": 16, "size": 32, "patch": 8, "attribute": name, "confidence": "maximum"}
        write_json(meta, folder / name / "region.json")
    files["region"] = ("Wearing_Hat/region.json", "Wearing_Necktie/region.json")
    return {name: tuple(folder / path for path in paths) for name, paths in files.items()}, images


def test_single_images_are_those_that_have_each_attribute_with_their_own_maps(
    tmp_path: Path,
) -> None:
    files, images = pool(tmp_path)
    figure = made_up.drawn("attribution_maps", given(over=("dataset",), files=files), images=2)
    index = pd.read_parquet(files["index"][0])
    rows = [int(np.flatnonzero(index[name] == 1)[0]) for name in ("Wearing_Hat", "Wearing_Necktie")]
    assert [a.get_title().replace("\n", "_") for a in figure.axes[:3]] == [
        "image", "Wearing_Hat", "Wearing_Necktie",
    ]  # fmt: skip
    for row, axes in zip(rows, (figure.axes[0], figure.axes[3]), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), images[row])
        assert axes.get_ylabel() == f"i{row:03d}"
    assert "celeba: attribution maps of single images" in texts(figure)


def test_known_regions_are_read_from_the_pools_masks(tmp_path: Path) -> None:
    files, images = pool(tmp_path)
    region_maps = fake_region_maps().assign(dataset="celeba")
    facts = {"attributes": {"Wearing_Hat": {"mask": "Wearing_Hat"}, "Wearing_Necktie": None}}
    what = given({"region_maps": region_maps}, ("dataset",), files=files, of_dataset=facts)
    figure = made_up.drawn("mean_attribution_maps", what)
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), images.mean(axis=0) / 255)
    hat, tie = figure.axes[1:3]
    assert len(hat.collections) == 2  # the map's top and the mask
    assert len(tie.collections) == 1
    bits = np.load(files["masks"][0])
    where = np.flatnonzero((bits & np.uint8(1 << MASKS.index("Wearing_Hat"))).any(axis=(0, 2)))
    path = np.concatenate([p.vertices for p in hat.collections[1].get_paths()])
    assert path[:, 1].min() >= where.min() / 32 - 0.04
    assert path[:, 1].max() <= (where.max() + 1) / 32 + 0.04


def test_examples_are_images_that_have_the_protected_attribute(tmp_path: Path) -> None:
    files, images = pool(tmp_path)
    ours = {**files, "region": files["region"][:1]}
    figure = made_up.drawn("attribution_example", given(over=("task",), files=ours), images=2)
    index = pd.read_parquet(files["index"][0])
    rows = np.flatnonzero(index["Wearing_Hat"] == 1)[:2]
    shown = [figure.axes[0], figure.axes[6]]
    for row, axes in zip(rows, shown, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), images[row])
    assert "Wearing_Hat is hidden" in texts(figure)
