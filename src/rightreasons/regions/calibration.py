"""Is a patch classifier right as often as it says? Over all patches, and position by position.

Bins have equal widths on [0, 1] and are (b / B, (b + 1) / B], as those of the metric `ece`; 0
belongs to the first. Confidence is the maximum of the softmax.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError

#: Patches that are binned at a time.
CHUNK = 2**20


def ece(confidence: np.ndarray, correct: np.ndarray, bins: int = 100) -> float:
    """Return the expected calibration error: sum over bins of n_b / n |accuracy_b - confidence_b|.

    Parameters
    ----------
    confidence : in [0, 1]
        Of each patch.
    correct
        0 or 1, of the same shape.
    bins
        Number of bins of equal width. Empty ones count nothing.

    Returns
    -------
    float
        In [0, 1]; NaN without any patch.

    Raises
    ------
    UserError
        For shapes that differ, no bins, and confidences outside [0, 1] or NaN.

    References
    ----------
    Naeini et al. 2015; Guo et al. 2017, eq. 3.
    """
    counts, sums, hits = _sums(confidence.ravel(), correct.ravel(), bins)
    return float(np.abs(hits - sums).sum() / counts.sum()) if counts.sum() else math.nan


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = 100) -> pd.DataFrame:
    """Return what a reliability diagram shows.

    Parameters
    ----------
    confidence, correct, bins
        As for `ece`.

    Returns
    -------
    DataFrame
        One row per bin: bin, low, high, n, mean confidence, accuracy (both NaN where n is 0).
    """
    counts, sums, hits = _sums(confidence.ravel(), correct.ravel(), bins)
    filled = np.where(counts > 0, counts, np.nan)
    edges = np.arange(bins + 1) / bins
    return pd.DataFrame(
        {
            "bin": np.arange(bins),
            "low": edges[:-1],
            "high": edges[1:],
            "n": counts,
            "confidence": sums / filled,
            "accuracy": hits / filled,
        }
    )


def by_position(confidence: np.ndarray, correct: np.ndarray, bins: int = 100) -> pd.DataFrame:
    """Return how well a patch classifier is calibrated at each position.

    Parameters
    ----------
    confidence, correct : (N, p)
        The positions of a square grid row by row.
    bins
        As for `ece`.

    Returns
    -------
    DataFrame
        One row per position: position, row, column, n, accuracy, ece.

    Raises
    ------
    UserError
        If p is no square, and as `ece`.
    """
    n, p = confidence.shape
    grid = math.isqrt(p)
    if grid * grid != p:
        raise UserError(f"calibration: {p} positions are no square grid.")
    position = np.arange(p)
    return pd.DataFrame(
        {
            "position": position,
            "row": position // grid,
            "column": position % grid,
            "n": n,
            "accuracy": correct.mean(axis=0) if n else np.full(p, np.nan),
            "ece": [ece(confidence[:, i], correct[:, i], bins) for i in range(p)],
        }
    )


def _sums(
    confidence: np.ndarray, correct: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count, summed confidence and number of right answers of each bin."""
    if confidence.shape != correct.shape:
        raise UserError(
            f"calibration: {confidence.size} confidences, but {correct.size} answers to them."
        )
    if bins < 1:
        raise UserError(f"calibration: bins = {bins}, but at least 1 is needed.")
    counts, sums, hits = np.zeros(bins, np.int64), np.zeros(bins), np.zeros(bins)
    for start in range(0, len(confidence), CHUNK):
        part = confidence[start : start + CHUNK].astype(np.float64)
        if not ((part >= 0) & (part <= 1)).all():
            raise UserError("calibration: confidences must be between 0 and 1, and not NaN.")
        place = np.clip(np.ceil(part * bins).astype(np.int64) - 1, 0, bins - 1)
        counts += np.bincount(place, minlength=bins)
        np.add.at(sums, place, part)  # one after the other: sums do not depend on CHUNK
        np.add.at(hits, place, correct[start : start + CHUNK].astype(np.float64))
    return counts, sums, hits
