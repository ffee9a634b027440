"""Dots of single images by what the network decides and where its map lies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from drawing import texts
from rightreasons.core.errors import UserError
from rightreasons.figures._dots import RIGHT, WRONG, chance_of, height
from watermark import (
    LEVELS,
    fake_images,
)
from watermark_drawn import (
    CELLS,
    drawn,
    image_dots,
    images,
    quadrants,
)


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
