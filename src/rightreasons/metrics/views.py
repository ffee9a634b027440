"""Predictions as metrics of the protected, and of the watched attribute take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightreasons.metrics._twins import Twins
from rightreasons.metrics.compute import Array, Attribute

if TYPE_CHECKING:
    import pandas as pd


def watching(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with the watched attribute, and its twins, in place of the protected one.

    Parameters
    ----------
    predictions
        With the columns watched, watched_twin_score and watched_twin_chance.
    """
    new = {"watched": "protected"}
    names = map(str, predictions.columns)
    new |= {n: n.removeprefix("watched_") for n in names if n.startswith("watched_")}
    return predictions.drop(columns=[*new.values()], errors="ignore").rename(columns=new)


def by_attribute(predictions: pd.DataFrame) -> dict[Attribute, pd.DataFrame]:
    """Return predictions as metrics of each attribute take them (`watching`).

    Of the watched attribute only where the task has one.
    """
    views: dict[Attribute, pd.DataFrame] = {"protected": predictions}
    if "watched" in predictions and predictions["watched"].notna().all():
        views["watched"] = watching(predictions)
    return views


def twins_of(predictions: pd.DataFrame, suffix: str = "") -> Twins:
    """Return the predictions on N images and on their twins.

    Parameters
    ----------
    predictions
        A row per image with protected, and score, chance, twin_score and twin_chance, the last
        two missing for an image without a twin.
    suffix
        What the names of these four columns end in.
    """

    def column(name: str) -> Array:
        values = predictions[f"{name}{suffix}"].astype("Float64")
        return values.to_numpy(np.float64, na_value=np.nan)

    return Twins(
        protected=predictions["protected"].to_numpy(),
        score=column("score"),
        twin_score=column("twin_score"),
        chance=column("chance"),
        twin_chance=column("twin_chance"),
    )
