"""The page of dots: its pictures, its data, and what a browser makes of it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from browser import Browser, chromium
from rightreasons.core.errors import UserError
from rightreasons.figures._dots import RIGHT, WRONG, chance_of, image_dots
from rightreasons.figures._page_data import choose_images, column, maps_of_images, page_columns
from rightreasons.figures._pictures import IMAGE_SIDE, MAP_SIDE, image_uri, map_uri
from rightreasons.figures.page import NOT_SHOWN, WIDTH, page_of
from rightreasons.metrics.measures import MapSet
from watermark import PLACE, SIZE, fake_images, fake_maps

LEVELS = (0.0, 1.0)
EXPLAINERS = ("gradient", "random")
N = 3  # images a quadrant
ROI = np.zeros((SIZE, SIZE), bool)
ROI[PLACE] = True


def decoded(uri: str) -> np.ndarray:
    """Return the pixels (H, W, 3) of a data URI."""
    assert uri.startswith("data:image/png;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB")).astype(int)


class Doubled:
    """A pool whose rows N to 2N - 1 are its images with a white patch, as artifacts are read."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        out = np.array(self.images[rows % len(self.images)])
        out[rows >= len(self.images), *PLACE] = 255
        return out


@cache
def dots() -> pd.DataFrame:
    metrics, predictions = fake_images(LEVELS, (0,), EXPLAINERS, N)
    ours = metrics[(metrics["metric"] == "top_fraction") & (metrics["method"] == "vanilla")]
    return image_dots(ours, predictions[predictions["method"] == "vanilla"])


@cache
def chosen() -> pd.DataFrame:
    """Return the images of the page; the version with the watermark is N rows further on."""
    table = dots().drop_duplicates("image_id")[["image_id", "target", "protected"]]
    plain = table["image_id"].str.removesuffix("+watermark")
    rows = plain.map({name: i for i, name in enumerate(plain.unique())})
    return table.assign(row=rows + 2 * N * table["protected"]).reset_index(drop=True)


@cache
def maps() -> dict[tuple[float, str], np.ndarray]:
    found = fake_maps(chosen()["image_id"].tolist(), LEVELS, EXPLAINERS)
    return {(level, e): found[level, e] for e in EXPLAINERS for level in LEVELS}


@cache
def pool() -> Doubled:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2 * N, 4, 4, 3), dtype=np.uint8)
    return Doubled(coarse.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2))


@cache
def html(shown: bool = True) -> str:
    return page_of(
        dots(),
        chosen(),
        maps(),
        images=pool() if shown else None,
        roi=ROI,
        title="cat_by_<watermark>",
        metric="Top fraction",
        chance=chance_of(dots(), ["random"]),
    )


# Pictures


