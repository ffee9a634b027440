"""Every method against every reference, on the same images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.registry import Params
from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS, headline
from rightreasons.metrics.compute import resolve, twins_of
from rightreasons.statistics.paired import (
    Comparison,
    PairedPredictions,
    holm,
    paired_group_bootstrap,
    paired_image_test,
)
from rightreasons.tables.parameters import Comparing

GROUP = ["study", "dataset", "task", "design", "level"]


def level_tests(
    comparing: Comparing, predictions: pd.DataFrame, images: pd.DataFrame
) -> pd.DataFrame:
    """Return the tests of one level: every method against references and own control.

    Compared are the metrics with the headline "comparisons", on the same images; seeds are pooled.
    Holm's correction is over the methods of a family: one task, design, level, explainer,
    reference and metric, where methods against their own controls are one family. Matched controls
    are a family of their own, and no method's p-value depends on whether there are any.

    Parameters
    ----------
    comparing
        What is compared, and how.
    predictions, images
        The rows of the tables `predictions` and `image_metrics` of one task, design and level.
    """
    key = {name: predictions[name].iloc[0] for name in GROUP}
    rows = []
    for method, reference in _pairs(comparing, str(key["task"])):
        names = {"method": method, "explainer": None, "test": "paired", "reference": reference}
        for row in _compare(comparing, predictions, images, method, reference):
            rows.append({**key, **names, **row})
    compared = pd.DataFrame(rows)
    if len(compared):
        compared["p_holm"] = holm(compared["p_value"].to_numpy(), _families(compared, comparing))
        compared["significant"] = (compared["p_holm"] < 0.05).where(compared["p_holm"].notna())
    return compared


def _families(compared: pd.DataFrame, comparing: Comparing) -> np.ndarray:
    """Return the number of each comparison's family, (n,)."""
    matched = comparing.roles.matched
    against = compared["reference"].mask(compared["reference"].isin(matched), "")
    by = [*(compared[name] for name in (*GROUP, "explainer", "metric")), against]
    return (
        compared.groupby([*by, compared["method"].isin(matched)], dropna=False).ngroup().to_numpy()
    )


def _pairs(comparing: Comparing, task: str) -> list[tuple[str, str]]:
    methods, roles = comparing.methods[task], comparing.roles
    matched = [(of, control) for control, of in roles.matched.items() if control in methods]
    return matched + [
        (method, reference)
        for reference in roles.references
        if reference in methods
        for method in methods
        if method not in (roles.original, reference)
    ]


def _compare(
    comparing: Comparing, part: pd.DataFrame, images: pd.DataFrame, method: str, reference: str
) -> Iterator[dict[str, Any]]:
    """Yield the comparisons of two methods at one level, over all seeds."""
    both = part[part["method"] == method].merge(
        part[part["method"] == reference],
        on=["seed", "image_id", "target", "protected"],
        suffixes=("", "_reference"),
    )
    params = resolve(comparing.metrics)
    pairs = [_paired_predictions(table) for _, table in both.groupby("seed")]
    for metric in headline("comparisons", "group"):
        rng = numpy_rng(0, "compare", *map(str, part[GROUP].iloc[0]), method, reference, metric)
        result = paired_group_bootstrap(
            pairs,
            metric=METRICS[metric],
            params=params[metric],
            rng=rng,
            replicates=comparing.replicates,
        )
        yield {"metric": metric, **_comparison(result)}
    yield from _compare_twins(both, params)
    yield from _compare_maps(images, method, reference)


def _paired_predictions(table: pd.DataFrame) -> PairedPredictions:
    table = table.sort_values("image_id")
    return PairedPredictions(
        target=table["target"].to_numpy(np.int64),
        protected=table["protected"].to_numpy(np.int64),
        chance=table["chance"].to_numpy(np.float64),
        reference_chance=table["chance_reference"].to_numpy(np.float64),
        score=table["score"].to_numpy(np.float64),
        reference_score=table["score_reference"].to_numpy(np.float64),
        images=table["image_id"].to_numpy(),
    )


def _compare_twins(both: pd.DataFrame, params: dict[str, Params]) -> Iterator[dict[str, Any]]:
    """Yield the comparisons of what models do with twins, if there are twins."""
    sides = [twins_of(both, suffix) for suffix in ("", "_reference")]
    for metric in headline("comparisons", "reliance"):
        values = [METRICS[metric].run(side, params[metric]) for side in sides]
        if not np.isnan(values[0]).all():
            row = _image_comparison(values[0] - values[1], both["image_id"], both["seed"])
            yield {"metric": metric, **row}


def _compare_maps(images: pd.DataFrame, method: str, reference: str) -> Iterator[dict[str, Any]]:
    """Yield the comparisons of numbers of maps, by explainer."""
    shown = images[images["metric"].isin(headline("comparisons", "image", "pair"))]
    on = ["seed", "explainer", "metric", "image_id"]
    both = shown[shown["method"] == method].merge(
        shown[shown["method"] == reference], on=on, suffixes=("", "_reference")
    )
    for (explainer, metric), table in both.groupby(["explainer", "metric"], sort=False):
        difference = (table["value"] - table["value_reference"]).to_numpy()
        yield {
            "explainer": explainer,
            "metric": metric,
            **_image_comparison(difference, table["image_id"], table["seed"]),
        }


def _image_comparison(
    differences: np.ndarray, images: pd.Series, seeds: pd.Series
) -> dict[str, Any]:
    return _comparison(
        paired_image_test(differences, images=images.to_numpy(), seeds=seeds.nunique())
    )


def _comparison(result: Comparison) -> dict[str, Any]:
    names = ("effect", "ci_low", "ci_high", "statistic", "p_value", "n")
    return {
        **{name: getattr(result, name) for name in names},
        "wilcoxon_statistic": result.wilcoxon_statistic,
        "wilcoxon_p": result.wilcoxon_p,
    }
