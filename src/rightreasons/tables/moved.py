"""Thresholds that cost no training: the decisions of the same scores by another rule."""

from __future__ import annotations

import numpy as np
import pandas as pd

Array = np.ndarray

HALF = 0.5  # the threshold of a network that nothing was chosen for


def moved(predictions: pd.DataFrame, policy: str) -> pd.DataFrame:
    """Return the predictions on test images by another threshold.

    Parameters
    ----------
    predictions
        All of a model's: role, target, score, chance, twin_score, twin_chance.
    policy
        own: as they are. base_rate: as many decisions 1 on debias images as there are labels 1
        among them. youden: the threshold of the best balanced accuracy on select images, on debias
        images where there are none; of several the one nearest 0.5.

    Returns
    -------
    DataFrame
        The rows of the role test with `chance` and `twin_chance` by the threshold. A model whose
        own decisions are not those of the threshold 0.5 keeps them: it chose them.
    """
    test = predictions[predictions["role"] == "test"]
    if policy == "own" or not decides_at_half(predictions):
        return test
    roles = ("debias",) if policy == "base_rate" else ("select", "debias")
    role = next((r for r in roles if (predictions["role"] == r).any()), None)
    if role is None:
        return test
    known = predictions[predictions["role"] == role]
    choose = base_rate if policy == "base_rate" else youden
    threshold = choose(known["score"].to_numpy(), known["target"].to_numpy())
    twin = test["twin_score"].to_numpy(np.float64)
    return test.assign(
        chance=(test["score"] >= threshold).astype(np.float64),
        twin_chance=np.where(np.isnan(twin), np.nan, twin >= threshold),
    )


def decides_at_half(predictions: pd.DataFrame) -> bool:
    """Return whether all decisions are those of the threshold 0.5."""
    return bool(((predictions["score"] >= HALF) == predictions["chance"]).all())


def base_rate(score: Array, target: Array) -> float:
    """Return the threshold that as many scores (N,) reach as there are targets 1.

    Halfway between two scores; 2 where there is no 1 (nothing reaches it), 0 where all are.
    """
    ones = int(np.count_nonzero(target == 1))
    falling = np.concatenate([[2.0], np.sort(score)[::-1], [0.0]])
    if ones == 0 or ones == len(score):
        return 2.0 if ones == 0 else 0.0
    return float(falling[ones] + falling[ones + 1]) / 2


def youden(score: Array, target: Array) -> float:
    """Return the threshold with the best balanced accuracy on scores (N,); 0.5 without a choice.

    References
    ----------
    Youden 1950, "Index for rating diagnostic tests".
    """
    distinct = np.unique(score)
    thresholds = (distinct[:-1] + distinct[1:]) / 2
    if len(thresholds) == 0 or len(np.unique(target)) < 2:
        return HALF
    rates = [
        1 - np.searchsorted(np.sort(score[target == y]), thresholds) / np.count_nonzero(target == y)
        for y in (0, 1)
    ]
    gain = np.round(rates[1] - rates[0], 12)
    best = thresholds[gain == gain.max()]
    return float(best[np.abs(best - HALF).argmin()])