def test_an_image_keeps_its_looks_and_gets_small() -> None:
    y, x = np.mgrid[0:200, 0:300]
    image = np.stack([y, x // 2, 128 + 0 * x], axis=2).clip(0, 255).astype(np.uint8)
    small = decoded(image_uri(image))
    assert small.shape == (64, IMAGE_SIDE, 3)
    factor = 300 / IMAGE_SIDE
    for row, column_ in ((0, 0), (20, 70), (63, 95)):
        expected = [(row + 0.5) * factor, (column_ + 0.5) * factor / 2, 128]
        np.testing.assert_allclose(small[row, column_], expected, atol=16)
    few = np.array([[[255, 0, 0], [0, 0, 255]], [[0, 255, 0], [9, 9, 9]]], np.uint8)
    np.testing.assert_array_equal(decoded(image_uri(few)), few)


def test_a_map_is_red_for_and_blue_against_by_its_own_peak() -> None:
    map_ = np.zeros((8, 8), np.float32)
    map_[1, 2], map_[3, 4], map_[5, 6] = 2e-9, -2e-9, 1e-9
    for scale in (1, 1e9):
        red, green, blue = np.moveaxis(decoded(map_uri(map_ * scale)), 2, 0)
        assert (red - blue)[1, 2] > 60
        assert (blue - red)[3, 4] > 60
        assert 0 < (red - blue)[5, 6] < 200
        assert green[1, 2] < green[5, 6] < green[0, 0]
        assert (red[0, 0], green[0, 0], blue[0, 0]) == pytest.approx((247, 247, 247), abs=3)
    assert len(np.unique(decoded(map_uri(0 * map_)).reshape(-1, 3), axis=0)) == 1


def test_a_large_map_is_averaged_and_shown_by_its_new_peak() -> None:
    assert decoded(map_uri(np.ones((192, 128)))).shape == (MAP_SIDE, 43, 3)
    small = np.random.default_rng(0).integers(-7, 8, (MAP_SIDE, MAP_SIDE)).astype(float)
    small[0, 0] = 7
    large = np.kron(small, np.ones((2, 2)))
    large += np.kron(np.ones_like(small), [[9.0, -9.0], [-9.0, 9.0]])  # averages to nothing
    np.testing.assert_array_equal(decoded(map_uri(large)), decoded(map_uri(small)))


def test_the_outline_is_black_and_just_outside_the_region() -> None:
    roi = np.zeros((10, 12), bool)
    roi[3:6, 4:8] = True
    black = (decoded(map_uri(np.ones((10, 12)), roi)) == 0).all(axis=2)
    expected = np.zeros((10, 12), bool)
    expected[2:7, 3:9] = True
    expected[3:6, 4:8] = False
    np.testing.assert_array_equal(black, expected)
    for nothing in (np.ones((10, 12), bool), np.zeros((10, 12), bool)):
        assert not (decoded(map_uri(np.ones((10, 12)), nothing)) == 0).all(axis=2).any()


# Data


def map_set(names: list[str], explainers: tuple[str, ...] = EXPLAINERS) -> MapSet:
    """Return maps whose every pixel is the image's number, plus 100 per explainer."""
    values = np.arange(len(names)) + 100 * np.arange(len(explainers))[:, None]
    rows = chosen().set_index("image_id").loc[names].reset_index()
    index = pd.concat([rows.assign(explainer=e) for e in explainers], ignore_index=True)
    return MapSet(values[:, :, None, None] * np.ones((1, 1, 2, 3)), index)


def test_a_page_takes_a_quarter_of_each_quadrant_that_has_maps_at_every_level() -> None:
    names = chosen()["image_id"].tolist()
    sets = {0.0: [map_set(names[::-1])], 1.0: [map_set(names[1:])]}
    few = choose_images(sets, 8)
    assert few.groupby(["protected", "target"]).size().to_dict() == dict.fromkeys(
        [(0, 0), (0, 1), (1, 0), (1, 1)], 2
    )
    every = choose_images(sets, 100)
    assert set(every["image_id"]) == set(names[1:])
    for cell, kept in few.groupby(["protected", "target"]):
        ours = [
            row for row in every.to_dict("records") if (row["protected"], row["target"]) == cell
        ]
        ids = [row["image_id"] for row in ours]
        assert kept["image_id"].tolist() == sorted(ids, key=names[::-1].index)[:2]
    with pytest.raises(UserError, match="no image has maps at every level"):
        choose_images({0.0: [map_set(names[:2])], 1.0: [map_set(names[2:])]}, 8)


def test_maps_are_those_of_the_images_in_the_order_asked_for() -> None:
    names = chosen()["image_id"].tolist()
    sets = {level: [map_set(names[level:]), map_set(names, ("lrp", "edges"))] for level in (0, 1)}
    found = maps_of_images(sets, [names[3], names[1]], ["edges", "random", "gradient"])
    assert list(found) == [(v, e) for e in ("edges", "random", "gradient") for v in (0, 1)]
    values = {key: maps_[:, 0, 0].tolist() for key, maps_ in found.items()}
    assert values[0, "gradient"] == [3, 1]
    assert values[1, "gradient"] == [2, 0]
    assert values[1, "random"] == [102, 100]
    assert values[1, "edges"] == [103, 101]


def test_the_columns_hold_what_belongs_to_each_image() -> None:
    gone = (dots()["image_id"] == chosen()["image_id"][0]) & (dots()["explainer"] == "gradient")
    data = page_columns(dots()[~gone], chosen(), maps(), pool(), ROI)
    for i, row in enumerate(chosen().to_dict("records")):
        assert data["image"][i] == image_uri(pool()[np.array([row["row"]])][0])
        for level, explainer in maps():
            ours = dots()[(dots()["level"] == level) & (dots()["image_id"] == row["image_id"])]
            made, *_ = ours[ours["explainer"] == explainer].to_dict("records")
            value = data[column("value", level, explainer)][i]
            if i == 0 and explainer == "gradient":
                assert np.isnan(value)
            else:
                assert value == made["value"]
            assert data[column("score", level)][i] == made["score"]
            assert data[column("decision", level)][i] == made["decision"]
            assert data[column("right", level)][i] == ("right" if made["right"] else "wrong")
            assert data["height"][i] == made["height"]
            picture = map_uri(maps()[level, explainer][i], ROI)
            assert data[column("map", level, explainer)][i] == picture
    assert "image" not in page_columns(dots(), chosen(), maps(), None, None)


def test_every_picture_is_in_the_file_once_and_images_only_where_they_may_be() -> None:
    images = [image_uri(image) for image in pool()[chosen()["row"].to_numpy()]]
    pictures = [map_uri(map_, ROI) for of_images in maps().values() for map_ in of_images]
    assert len(images) == 4 * N
    assert len(pictures) == 4 * N * 4
    assert {html().count(uri) for uri in images + pictures} == {1}
    assert {html(shown=False).count(uri) for uri in images} == {0}
    assert {html(shown=False).count(uri) for uri in pictures} == {1}
    assert NOT_SHOWN in html(shown=False)
    assert NOT_SHOWN not in html()
    assert "cat_by_<watermark>" not in html().partition("<body>")[2]


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


def opened(browser: Browser, folder: Path, shown: bool = True) -> list[str]:
    path = folder / "page.html"
    path.write_text(html(shown), encoding="utf-8")
    return browser.open(path)


def expected_dots(panel: dict[str, Any]) -> pd.DataFrame:
    """Return the rows that a panel must show, in the order of the page's images."""
    _, level, explainer = panel["field"].split()
    protected, target = map(int, re.findall(r"PA=(\d), T=(\d)", panel["title"])[0])
    ours = dots()[(dots()["level"] == float(level)) & (dots()["explainer"] == explainer)]
    return ours[(ours["protected"] == protected) & (ours["target"] == target)]


def test_every_dot_is_drawn_in_its_place_and_colour(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path)
    panels = browser.panels("gradient")
    assert len(panels) == 2 * 4
    pixels, colors = browser.pixels().astype(int), {True: RIGHT, False: WRONG}
    for panel in panels:
        rows = expected_dots(panel)
        assert len(panel["x"]) == N
        order = np.argsort(rows["value"])
        np.testing.assert_array_equal(np.argsort(panel["x"]), order)
        np.testing.assert_array_equal(np.argsort(panel["y"]), np.argsort(-rows["height"]))
        for x, y, right in zip(panel["x"], panel["y"], rows["right"], strict=True):
            wanted = [int(colors[right][i : i + 2], 16) for i in (1, 3, 5)]
            near = pixels[round(y) - 5 : round(y) + 6, round(x) - 5 : round(x) + 6]
            assert np.abs(near - wanted).sum(axis=2).min() < 30


def test_no_title_is_wider_than_its_panel(browser: Browser, tmp_path: Path) -> None:
    """Bokeh cuts a title that is; 7 px is a wide letter at 11 px, bold."""
    opened(browser, tmp_path)
    for panel in browser.panels("gradient"):
        first, second = panel["title"].split("\n")
        assert re.fullmatch(r"level [01], PA=[01], T=[01]", first)
        assert re.fullmatch(r"n 3, right \d+%, median \d\.\d\d", second)
        assert 7 * max(len(first), len(second)) < WIDTH


def test_a_dot_shows_its_image_and_map_under_the_mouse(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path)
    names = chosen()["image_id"].tolist()
    for explainer in EXPLAINERS:
        browser.open_tab(explainer)
        for panel in (browser.panels(explainer)[i] for i in (1, 6)):
            row = expected_dots(panel).iloc[0]
            tooltip = browser.hover(panel["x"][0], panel["y"][0])
            i = names.index(row["image_id"])
            image = pool()[chosen()["row"].to_numpy()][i]
            map_ = maps()[row["level"], explainer][i]
            assert tooltip["images"] == {"image": image_uri(image), "map": map_uri(map_, ROI)}
            word = "right" if row["right"] else "wrong"
            assert tooltip["text"] == (
                f"{row['image_id']}decided T={row['decision']}: {word}, P(T=1) {row['score']:.2f}"
                f"Top fraction of {explainer}: {row['value']:.3f}"
            )


def test_hidden_images_are_said_to_be_hidden(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, shown=False)
    panel = browser.panels("gradient")[0]
    tooltip = browser.hover(panel["x"][0], panel["y"][0])
    assert list(tooltip["images"]) == ["map"]
    assert NOT_SHOWN in tooltip["text"]


def test_all_quadrants_move_together(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path)
    first, *_ = before = browser.panels("gradient")
    x, y = first["x"][0] + 60, min(first["y"]) + 15
    browser.drag((x, y), (x + 50, y))
    browser.wait(lambda: browser.panels("gradient")[0]["range"] != first["range"])
    after = {tuple(panel["range"]) for panel in browser.panels("gradient")}
    assert len({tuple(panel["range"]) for panel in before}) == len(after) == 1
    assert after.pop()[0] < first["range"][0]


def test_nothing_is_asked_of_the_network(browser: Browser, tmp_path: Path) -> None:
    asked = opened(browser, tmp_path)
    panel = browser.panels("gradient")[0]
    browser.hover(panel["x"][0], panel["y"][0])
    asked += browser.requests()
    assert asked[0].startswith("file://")
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert sum(url.startswith("file:") for url in asked) == 1
    # The log would tell: a page that does ask is found out.
    other = tmp_path / "other.html"
    other.write_text('<img src="http://127.0.0.1:9/picture.png">')
    assert "http://127.0.0.1:9/picture.png" in browser.open(other)
