"""Maps of a model beside those of two networks trained without a shortcut, region by region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.metrics._intensity import chunks
from rightreasons.metrics._located import ReferenceMaps, Sign

Array = np.ndarray

#: The networks of the region-rank audit, by the column of the split that they learn.
WITNESSES: dict[str, Literal["target", "protected"]] = {
    "baseline": "target",
    "predictor": "protected",
}


@dataclass(frozen=True, eq=False)
class WitnessedMaps:
    """N maps of a model, and the maps of the same images by both witnesses.

    Parameters
    ----------
    maps : float32 (N, H, W)
        Signed relevance, memory-mapped perhaps.
    protected : (N,)
        0 or 1.
    baseline, predictor
        The witnesses' maps.
    """

    maps: Array
    protected: Array
    baseline: ReferenceMaps
    predictor: ReferenceMaps

    def ranks(self, grid: int, sign: Sign) -> tuple[Array, Array]:
        """Return the ranks of regions by relevance.

        Parameters
        ----------
        grid
            Regions along each side, at most as many as pixels.
        sign
            Which relevance counts.

        Returns
        -------
        ranks : float64 (3, N, R)
            Of the model, the baseline and the predictor: each image's regions by their mean
            relevance, 1 for the least; tied ones have their mean rank.
        known : bool (N,)
            Which images have a map by all three that is not the same everywhere.

        Raises
        ------
        UserError
            Where the networks' maps differ in size.
        """
        from scipy.stats import rankdata

        regions = np.prod([min(grid, side) for side in self.maps.shape[1:]])
        means = np.full((3, len(self.maps), regions), np.nan)
        for model, (places, maps) in enumerate(self._places()):
            found = np.flatnonzero(places >= 0)
            for part in chunks((len(found), *maps.shape[1:])):
                which = found[part]
                means[model, which] = region_means(maps[places[which]], grid, sign)
        known = ~np.isnan(means).any(axis=(0, 2)) & (np.ptp(means, axis=2) > 0).all(axis=0)
        ranks = np.full_like(means, np.nan)
        ranks[:, known] = rankdata(means[:, known], axis=2)
        return ranks, known

    def _places(self) -> Iterator[tuple[Array, Array]]:
        yield np.arange(len(self.maps)), self.maps
        for other in (self.baseline, self.predictor):
            if other.maps.shape[1:] != self.maps.shape[1:]:
                raise UserError(
                    f"the maps have {self.maps.shape[1:]} pixels, those of the networks that they "
                    f"are compared with {other.maps.shape[1:]} (rows, columns). Maps of one image "
                    "must have one size."
                )
            yield other.rows, other.maps


def region_means(maps: Array, grid: int, sign: Sign) -> Array:
    """Return the mean relevance of the regions of a grid.

    Parameters
    ----------
    maps : (N, H, W)
        Signed relevance.
    grid
        Regions along each side, at most as many as pixels; where these cannot be divided evenly,
        some regions have one more.
    sign
        Which relevance counts.

    Returns
    -------
    ndarray
        float64 (N, R), row by row.
    """
    strength = np.abs(maps) if sign == "absolute" else np.maximum(maps, 0)
    total, size = strength.astype(np.float64), np.ones(maps.shape[1:])
    for axis, length in enumerate(maps.shape[1:]):
        parts = min(grid, length)
        starts = np.arange(parts) * length // parts
        total = np.add.reduceat(total, starts, axis=axis + 1)
        size = np.add.reduceat(size, starts, axis=axis)
    return (total / size).reshape(len(maps), -1)
