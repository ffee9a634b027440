"""Every method against every reference, on the same seeds and images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.seeds import derive
from rightreasons.metrics import METRICS, headline, ranking, takes_many
from rightreasons.metrics.compute import resolve
from rightreasons.metrics.views import by_attribute, twins_of
from rightreasons.statistics.paired import (
    Comparison,
    Judged,
    Resampled,
    compare_images,
    compare_predictions,
    draws_of,
    holm,
    resampled,
)
from rightreasons.tables.parameters import Comparing

GROUP = ["study", "dataset", "task", "design", "level"]
#: A comparison is significant below it, after Holm's correction.
ALPHA = 0.05
Row = dict[str, Any]


def level_tests(
    comparing: Comparing, predictions: pd.DataFrame, images: pd.DataFrame
) -> pd.DataFrame:
    """Return what may be said of a task's methods at one level.

    Three kinds of rows (column `test`), each by seed and by image (`statistics/paired.py`):

    - "paired": every method against the references and its own control, by the metrics with the
      headline "comparisons";
    - "all pairs": every method against every other that is no control, by the metric that ranks,
      by seed only;
    - "mean": no test, but each method's own mean, by the metrics of predictions that the
      leaderboard shows, with its interval.

    Holm's correction is over the methods of a family: one kind of row, explainer, reference, metric
    and unit, where methods against their own controls are one family, and all pairs are one.
    Matched controls are a family of their own, and so are methods that are noise: no method's
    p-value depends on whether there are any.

    Parameters
    ----------
    comparing
        What is compared, and how. Bootstrap replicates are at least `least_replicates`.
    predictions, images
        The rows of the tables `predictions` and `image_metrics` of one task, design and level.

    Returns
    -------
    pandas.DataFrame
        Rows of the table `tests`.
    """
    key = predictions[GROUP].iloc[0].to_dict()
    methods, of_twins = _Predictions(comparing, predictions), _twins(comparing, predictions)
    of_maps = _maps(images)
    rows = [*_paired(comparing, methods, {**of_twins, **of_maps}), *_all_pairs(comparing, methods)]
    rows += _means(methods, of_twins)
    compared = pd.DataFrame([{**key, **row} for row in rows])
    if compared.empty:
        return compared
    compared["p_holm"] = holm(compared["p_value"].to_numpy(), _families(compared, comparing))
    compared["significant"] = (compared["p_holm"] < ALPHA).where(compared["p_holm"].notna())
    return compared


def least_replicates(comparisons: int) -> int:
    """Return how many replicates let a bootstrap's p reach ALPHA in a family of some comparisons.

    The smallest p is 2 / (B + 1), and Holm's correction multiplies it by the family's size.
    """
    return int(np.ceil(2 * comparisons / ALPHA))


class _Predictions:
    """Metrics of predictions of a level's methods, with the same draws of images for all."""

    def __init__(self, comparing: Comparing, predictions: pd.DataFrame) -> None:
        key = predictions[GROUP].iloc[0]
        self.task, self.comparing, self.metrics = (
            str(key["task"]),
            comparing,
            resolve(comparing.metrics),
        )
        family = len(comparing.methods[self.task])
        self.models = {
            attribute: _by_seed(view) for attribute, view in by_attribute(predictions).items()
        }
        self.draws = {
            attribute: draws_of(
                [one for models in found.values() for one in models],
                seed=derive(0, "compare", *map(str, key)),
                replicates=max(comparing.replicates, least_replicates(family)),
            )
            for attribute, found in self.models.items()
        }
        self.many = bool((predictions["protected"] > 1).any())
        self.classes = bool((predictions["target"] > 1).any())
        self._known: dict[tuple[str, str], Resampled] = {}

    def rivals(self) -> list[str]:
        """Return the methods that are no controls, in the study's order."""
        matched = self.comparing.roles.matched
        return [m for m in self.comparing.methods[self.task] if m not in matched]

    def of(self, method: str, metric: str) -> Resampled:
        """Return a method's numbers by a metric."""
        if (method, metric) not in self._known:
            attribute = METRICS[metric].traits["attribute"]
            self._known[method, metric] = resampled(
                self.models[attribute][method],
                metric=METRICS[metric],
                params=self.metrics[metric],
                draws=self.draws[attribute],
            )
        return self._known[method, metric]

    def shown(self, place: str) -> list[str]:
        """Return the metrics of a headline that there are: of the watched attribute if any is.

        None of more than two classes.
        """
        metrics = [] if self.classes else headline(place, "group")
        return [
            m
            for m in metrics
            if METRICS[m].traits["attribute"] in self.models
            and (not self.many or takes_many(METRICS[m]))
        ]


def _by_seed(predictions: pd.DataFrame) -> dict[str, list[Judged]]:
    """Return each method's predictions, seed by seed."""
    return {
        str(method): [judged(part) for _, part in table.groupby("seed")]
        for method, table in predictions.groupby("method", sort=False)
    }


