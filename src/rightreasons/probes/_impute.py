"""Filling in pixels from those around them, as ROAD does it."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
#: Weights of the neighbours, by rows and columns away.
WEIGHTS = {
    **dict.fromkeys([(0, 1), (1, 0), (0, -1), (-1, 0)], 1 / 6),
    **dict.fromkeys([(1, 1), (1, -1), (-1, 1), (-1, -1)], 1 / 12),
}


def impute(image: Array, hidden: Array) -> Array:
    """Return an image whose hidden pixels are weighted means of their neighbours, hidden ones too.

    Direct neighbours weigh 1/6, diagonal ones 1/12; at the border the weights of those that there
    are are scaled to a sum of 1. All hidden pixels are solved for together.

    Parameters
    ----------
    image : (C, H, W)
        The image.
    hidden : bool (H, W)
        What is to be filled in; not all.

    Returns
    -------
    ndarray
        float64 (C, H, W).

    References
    ----------
    Rong et al. 2022, A Consistent and Efficient Evaluation Strategy for Attribution Methods, 4.2.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import splu

    if not hidden.any():
        return image.astype(np.float64)
    number = np.full(hidden.shape, -1)
    number[hidden] = np.arange(hidden.sum())
    padded = np.pad(number, 1, constant_values=-1)
    inside = np.pad(np.ones_like(hidden), 1)
    values = np.pad(np.where(hidden, 0, image).astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    row, column = np.nonzero(hidden)
    own = np.arange(len(row))
    total, given = np.zeros(len(row)), np.zeros((len(row), len(image)))
    entries = []
    for (down, right), weight in WEIGHTS.items():
        there = (row + 1 + down, column + 1 + right)
        other = padded[there]
        total += weight * inside[there]
        given += weight * values[:, there[0], there[1]].T
        unknown = other >= 0
        entries.append((own[unknown], other[unknown], np.full(unknown.sum(), -weight)))
    rows, columns, data = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = coo_array(
        (
            np.concatenate([data, total]),
            (np.concatenate([rows, own]), np.concatenate([columns, own])),
        )
    )
    filled = image.astype(np.float64)
    filled[:, hidden] = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A").solve(given).T
    return filled
