"""Predictions on images and on their twins, in which only the protected attribute is switched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Twins:
    """N images and their twins. NaN stands for an image without a twin.

    Parameters
    ----------
    protected : (N,)
        The image's protected attribute, 0 or 1 (the twin has the other).
    score, twin_score : (N,), in [0, 1]
        P(target = 1).
    chance, twin_chance : (N,), in [0, 1]
        How often 1 is decided: 0 or 1 unless a lottery decides, of which image and twin have the
        same draw.
    """

    protected: Array
    score: Array
    twin_score: Array
    chance: Array
    twin_chance: Array