def judged(table: pd.DataFrame) -> Judged:
    """Return the rows of one model in the table `predictions`."""
    table = table.sort_values("image_id")
    return Judged(
        target=table["target"].to_numpy(np.int64),
        protected=table["protected"].to_numpy(np.int64),
        chance=table["chance"].to_numpy(np.float64),
        score=table["score"].to_numpy(np.float64),
        images=table["image_id"].to_numpy(str),
    )


#: Explainer and metric -> method -> numbers (seeds, images).
Arrays = dict[tuple[str | None, str], dict[str, np.ndarray]]


def _twins(comparing: Comparing, predictions: pd.DataFrame) -> Arrays:
    """Return what models do with twins, of the metrics for which there are twins."""
    params, found = resolve(comparing.metrics), Arrays()
    views = by_attribute(predictions)
    for metric in headline("comparisons", "reliance"):
        attribute = METRICS[metric].traits["attribute"]
        if attribute not in views:
            continue
        values = METRICS[metric].run(twins_of(views[attribute]), params[metric])
        if not np.isnan(values).all():
            found[None, metric] = _by_method(predictions.assign(value=values))
    return found


def _maps(images: pd.DataFrame) -> Arrays:
    """Return the numbers of maps by explainer and metric."""
    shown = images[images["metric"].isin(headline("comparisons", "image", "pair"))]
    groups = shown.groupby(["explainer", "metric"], sort=False, observed=True)
    return {(str(e), str(metric)): _by_method(table) for (e, metric), table in groups}


def _by_method(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the column `value` as an array (seeds, images) for each method, NaN where absent."""
    method, methods = pd.factorize(table["method"])
    seed, seeds = pd.factorize(table["seed"], sort=True)
    image, images = pd.factorize(table["image_id"], sort=True)
    values = np.full((len(methods), len(seeds), len(images)), np.nan)
    values[method, seed, image] = table["value"].to_numpy(np.float64)
    return {str(name): array for name, array in zip(methods, values, strict=True)}


def _paired(comparing: Comparing, methods: _Predictions, arrays: Arrays) -> Iterator[Row]:
    """Yield the comparisons with references and own controls."""
    for method, reference in _pairs(comparing, methods.task):
        names = {"test": "paired", "method": method, "reference": reference}
        for metric in methods.shown("comparisons"):
            difference = methods.of(method, metric) - methods.of(reference, metric)
            yield from _rows(compare_predictions(difference), **names, metric=metric)
        for (explainer, metric), values in arrays.items():
            if method in values and reference in values:
                results = compare_images(values[method] - values[reference])
                yield from _rows(results, **names, explainer=explainer, metric=metric)


def _all_pairs(comparing: Comparing, methods: _Predictions) -> Iterator[Row]:
    """Yield the comparisons of all methods by the metric that ranks."""
    metric = ranking().name
    if metric not in methods.shown("comparisons"):
        return
    for method, other in combinations(methods.rivals(), 2):
        difference = methods.of(method, metric) - methods.of(other, metric)
        names = {"test": "all pairs", "method": method, "reference": other, "metric": metric}
        by_seed, _ = compare_predictions(difference)
        yield from _rows((by_seed,), **names)


def _means(methods: _Predictions, twins: Arrays) -> Iterator[Row]:
    """Yield each method's own numbers with their intervals, without a test."""
    for method in methods.models["protected"]:
        for metric in methods.shown("leaderboard"):
            results = compare_predictions(methods.of(method, metric))
            yield from _untested(results, method=method, metric=metric)
        for (_, metric), values in twins.items():
            results = compare_images(values[method])
            yield from _untested(results, method=method, metric=metric)


def _untested(results: tuple[Comparison, ...], **names: str) -> Iterator[Row]:
    nothing = {"statistic": np.nan, "p_value": np.nan, "at_floor": False}
    nothing |= {"wilcoxon_statistic": np.nan, "wilcoxon_p": np.nan}
    for row in _rows(results, test="mean", **names):
        yield {**row, **nothing}


def _pairs(comparing: Comparing, task: str) -> list[tuple[str, str]]:
    """Return the methods that are compared, each with a reference or its own control."""
    methods, roles = comparing.methods[task], comparing.roles
    matched = [(of, control) for control, of in roles.matched.items() if control in methods]
    return matched + [
        (method, reference)
        for reference in roles.references
        if reference in methods
        for method in methods
        if method not in (roles.original, reference)
    ]


def _families(compared: pd.DataFrame, comparing: Comparing) -> np.ndarray:
    """Return the number of each comparison's family, (n,)."""
    matched, noise = comparing.roles.matched, comparing.roles.chance
    against = compared["reference"].mask(compared["reference"].isin(matched), "")
    against = against.mask(compared["test"] == "all pairs", "")
    by = [*(compared[name] for name in ("test", "explainer", "metric", "unit")), against]
    apart = [compared["method"].isin(matched), compared["method"].isin(noise)]
    apart += [compared["reference"].isin(noise)]
    return compared.groupby([*by, *apart], dropna=False).ngroup().to_numpy()


def _rows(results: tuple[Comparison, ...], **names: str | None) -> Iterator[Row]:
    """Yield a row per way to test."""
    for result in results:
        row = {"n_seeds" if name == "seeds" else name: v for name, v in asdict(result).items()}
        yield {"explainer": None, "reference": None, **names, **row}
