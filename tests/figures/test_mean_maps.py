"""Mean maps: what they average, their scale, their outlines."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from drawing import misplaced, texts
from fake_tables import (
    fake_part,
)
from rightreasons.figures._signed_maps import average, rectangle
from rightreasons.metrics.mean_maps import mean_maps
from rightreasons.metrics.measures import MapSet
from study_drawn import draw_mean_maps


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


def test_below_each_map_stands_its_mean_inside_the_region() -> None:
    """Two seeds by hand: the mean of both and Student's interval with one degree of freedom."""
    parts = [cells_part(), cells_part()]
    parts[1]["map/lrp/vanilla"] = parts[1]["map/lrp/vanilla"] * 0.5
    figure = draw_mean_maps(parts, ("vanilla",))
    reach = 12.706 * 0.25  # t(0.975, 1) times the standard error of 1 and 0.5
    for axes in figure.axes[4:8]:
        sign = 1 if "PA=1" in axes.get_title() or axes.images[0].get_array()[0, 0] > 0 else -1
        numbers = [float(n) for n in re.findall(r"[-+]\d\.\d+", axes.get_xlabel())]
        ends = sorted([sign * 0.75 - reach, sign * 0.75 + reach])
        np.testing.assert_allclose(numbers, [sign * 0.75, *ends], atol=2e-3)
    alone = draw_mean_maps(parts[:1], ("vanilla",)).axes[4:8]
    assert {axes.get_xlabel() for axes in alone} == {"+1.000", "-1.000"}


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
