"""Rows of performance and fairness: metrics of predictions, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component, Params
from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import takes_many
from rightreasons.metrics._cell_intervals import ANY_GROUPS
from rightreasons.metrics._groups import cell_of, count_cells, groups_in, shares
from rightreasons.metrics.compute import Array, Attribute, Metrics, Row, of_kinds, row_of
from rightreasons.statistics.bootstrap import (
    Interval,
    percentile_interval,
    resample_sums,
    resample_weights,
)

if TYPE_CHECKING:
    import pandas as pd


def group_rows(
    metrics: Metrics,
    *,
    predictions: pd.DataFrame,
    seed: int,
    replicates: int = 1000,
    attribute: Attribute = "protected",
) -> list[Row]:
    """Return a row per metric of predictions, performance or fairness.

    The interval is what the metric's trait `interval` names: a function of counts, or the
    percentile bootstrap of images within the target x protected cells (for metrics of counts a
    multinomial draw per cell, over the chances of deciding 1 that occur, which has the same
    distribution). Where a lottery decides, its expectation counts: bootstrap intervals are about
    the images, and no draw adds to them; the others are as wide as if lots had been drawn.

    Parameters
    ----------
    metrics
        Names and parameters, as from `resolve`.
    predictions
        A row per image with target, protected, chance (how often 1 is decided) and score in
        [0, 1]. Of more than two groups, or two classes, see `comparable`.
    seed
        Of the bootstrap.
    replicates
        Number of bootstrap samples.
    attribute
        Metrics that are about this attribute, which is in the column protected: see `watching`.

    Returns
    -------
    list of dict
        metric, value, ci_low, ci_high, n.

    Raises
    ------
    UserError
        For a missing column, and for other values.
    """
    columns = _prediction_columns(predictions)
    many = groups_in(columns["protected"]) > 2
    return [
        row_of(component.name, _group_interval(component, params, columns, seed, replicates))
        for component, params in of_kinds(metrics, "group", attribute=attribute)
        if not many or takes_many(component)
    ]


def _group_interval(
    component: Component, params: Params, columns: dict[str, Array], seed: int, replicates: int
) -> Interval:
    target, protected = columns["target"], columns["protected"]
    groups = groups_in(protected)
    if component.traits["needs"] == "counts":
        counts = count_cells(target, protected, columns["chance"])
        interval = component.traits["interval"]
        if callable(interval) and (groups == 2 or interval in ANY_GROUPS):
            return _interval_of_counts(component, params, counts, len(target))
    rng = numpy_rng(seed, "bootstrap", component.traits["needs"])
    strata = cell_of(target, protected, groups)
    if component.traits["needs"] == "counts":
        drawn = resample_sums(
            strata, shares(columns["chance"]), rng=rng, replicates=replicates, cells=2 * groups
        )
        by_cell = drawn.reshape(-1, 2, groups, 2)
        point, sample = component.run(counts, params), component.run(by_cell, params)
    else:
        score = columns["score"]
        weights = resample_weights(strata, rng=rng, replicates=replicates)
        point = component.run(target, score, np.ones(len(target)), params)
        sample = np.concatenate([component.run(target, score, w, params) for w in weights])
    return percentile_interval(float(point), sample, n=len(target))


def _interval_of_counts(
    component: Component, params: Params, counts: Array, images: int
) -> Interval:
    def measure(some: Array) -> Array:
        return component.run(some, params)

    value = float(measure(counts))
    low, high = component.traits["interval"](measure, counts)
    return Interval(value, min(low, value), max(high, value), images)  # but for rounding


def _prediction_columns(predictions: pd.DataFrame) -> dict[str, Array]:
    columns = {}
    for name in ("target", "protected", "chance", "score"):
        if name not in predictions:
            raise UserError(f"predictions lack the column {name!r}.")
        values = predictions[name].to_numpy(dtype=np.float64)
        of_name = {
            "target": (np.isin(values, (0, 1)), "0 and 1"),
            "protected": ((values >= 0) & (values == np.round(values)), "whole numbers from 0 up"),
        }
        allowed, said = of_name.get(name, ((values >= 0) & (values <= 1), "[0, 1]"))
        if not allowed.all():
            raise UserError(
                f"predictions: {name} is {values[~allowed][0]} in row "
                f"{int(np.flatnonzero(~allowed)[0])}. Allowed: {said}."
            )
        columns[name] = values.astype(np.int64) if name in of_name else values
    return columns
