"""Labels of images for tests of splits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.splits import CELLS


def labels_of(counts: tuple[int, ...], identities: list[str | None] | None = None) -> pd.DataFrame:
    """Rows with the given (n11, n10, n01, n00)."""
    pairs = [cell for cell, count in zip(CELLS, counts, strict=True) for _ in range(count)]
    protected, target = np.array(pairs, np.int8).reshape(-1, 2).T
    number = np.arange(len(pairs))
    return pd.DataFrame(
        {
            "row": number,
            "image_id": [f"{k:05d}" for k in number],
            "identity": pd.array(identities or [None] * len(pairs), dtype="string"),
            "target": target,
            "protected": protected,
        }
    )
