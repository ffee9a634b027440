"""All numbers of one group of cells: from predictions and maps of its methods to long tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import derive
from rightreasons.metrics import (
    METRICS,
    WITNESSES,
    ReferenceMaps,
    RegionView,
    TestResult,
    WitnessedMaps,
    region_view,
)
from rightreasons.metrics.by_group import of_predictions as report_of
from rightreasons.metrics.compute import (
    Metrics,
    image_metrics,
    located_metrics,
    mean_rows,
    significance_rows,
    significance_tests,
    twin_metrics,
    witnessed_metrics,
)
from rightreasons.metrics.group_rows import group_rows
from rightreasons.metrics.views import by_attribute, twins_of

#: Of a split's groups (`protected`) and classes (`target`), in the order of their numbers.
Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class MapSet:
    """The maps of one model with all explainers of a set.

    Parameters
    ----------
    maps : float32 (E, N, H, W)
        Memory-mapped.
    index
        One row per (explainer, image), in the order of the first two axes (see
        `rightreasons.saliency.maps.map_index`).
    """

    maps: np.ndarray
    index: pd.DataFrame

    @classmethod
    def open(cls, maps: str | Path, index: str | Path) -> MapSet:
        """Open the files of one job of `explain`.

        Raises
        ------
        UserError
            Where they do not belong together.
        """
        array, rows = np.load(maps, mmap_mode="r"), pd.read_parquet(index)
        if array.ndim != 4 or array.shape[0] * array.shape[1] != len(rows):
            raise UserError(
                f"{maps} holds {array.shape} (explainers, images, rows, columns), and {index} is "
                f"about {len(rows)} maps. They do not belong together: delete both and run again."
            )
        return cls(array, rows)

    def explainers(self) -> Iterator[tuple[str, np.ndarray, pd.DataFrame]]:
        """Yield each explainer's name, maps (N, H, W) and rows of the index."""
        n_images = self.maps.shape[1]
        for i, maps in enumerate(self.maps):
            rows = self.index.iloc[i * n_images : (i + 1) * n_images].reset_index(drop=True)
            yield rows["explainer"].iloc[0], maps, rows


