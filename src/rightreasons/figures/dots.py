"""One dot per image: a metric of its map, beside the decision of the model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import derive
from rightreasons.metrics.measures import CELLS

MAP = ["level", "seed", "image_id"]
COLUMNS = [*MAP, "explainer", "target", "protected", "value", "decision", "score"]
RIGHT, WRONG = "#0072B2", "#D55E00"
QUADRANTS = CELLS  # (protected, target), in the order of the mean maps


def image_dots(
    image_metrics: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    task: str,
    design: str,
    method: str = "vanilla",
    metric: str = "top_fraction",
) -> pd.DataFrame:
    """Return a row per level, seed, explainer and image of a task, design and method.

    Columns: level, seed, image_id, explainer, target, protected, value (of `metric`), decision,
    score (P(target = 1)), right (bool), height (in [0, 1), the same wherever the image is). An
    image whose value is missing has no row. Raises UserError for a map without a prediction.
    """
    maps = _of(image_metrics, task, design, method)
    maps = maps[maps["metric"] == metric].dropna(subset=["value"])
    made = _of(predictions, task, design, method)[[*MAP, "decision", "score"]]
    dots = maps.merge(made, how="left", on=MAP, validate="many_to_one")
    if dots["decision"].isna().any():
        lost = dots.loc[dots["decision"].isna(), "image_id"].iloc[0]
        raise UserError(
            f"{task}, {design}, {method}: image {lost!r} has a map but no prediction. Make the "
            "predictions and the maps from the same split."
        )
    heights = {name: height(name) for name in dots["image_id"].unique()}
    return dots[COLUMNS].assign(
        right=dots["decision"].astype(int) == dots["target"].astype(int),
        height=dots["image_id"].map(heights).astype(float),
    )


def read_groups(
    image_metrics: Sequence[str | Path],
    predictions: Sequence[str | Path],
    groups: Sequence[Mapping[str, str]],
    *,
    method: str = "vanilla",
    metric: str = "top_fraction",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return tables for `image_dots` from the files of single groups.

    image_metrics: each group's, of which one metric and method is read; predictions: the method's
    in each group, without the columns of its key; of these the test images are kept.
    """
    chosen = [("metric", "==", metric), ("method", "==", method)]
    metrics = [pd.read_parquet(path, filters=chosen) for path in image_metrics]
    made = []
    for path, group in zip(predictions, groups, strict=True):
        table = pd.read_parquet(path, filters=[("role", "==", "test")])
        key: dict[str, Any] = {**group, "level": float(group["level"]), "seed": int(group["seed"])}
        made.append(table.assign(**key, method=method))
    return pd.concat(metrics, ignore_index=True), pd.concat(made, ignore_index=True)


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


def _of(table: pd.DataFrame, task: str, design: str, method: str) -> pd.DataFrame:
    ours = (table["task"] == task) & (table["design"] == design) & (table["method"] == method)
    return table[ours]
