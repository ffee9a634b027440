"""How alike two maps of one image are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.metrics._located import LocatedMaps, SignParams
from rightreasons.metrics._ssim import ssim

Array = np.ndarray
Similarity = Literal["ssim", "spearman", "correlation", "overlap"]

WINDOW = 7  # pixels, as scikit-image's default


class SimilarityParams(SignParams):
    """How maps are compared."""

    similarity: Similarity = Field(
        "ssim",
        description="ssim: structural similarity (Wang et al. 2004); spearman: rank correlation "
        "over pixels; correlation: Pearson's over pixels; overlap: what two maps of sum 1 have in "
        "common.",
    )


class SignalParams(SimilarityParams):
    """How maps are compared with a region."""

    similarity: Similarity = Field(
        "overlap",
        description="overlap: what two maps of sum 1 have in common (1 less half of their absolute "
        "difference); ssim: structural similarity (Wang et al. 2004), as published; spearman: rank "
        "correlation over pixels; correlation: Pearson's over pixels.",
    )


def similarity(one: Array, other: Array, kind: Similarity) -> Array:
    """Return how alike maps are, image by image.

    Parameters
    ----------
    one, other : (N, H, W)
        Maps that are at least 0; each is divided by its maximum first.
    kind
        `ssim`: the mean over all 7 x 7 windows (smaller ones in smaller images); `spearman` or
        `correlation` over pixels; `overlap`: the sum over pixels of the smaller of the two, each
        divided by its sum.

    Returns
    -------
    ndarray
        float64 (N,), in [-1, 1], 1 if the same. NaN where a map is zero everywhere; correlations
        are NaN for a constant map too.

    Raises
    ------
    UserError
        For ssim of maps with a side below 3 pixels.
    """
    peaks = [maps.max(axis=(1, 2), keepdims=True) for maps in (one, other)]
    known = (np.minimum(*peaks) > 0).ravel()
    values = np.full(len(one), np.nan)
    if known.any():
        pair = zip((one, other), peaks, strict=True)
        values[known] = KINDS[kind](*(maps[known] / peak[known] for maps, peak in pair))
    return values.clip(-1, 1)  # rounding can go past 1


def similarity_where(
    which: Array, one: LocatedMaps, other: LocatedMaps, params: SimilarityParams
) -> Array:
    """Return the similarity of some images' maps, those of the others missing.

    Parameters
    ----------
    which : bool (N,)
        Which images.
    one, other
        Their maps by two models.
    params
        How maps are compared.

    Returns
    -------
    ndarray
        float64 (N,).
    """
    values = np.full(len(which), np.nan)
    a, b = (maps.strength(params.sign)[which] for maps in (one, other))
    values[which] = similarity(a, b, params.similarity)
    return values


def _ssim(one: Array, other: Array) -> Array:
    side = min(WINDOW, *one.shape[1:])
    if side < 3:
        raise UserError(
            f"maps of {one.shape[1:]} pixels are too small for the similarity ssim, which needs 3 "
            "x 3. Use larger images, or spearman or correlation."
        )
    return ssim(one, other, side - (side % 2 == 0))


def _overlap(one: Array, other: Array) -> Array:
    """Return the intersection of histograms (Swain and Ballard 1991), a pixel a bin."""
    a, b = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (one, other))
    a, b = (maps / maps.sum(axis=1, keepdims=True) for maps in (a, b))
    return np.minimum(a, b).sum(axis=1)


def _spearman(one: Array, other: Array) -> Array:
    from scipy.stats import rankdata

    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (one, other)]
    return _correlation(*ranks)


def _correlation(one: Array, other: Array) -> Array:
    a, b = (_centred(maps.reshape(len(maps), -1)) for maps in (one, other))
    covariance = np.einsum("np,np->n", a, b)
    scale = np.sqrt(np.einsum("np,np->n", a, a) * np.einsum("np,np->n", b, b))
    return np.divide(covariance, scale, out=np.full(len(a), np.nan), where=scale > 0)


def _centred(values: Array) -> Array:
    """Return rows (N, P) less their means; exactly 0 for a constant row."""
    centred = values - values.mean(axis=1, dtype=np.float64, keepdims=True)
    centred[np.ptp(values, axis=1) == 0] = 0
    return centred


KINDS: dict[Similarity, Callable[[Array, Array], Array]] = {
    "ssim": _ssim,
    "spearman": _spearman,
    "correlation": _correlation,
    "overlap": _overlap,
}