def of_predictions(
    predictions: pd.DataFrame,
    metrics: Metrics,
    *,
    seed: int,
    replicates: int,
    names: Names | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the metrics of predictions and twins of one model.

    Parameters
    ----------
    predictions
        All predictions of the model; those of the role test count.
    metrics
        Names and parameters, as from `rightreasons.metrics.compute.resolve`.
    seed
        Of the bootstrap.
    replicates
        Number of bootstrap samples.
    names
        Of the groups (`protected`) and classes (`target`); 0 and 1 by default.

    Returns
    -------
    dict of DataFrame
        Rows of the tables `cell_metrics` and `groups`, without the cell's key. Of more than two
        classes the metrics of the cell are those of a report (`metrics.by_group`).
    """
    test = predictions[predictions["role"] == "test"]
    known = names or {"protected": ["0", "1"], "target": ["0", "1"]}
    drawn = {"seed": seed, "replicates": replicates}
    report = report_of(test, known["protected"], known["target"], **drawn)
    rows: list[dict[str, Any]] = []
    for attribute, view in by_attribute(test).items():
        if len(known["target"]) > 2:
            overall = report.overall if attribute == "protected" else report.overall[:0]
            rows += [{str(k): v for k, v in row.items()} for row in overall.to_dict("records")]
        else:
            rows += group_rows(metrics, predictions=view, attribute=attribute, **drawn)
        values = twin_metrics(metrics, twins=twins_of(view), attribute=attribute)
        rows += mean_rows(values, **drawn)
    return {"cell_metrics": pd.DataFrame(rows), "groups": report.groups}


def of_maps(
    explainer: str,
    rows: pd.DataFrame,
    values: Mapping[str, np.ndarray],
    results: Mapping[str, TestResult],
    *,
    original: str,
    seed: int,
    replicates: int,
) -> dict[str, pd.DataFrame]:
    """Return the metrics of one model's maps by one explainer as parts of three tables.

    Parameters
    ----------
    explainer
        Its name in the study.
    rows
        The index of the maps.
    values
        A metric's name -> (N,).
    results
        The significance tests, by name.
    seed
        Of the bootstrap.
    replicates
        Number of bootstrap samples.

    Returns
    -------
    dict of DataFrame
        image_metrics, cell_metrics, tests.
    """
    cell = mean_rows(values, seed=seed, replicates=replicates) + significance_rows(results)
    cell += _self_check(explainer, rows)
    images = rows[["image_id", "target", "protected"]]
    long = [images.assign(metric=name, value=value) for name, value in values.items()]
    tests = [
        {
            "test": name,
            "reference": original if METRICS[name].traits["needs"] == "pair" else pd.NA,
            "metric": "intensity",
            "effect": result.effect,
            "statistic": result.statistic,
            "p_value": result.p_value,
            "wilcoxon_statistic": result.wilcoxon_statistic,
            "wilcoxon_p": result.wilcoxon_p,
            "significant": None if np.isnan(result.value) else bool(result.value),
            "n": result.n,
        }
        for name, result in results.items()
    ]
    tables = {
        "image_metrics": pd.concat(long, ignore_index=True),
        "cell_metrics": pd.DataFrame(cell),
        "tests": pd.DataFrame(tests),
    }
    return {name: table.assign(explainer=explainer) for name, table in tables.items()}


def measure_group(
    predictions: Mapping[str, pd.DataFrame],
    maps: Mapping[str, list[MapSet]],
    explained: Mapping[str, str],
    roi: Any,
    metrics: Metrics,
    *,
    original: str,
    scale: Any,
    seed: int,
    replicates: int,
    progress: Any,
    others: Mapping[str, Sequence[MapSet]] | None = None,
    pool: int | None = None,
    names: Names | None = None,
) -> dict[str, pd.DataFrame]:
    """Return all numbers of a group: the tables of all its methods.

    Parameters
    ----------
    predictions
        By method.
    maps
        By model, all sets of explainers.
    explained
        By method, the model whose maps it has: itself, or `original`.
    roi
        As `rightreasons.metrics.region_view` takes it.
    metrics
        Names and parameters, as from `rightreasons.metrics.compute.resolve`.
    original
        The method that all others start from.
    scale
        Of the intensity: max, mass or raw.
    seed
        Of the group; the bootstrap's stream is derived from it.
    replicates
        Number of bootstrap samples.
    progress
        Wraps an iterable in a progress bar.
    others
        The maps of networks that models are compared with, all sets: `normal` is the original at
        level 0, without which FAM and CCM are missing; `baseline` and `predictor` are those of the
        region-rank audit, without which there are no such metrics.
    pool
        The number of the pool's images where each is there without and with the attribute (rows r
        and r + pool), else None: then there are no metrics of both versions.
    names
        Of groups and classes, as `of_predictions` takes them.

    Returns
    -------
    dict of DataFrame
        image_metrics, cell_metrics, tests, groups, without the columns of the cell's key that are
        the same for the whole group.
    """
    stream = derive(seed, "measure")
    tables = ("image_metrics", "cell_metrics", "tests", "groups")
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in tables}
    for method, table in progress(predictions.items(), "predictions"):
        found = of_predictions(table, metrics, seed=stream, replicates=replicates, names=names)
        for name, rows in found.items():
            parts[name].append(rows.assign(method=method))
    made = of_models(
        maps, roi, metrics, original=original, scale=scale, seed=stream, replicates=replicates,
        progress=progress, others=others, pool=pool,
    )  # fmt: skip
    for method, model in explained.items():
        for of_maps in [of_maps for key, of_maps in made.items() if key[0] == model]:
            for name, table in of_maps.items():
                parts[name].append(table.assign(method=method))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def of_models(
    maps: Mapping[str, list[MapSet]],
    roi: Any,
    metrics: Metrics,
    *,
    original: str,
    scale: Any,
    seed: int,
    replicates: int,
    progress: Any,
    others: Mapping[str, Sequence[MapSet]] | None = None,
    pool: int | None = None,
) -> dict[tuple[str, str], dict[str, pd.DataFrame]]:
    """Return the tables of each model's maps by each explainer.

    Each model is measured once, however many methods have its maps, and its maps are gone through
    one explainer at a time. Arguments as in `measure_group`, but `seed` is the bootstrap's.

    Returns
    -------
    dict
        (model, explainer) -> the tables of `of_maps`.
    """
    opened = {
        (model, explainer): (array, rows)
        for model, sets in maps.items()
        for one in sets
        for explainer, array, rows in one.explainers()
    }
    views: dict[str, RegionView] = {}  # the original's of the explainer that is measured
    made = {}
    for model, explainer in progress(_in_turn(opened, original), "maps"):
        array, rows = opened[model, explainer]
        try:
            view = region_view(array, roi, scale=scale)
        except UserError as error:
            raise UserError(f"the maps of {model} by {explainer}: {error}") from None
        if model == original:
            views = {explainer: view}
        pair: dict[str, Any] = {"view": view, "vanilla": views[explainer]}
        beside = {
            name: matched(others.get(name, ()) if others else (), explainer, rows)
            for name in ("normal", *WITNESSES)
        }
        whole = located_metrics(
            metrics,
            maps=array,
            roi=roi,
            protected=rows["protected"].to_numpy(),
            normal=beside["normal"],
            versions=None if pool is None else other_versions(array, rows, pool),
        )
        ranked = witnessed_metrics(metrics, _witnessed(array, rows, beside))
        values = {**image_metrics(metrics, **pair), **whole, **ranked}
        results = significance_tests(metrics, **pair)
        made[model, explainer] = of_maps(
            explainer, rows, values, results, original=original, seed=seed, replicates=replicates
        )
    return {key: made[key] for key in opened}


def _in_turn(keys: Iterable[tuple[str, str]], original: str) -> list[tuple[str, str]]:
    """Return keys (model, explainer) explainer by explainer, the original's before the rest."""
    keys = list(keys)
    explainers = list(dict.fromkeys(explainer for _, explainer in keys))
    return sorted(keys, key=lambda key: (explainers.index(key[1]), key[0] != original))


