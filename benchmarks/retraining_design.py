"""The design `phi` with the same split for all seeds: seeds are training runs and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.splits import DESIGNS
from rightreasons.splits.phi_design import PhiParams, phi_split


@DESIGNS.register(
    "phi_once",
    title="Yule's phi, one split for all seeds",
    paper="none: a null study of the suite's",
    params=PhiParams,
    symbol="φ",
)
def phi_once(
    labels: pd.DataFrame, level: float, params: PhiParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the split of `phi` that seed 0 of anything would draw; `rng` is left alone."""
    return phi_split(labels, level, params, np.random.default_rng(0))
