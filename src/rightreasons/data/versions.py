"""Tables of images that are there twice: without and with one attribute."""

from __future__ import annotations

import numpy as np
import pandas as pd


def twice(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a table of images without an attribute, and below it the same with it.

    Parameters
    ----------
    table
        image_id, identity and whatever else; one row per image.
    name
        The attribute's name.

    Returns
    -------
    DataFrame
        2N rows, with a 0/1 column called `name`. Image ids with the attribute end in `+name`; both
        versions have one identity, so that no split parts them.
    """
    identity = table["identity"].where(table["identity"].notna(), "image " + table["image_id"])
    without = table.assign(identity=identity, **{name: np.int8(0)})
    carries = without.assign(image_id=without["image_id"] + f"+{name}", **{name: np.int8(1)})
    return pd.concat([without, carries], ignore_index=True)
