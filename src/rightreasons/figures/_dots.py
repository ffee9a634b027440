"""One dot per image: a metric of its map, beside the decision of the model."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import derive
from rightreasons.figures._given import Given
from rightreasons.metrics.mean_maps import CELLS

MAP = ["level", "seed", "image_id"]
#: What is read of the metrics of a group's images.
READ = [*MAP, "explainer", "target", "protected", "value"]
COLUMNS = [*MAP, "explainer", "target", "protected", "value", "decision", "score"]
RIGHT, WRONG = "#0072B2", "#D55E00"
QUADRANTS = CELLS  # (protected, target), in the order of the mean maps


def dots_of(given: Given, metric: str) -> pd.DataFrame:
    """Return the dots of a drawing's groups (`image_dots`) from their files.

    Of each group's metrics one metric of the original is read; of the original's predictions the
    test images'.

    Parameters
    ----------
    given
        Of a figure that asks for `dots` among its `files`.
    metric
        The metric of images whose values the dots are.
    """
    original = given.roles.original
    chosen = [("metric", "==", metric), ("method", "==", original)]
    metrics = [
        pd.read_parquet(path, columns=READ, filters=chosen) for path in given.files["image_metrics"]
    ]
    made = []
    for path, group in zip(given.files["predictions"], given.groups, strict=True):
        table = pd.read_parquet(path, filters=[("role", "==", "test")])
        made.append(table.assign(level=group.level, seed=group.seed))
    return image_dots(pd.concat(metrics, ignore_index=True), pd.concat(made, ignore_index=True))


def image_dots(metrics: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row per level, seed, explainer and image.

    Parameters
    ----------
    metrics
        One metric of one model a level and seed, by image and explainer.
    predictions
        Those of the same models.

    Returns
    -------
    pandas.DataFrame
        level, seed, image_id, explainer, target, protected, value (of the metric), decision, score
        (P(target = 1)), right (bool), height (in [0, 1), the same wherever the image is). An image
        whose value is missing has no row.

    Raises
    ------
    UserError
        For a map without a prediction.
    """
    maps = metrics.dropna(subset=["value"])
    made = predictions[[*MAP, "decision", "score"]]
    dots = maps.merge(made, how="left", on=MAP, validate="many_to_one")
    if dots["decision"].isna().any():
        lost = dots.loc[dots["decision"].isna(), "image_id"].iloc[0]
        raise UserError(
            f"image {lost!r} has a map but no prediction. Make the predictions and the maps from "
            "the same split."
        )
    heights = {name: height(name) for name in dots["image_id"].unique()}
    return dots[COLUMNS].assign(
        right=dots["decision"].astype(int) == dots["target"].astype(int),
        height=dots["image_id"].map(heights).astype(float),
    )


def height(image_id: str) -> float:
    """Return a number in [0, 1) that depends on the image's name only: dots spread by it."""
    return derive(0, "dots", image_id) / 2**63


def quadrant(dots: pd.DataFrame, protected: int, target: int) -> pd.DataFrame:
    """Return the dots of one protected x target cell."""
    return dots[(dots["protected"] == protected) & (dots["target"] == target)]


def chance_of(dots: pd.DataFrame, controls: Collection[str]) -> float:
    """Return the mean value of the explainers that are noise; NaN where there are none.

    The mean top fraction of random maps is the rectangle's share of the image.
    """
    return float(dots.loc[dots["explainer"].isin(list(controls)), "value"].mean())


def summary(dots: pd.DataFrame) -> str:
    """Return how many dots there are, how many of them are right, and their median."""
    if dots.empty:
        return "no images"
    return f"n {len(dots)}, right {dots['right'].mean():.0%}, median {dots['value'].median():.2f}"


def cell_name(protected: int, target: int) -> str:
    """Return the name of a quadrant."""
    return f"PA={protected}, T={target}"


def levels_of(dots: pd.DataFrame) -> list[float]:
    """Return the levels, ascending."""
    return sorted(float(level) for level in np.unique(dots["level"]))
