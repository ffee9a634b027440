"""From maps, predictions and twins to metrics per image and per cell.

All functions take `metrics`, a dict of names and parameters as `resolve` returns it, and use those
of its metrics that they are about. A row is a dict with the keys metric, value, ci_low, ci_high
(95 % interval, as the metric's trait `interval` says) and n (images that the value rests on); what
does not exist is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component, Params
from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import (
    METRICS,
    LocatedMaps,
    ReferenceMaps,
    RegionView,
    TestResult,
    Twins,
    WitnessedMaps,
)
from rightreasons.metrics._groups import groups_in
from rightreasons.metrics._located import facing, locate
from rightreasons.statistics.bootstrap import (
    Interval,
    bootstrap_mean,
)
from rightreasons.statistics.intervals import wilson

if TYPE_CHECKING:
    pass

Array = np.ndarray
Metrics = Mapping[str, Params]
Row = dict[str, Any]
Attribute = Literal["protected", "watched"]

WHOLE = ("located", "reference")  # what metrics of whole maps need


def resolve(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Params]:
    """Return the parameters of all metrics, by name.

    Parameters
    ----------
    overrides
        By metric, the parameters that differ from the defaults.

    Returns
    -------
    dict
        A metric's name -> its parameters; for every registered metric.

    Raises
    ------
    UserError
        For an unknown metric or parameter, or a value that is not allowed.
    """
    given = {name: (METRICS[name], values) for name, values in (overrides or {}).items()}
    resolved = {name: METRICS[name].params() for name in METRICS.names()}
    return resolved | {name: _params(*entry) for name, entry in given.items()}


def image_metrics(
    metrics: Metrics, *, view: RegionView, vanilla: RegionView | None = None
) -> dict[str, Array]:
    """Return the ROI metrics per image.

    Parameters
    ----------
    metrics
        Names and parameters, as from `resolve`.
    view
        The view of a model's maps.
    vanilla
        The view of vanilla's maps of the same images and ROI; without it there are no metrics of
        pairs. For vanilla itself pass the same view twice: ADR and DIF are 0 then.

    Returns
    -------
    dict
        A metric's name -> float64 (N,).

    Raises
    ------
    UserError
        Where the two views are of other images or ROIs.
    """
    _check_pair(view, vanilla)
    return {
        component.name: np.asarray(_on_maps(component, params, view, vanilla), dtype=np.float64)
        for component, params in of_kinds(metrics, "image", "pair")
        if component.traits["needs"] in _given(vanilla)
    }


def located_metrics(
    metrics: Metrics,
    *,
    maps: Array,
    roi: Sequence[float] | Array,
    protected: Array,
    normal: ReferenceMaps | None = None,
    versions: ReferenceMaps | None = None,
) -> dict[str, Array]:
    """Return the metrics of whole maps per image.

    Parameters
    ----------
    metrics
        Names and parameters, as from `resolve`.
    maps : (N, H, W)
        Signed; they may be memory-mapped and are read a few images at a time.
    roi
        As `rightreasons.metrics.region_view` takes it.
    protected : (N,)
        The protected attribute of each image, 0 or 1. Of more than two groups there are no metrics
        of images with or without it.
    normal
        The normal model's maps. An image without one (all, where there is no normal model) has no
        metrics that need a reference: they are missing.
    versions
        The model's own maps, and which of them is that of an image's other version. Without it
        there are no metrics that need both versions.

    Returns
    -------
    dict
        A metric's name -> float64 (N,).

    Raises
    ------
    UserError
        As `region_view` does, and where the normal model's maps have another size.
    """
    needs = WHOLE if versions is None else (*WHOLE, "versions")
    wanted = [c for c in of_kinds(metrics, "image", "pair") if c[0].traits["needs"] in needs]
    if groups_in(protected) > 2:
        wanted = [c for c in wanted if c[0].traits["images"] == "all"]
    values = {component.name: np.full(len(maps), np.nan) for component, _ in wanted}
    for part, located in locate(maps, roi, protected):
        beside = {
            need: facing(located, other, part)
            for need, other in (("reference", normal), ("versions", versions))
            if other is not None
        }
        for component, params in wanted:
            pair = beside.get(component.traits["needs"])
            values[component.name][part] = _on_located(component, params, located, pair)
    return values


def witnessed_metrics(metrics: Metrics, maps: WitnessedMaps | None) -> dict[str, Array]:
    """Return the metrics of a model beside the networks of the region-rank audit.

    Parameters
    ----------
    metrics
        Names and parameters, as from `resolve`.
    maps
        The three models' maps; None where there is no such audit.

    Returns
    -------
    dict
        A metric's name -> float64 (N,); none without the audit.
    """
    if maps is None:
        return {}
    return {
        component.name: component.run(maps, params)
        for component, params in of_kinds(metrics, "image", "pair")
        if component.traits["needs"] == "witnesses"
    }


def significance_tests(
    metrics: Metrics, *, view: RegionView, vanilla: RegionView | None = None
) -> dict[str, TestResult]:
    """Return the significance tests of a cell, by name.

    Arguments and errors as in `image_metrics`.
    """
    _check_pair(view, vanilla)
    return {
        component.name: _on_maps(component, params, view, vanilla)
        for component, params in of_kinds(metrics, "test")
        if component.traits["needs"] in _given(vanilla)
    }


def twin_metrics(
    metrics: Metrics, *, twins: Twins, attribute: Attribute = "protected"
) -> dict[str, Array]:
    """Return the metrics of reliance per image.

    Parameters
    ----------
    metrics
        Names and parameters, as from `resolve`.
    twins
        As from `twins_of` for the same attribute.
    attribute
        Metrics that are about this attribute.

    Returns
    -------
    dict
        A metric's name -> float64 (N,), NaN for an image without a twin.
    """
    return {
        component.name: component.run(twins, params)
        for component, params in of_kinds(metrics, "reliance", attribute=attribute)
    }


def mean_rows(values: Mapping[str, Array], *, seed: int, replicates: int = 1000) -> list[Row]:
    """Return a row per metric: its mean over images with an interval over images.

    The interval is Wilson's where the metric's trait `interval` is "share" and all its numbers are
    0 or 1, else the percentile bootstrap.

    Parameters
    ----------
    values
        A metric's name -> (N,). Missing ones (NaN) are left out and n counts the others.
    seed
        With the metric's name it gives the random stream, and nothing else does.
    replicates
        Number of bootstrap samples.

    Returns
    -------
    list of dict
        metric, value, ci_low, ci_high, n.
    """
    return [
        row_of(name, _mean_interval(name, value, seed, replicates))
        for name, value in values.items()
    ]


def _mean_interval(name: str, values: Array, seed: int, replicates: int) -> Interval:
    known = values[~np.isnan(values)]
    share = METRICS[name].traits["interval"] == "share"
    if share and len(known) and np.isin(known, (0, 1)).all():
        low, high = wilson(known.sum(), len(known))
        return Interval(float(known.mean()), float(low), float(high), len(known))
    rng = numpy_rng(seed, "bootstrap", name)
    return bootstrap_mean(known, rng=rng, replicates=replicates)


def significance_rows(results: Mapping[str, TestResult]) -> list[Row]:
    """Return a row per significance test, its value 1 (significant) or 0, without interval."""
    return [
        row_of(name, Interval(result.value, np.nan, np.nan, result.n))
        for name, result in results.items()
    ]


def of_kinds(
    metrics: Metrics, *kinds: str, attribute: Attribute = "protected"
) -> list[tuple[Component, Params]]:
    """Return the metrics of some kinds that are about an attribute, with their parameters."""
    chosen = [(METRICS[name], params) for name, params in metrics.items()]
    return [
        (one, params)
        for one, params in chosen
        if one.traits["kind"] in kinds and one.traits["attribute"] == attribute
    ]


def _given(vanilla: RegionView | None) -> tuple[str, ...]:
    return ("view",) if vanilla is None else ("view", "pair")


def _on_maps(
    component: Component, params: Params, view: RegionView, vanilla: RegionView | None
) -> Any:
    views = (view,) if component.traits["needs"] == "view" else (vanilla, view)
    return component.run(*views, params)


def _on_located(
    component: Component,
    params: Params,
    located: LocatedMaps,
    pair: tuple[Array, LocatedMaps, LocatedMaps] | None,
) -> Array:
    """Return a metric of a few whole maps; missing where it needs other maps that do not exist."""
    if component.traits["needs"] == "located":
        return component.run(located, params)
    values = np.full(len(located.maps), np.nan)
    if pair is not None:
        found, here, there = pair
        values[found] = component.run(here, there, params)
    return values


def _check_pair(view: RegionView, vanilla: RegionView | None) -> None:
    if vanilla is not None and (
        vanilla.inside.shape != view.inside.shape
        or not np.array_equal(vanilla.inside_count, view.inside_count)
    ):
        raise UserError(
            f"the views of vanilla and of the model differ: {vanilla.inside.shape} and "
            f"{view.inside.shape} (images, rows and columns of the ROI), or their ROIs do. Pass "
            "maps of the same images, in the same order, with the same ROI."
        )


def _params(component: Component, given: Mapping[str, Any]) -> Params:
    try:
        return component.params(**given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(component.params.model_fields) or "none"
        raise UserError(
            f"metric {component.name!r}, parameter {key!r}: {first['msg']}. "
            f"Parameters of {component.name}: {allowed}."
        ) from None


def row_of(name: str, interval: Interval) -> Row:
    """Return a row of the table `cell_metrics`, without the cell's key."""
    return {
        "metric": name,
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": interval.n,
    }
