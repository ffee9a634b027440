"""Which images of a pool a task's patch classifier may see. No torch here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.splits import HELD_OUT


def open_rows(index: pd.DataFrame, splits: list[pd.DataFrame]) -> np.ndarray:
    """Return the rows of a pool that are held out in no split, and whose person is not.

    Parameters
    ----------
    index
        The pool's index.
    splits
        row and role. Rows from N on are those with an artifact: the same photographs.

    Returns
    -------
    ndarray
        int64 (n,), sorted.

    Raises
    ------
    UserError
        Where every image is held out.
    """
    held = np.zeros(len(index), bool)
    for split in splits:
        held[split.loc[split["role"].isin(HELD_OUT), "row"].to_numpy() % len(index)] = True
    people = index["identity"]
    held |= (people.notna() & people.isin(people[held].dropna())).to_numpy()
    if held.all():
        raise UserError(
            "every image of the pool, or of its person, is a test image at some level: none is "
            "left for the patch classifier. Use a smaller share of test images."
        )
    return np.flatnonzero(~held)


def check_fenced(confidence: np.ndarray, split: pd.DataFrame, folder: Path) -> None:
    """Refuse attribution maps that were made with images that a cell holds out.

    Parameters
    ----------
    confidence : (N, g, g)
        Of the pool, NaN for images that the patch classifier was kept from.
    split
        The cell's split.
    folder
        Where the maps lie, for the error.

    Raises
    ------
    UserError
        Where a held-out image has a map.
    """
    held = split.loc[split["role"].isin(HELD_OUT), "row"].to_numpy() % len(confidence)
    seen = int(np.isfinite(np.asarray(confidence[np.sort(held)], np.float32)).any((1, 2)).sum())
    if seen:
        raise UserError(
            f"{folder} was made with {seen} images that this cell holds out. Its design says that "
            "all seeds hold out the same images (`held_out: fixed`), and this seed's differ. Use "
            "`held_out: per_seed`."
        )