def _witnessed(
    maps: np.ndarray, rows: pd.DataFrame, beside: Mapping[str, ReferenceMaps | None]
) -> WitnessedMaps | None:
    """Return maps beside those of the networks of the region-rank audit, where there are any."""
    baseline, predictor = (beside[name] for name in WITNESSES)
    if baseline is None or predictor is None:
        return None
    return WitnessedMaps(maps, rows["protected"].to_numpy(), baseline, predictor)


def matched(sets: Sequence[MapSet], explainer: str, rows: pd.DataFrame) -> ReferenceMaps | None:
    """Return another network's maps by an explainer, matched to some images by their id.

    Parameters
    ----------
    sets
        The network's maps, all sets; empty where there is no such network.
    explainer
        Its name in the study.
    rows
        The images, with image_id.

    Returns
    -------
    ReferenceMaps or None
        None where there is no such network, or no maps of it by this explainer.
    """
    for one in sets:
        for name, array, known in one.explainers():
            if name == explainer:
                places = pd.Index(known["image_id"]).get_indexer(pd.Index(rows["image_id"]))
                return ReferenceMaps(array, places)
    return None


def other_versions(maps: np.ndarray, rows: pd.DataFrame, pool: int) -> ReferenceMaps:
    """Return a model's maps, and for each image the place of its other version among them.

    Parameters
    ----------
    maps : (N, H, W)
        The model's.
    rows
        Their images, with row: below `pool` without the artifact, `pool` more with it.
    pool
        The number of the pool's images.
    """
    row = rows["row"].to_numpy()
    return ReferenceMaps(maps, pd.Index(row).get_indexer(pd.Index((row + pool) % (2 * pool))))


def _self_check(explainer: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the explainer's self-check as a row: the median of its relative error over images."""
    errors = rows["check_error"].dropna()
    check = rows["check"].iloc[0]
    if not check or errors.empty:
        return []
    return [{"metric": f"{check}_error", "value": errors.median(), "n": len(errors)}]
