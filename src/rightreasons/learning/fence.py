"""A pool of which some rows can be read and no other. No torch here."""

from __future__ import annotations

from typing import Any

import numpy as np

from rightreasons.core.errors import UserError


class Fenced:
    """Images of a pool, of which only some can be read.

    Indexed as the pool is; it keeps the pool's row numbers. It guards against mistakes, such as a
    method that looks at test images, and not against malice.

    Parameters
    ----------
    pool : uint8 (M, H, W, 3)
        Anything that a pool's images are.
    rows : (n,)
        The rows that can be read.

    Raises
    ------
    UserError
        When another row is asked for.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, pool: Any, rows: np.ndarray) -> None:
        self.shape: tuple[int, ...] = tuple(pool.shape)
        self.open = np.zeros(len(pool), bool)
        self.open[np.asarray(rows, np.int64)] = True
        self.open.flags.writeable = False
        self._pool = pool

    def __len__(self) -> int:
        return len(self.open)

    def __getitem__(self, which: slice | np.ndarray | int) -> np.ndarray:
        closed = np.atleast_1d(~self.open[which])
        if closed.any():
            raise UserError(
                f"{int(closed.sum())} of {closed.size} images asked for are not this method's: "
                "they are test images, images for choosing parameters, or in no role of the "
                "split. Ask for images by their role."
            )
        return np.asarray(self._pool[which])

    def __array__(self, *arguments: Any, **options: Any) -> np.ndarray:
        """Refuse to be read whole."""
        raise UserError("a method cannot read the whole pool. Ask for images by their role.")
