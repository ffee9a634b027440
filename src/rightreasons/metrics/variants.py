"""The same maps measured in other ways: another scale, sign or region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rightreasons.core.sections import Section
from rightreasons.metrics import METRICS

if TYPE_CHECKING:
    from rightreasons.metrics.compute import Metrics

Array = np.ndarray

#: In place of the scale of a metric that has none.
ANY = "any"
#: Images at a time: what is in memory is bounded however many maps there are.
IMAGES = 128


class Variant(Section):
    """One way to turn a map into a number.

    Attributes
    ----------
    metric
        A metric of single maps.
    scale
        Of the intensity, or ANY.
    sign
        Whose relevance counts: |r|, or max(r, 0).
    roi
        The name of the region.
    """

    metric: str
    scale: str
    sign: Literal["absolute", "positive"]
    roi: str


def has_scale(metric: str) -> bool:
    """Return whether a metric's number depends on the scale of the intensity."""
    traits = METRICS[metric].traits
    return traits["needs"] in ("view", "pair") and not traits["scale_free"]


def variants(
    metrics: Sequence[str], scales: Sequence[str], signs: Sequence[Any], rois: Sequence[str]
) -> tuple[Variant, ...]:
    """Return every combination, metrics that have no scale once for all scales."""
    return tuple(
        Variant(metric=metric, scale=scale, sign=sign, roi=roi)
        for metric in metrics
        for scale in (scales if has_scale(metric) else (ANY,))
        for sign in signs
        for roi in rois
    )


def of_variants(
    chosen: Sequence[Variant],
    metrics: Metrics,
    maps: Mapping[str, Array],
    rois: Mapping[str, Sequence[float] | Array],
    protected: Array,
    *,
    original: str,
    scale: str,
) -> Array:
    """Return numbers per image of one explainer's maps of some models.

    Parameters
    ----------
    chosen
        V variants.
    metrics
        Names and parameters, as from `rightreasons.metrics.compute.resolve`.
    maps
        By model, its maps (N, H, W) of the same images; they may be memory-mapped.
    rois
        By name, as `rightreasons.metrics.region_view` takes them.
    protected : (N,)
        0 or 1.
    original
        The model that metrics of pairs compare with.
    scale
        The scale in which metrics are computed whose number does not depend on it.

    Returns
    -------
    ndarray
        float64 (models, V, N), missing where a number does not exist.
    """
    count = len(maps[original])
    values = np.full((len(maps), len(chosen), count), np.nan)
    for start in range(0, count, IMAGES):
        part = slice(start, start + IMAGES)
        for (sign, roi, at), places in _alike(chosen, scale):
            some = {chosen[place].metric: metrics[chosen[place].metric] for place in places}
            region = rois[roi][part] if isinstance(rois[roi], np.ndarray) else rois[roi]
            signed = {model: _signed(array[part], sign) for model, array in maps.items()}
            made = _measured(some, signed, region, protected[part], original, at)
            for i, found in enumerate(made):
                for place in places:
                    values[i, place, part] = found[chosen[place].metric]
    return values


def _alike(
    chosen: Sequence[Variant], scale: str
) -> Iterator[tuple[tuple[str, str, str], list[int]]]:
    """Yield sign, region and scale with the places of the variants that share them."""

    def key(place: int) -> tuple[str, str, str]:
        one = chosen[place]
        return one.sign, one.roi, scale if one.scale == ANY else one.scale

    for shared, places in groupby(sorted(range(len(chosen)), key=key), key=key):
        yield shared, list(places)


def _signed(maps: Array, sign: str) -> Array:
    return np.maximum(maps, 0) if sign == "positive" else np.asarray(maps)


def _measured(
    metrics: Metrics,
    maps: Mapping[str, Array],
    roi: Sequence[float] | Array,
    protected: Array,
    original: str,
    scale: Any,
) -> Iterator[dict[str, Array]]:
    """Yield the numbers (n,) of each model's maps (n, H, W) by metric."""
    from rightreasons.metrics import region_view
    from rightreasons.metrics.compute import image_metrics, located_metrics

    first = region_view(maps[original], roi, scale=scale)
    for model, array in maps.items():
        view = first if model == original else region_view(array, roi, scale=scale)
        yield {
            **image_metrics(metrics, view=view, vanilla=first),
            **located_metrics(metrics, maps=array, roi=roi, protected=protected),
        }
