"""From the measures of all cells to the study's tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.files import read_json
from rightreasons.core.job import Cell, Group
from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS
from rightreasons.metrics.compute import resolve
from rightreasons.statistics.associations import fairness_saliency_regression, rank_correlation
from rightreasons.statistics.paired import (
    Comparison,
    PairedPredictions,
    holm,
    paired_group_bootstrap,
    paired_image_test,
)
from rightreasons.statistics.student import mean_interval
from rightreasons.tables.parameters import Comparing, Timed

GROUP = ["study", "dataset", "task", "design", "level"]
MODEL_KEY = {"task": object, "design": object, "level": float, "seed": float, "method": object}
COMPARED_GROUPS = ("equalized_odds", "accuracy", "worst_group_accuracy")
COMPARED_IMAGES = ("rrf",)


def key_of(study: str, group: Group) -> dict[str, Any]:
    """Return a group's columns of the cell key: study to seed."""
    return {"study": study, **group.model_dump()}


def models(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> pd.DataFrame:
    """Return a row per model, with its cell key, device, peak GPU memory and versions."""
    records = []
    for cell, path in zip(cells, files, strict=True):
        record = read_json(path)
        records.append(
            {
                **key_of(study, cell.group),
                "method": cell.method,
                "device": record["device"],
                "peak_gpu": record["peak_gpu_mib"],
                "reduced": _reduced(record["reduced_batches"]),
                "versions": json.dumps(
                    {"python": record["python"], **record["versions"]}, sort_keys=True
                ),
            }
        )
    return pd.DataFrame(records)


def _reduced(batches: dict[str, list[int]]) -> str | None:
    """Return what of a model's job did not fit into memory, None if all did."""
    return ", ".join(f"{what} {asked} > {used}" for what, (asked, used) in batches.items()) or None


def provenance(study: str, config: str, models: pd.DataFrame) -> pd.DataFrame:
    """Return the one row of `provenance`; its `run` digests the rest of it.

    config: the checked config as JSON.
    """
    row = {
        "study": study,
        "suite": version("rightreasons"),
        "config": config,
        "versions": json.dumps(sorted(models["versions"].unique())),
        "device": ", ".join(sorted(models["device"].unique())),
    }
    digest = hashlib.blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=6)
    return pd.DataFrame([{"run": digest.hexdigest(), **row}])


def splits(study: str, groups: Sequence[Group], files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield the achieved counts and associations of every split, role by role."""
    from rightreasons.splits import achieved

    for group, path in zip(groups, files, strict=True):
        counts = achieved(pd.read_parquet(path)).rename(columns={"N": "n"})
        yield counts.assign(**key_of(study, group))


def predictions(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield every model's predictions on its test images."""
    for cell, path in zip(cells, files, strict=True):
        table = pd.read_parquet(path)
        test = table[table["role"] == "test"].drop(columns="role")
        yield test.assign(**key_of(study, cell.group), method=cell.method)


def held_out(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield every model's decisions on its debias images, which choose between models."""
    for cell, path in zip(cells, files, strict=True):
        table = pd.read_parquet(path, columns=["role", "target", "decision"])
        debias = table[table["role"] == "debias"]
        yield debias.assign(**key_of(study, cell.group), method=cell.method)


def sanity(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield the sanity checks of the cells that have them."""
    for cell, path in zip(cells, files, strict=True):
        yield pd.read_parquet(path).assign(**key_of(study, cell.group), method=cell.method)


def parts(files: Sequence[Path], progress: Any) -> Iterator[pd.DataFrame]:
    """Yield the measures of every group as they were written."""
    for path in progress(files, "read"):
        yield pd.read_parquet(path)


def runtimes(study: str, timed: Sequence[Timed], models: pd.DataFrame) -> pd.DataFrame:
    """Return a row per job of the study that left a benchmark file."""
    rows = [
        {
            "study": study,
            **job.key,
            "stage": job.stage,
            "explainers": job.explainers,
            **_benchmark(job.path),
        }
        for job in timed
        if job.path.exists()
    ]
    table = pd.DataFrame(rows)
    absent = {
        name: pd.Series(np.nan, table.index, dtype)
        for name, dtype in MODEL_KEY.items()
        if name not in table
    }
    known = models[[*MODEL_KEY, "device", "peak_gpu", "reduced"]]
    return table.assign(**absent).merge(known, how="left", on=list(MODEL_KEY))


def tests(
    comparing: Comparing,
    cells: list[pd.DataFrame],
    predictions: pd.DataFrame,
    images: pd.DataFrame,
) -> pd.DataFrame:
    """Return all tests: those of the cells, and every method against the references.

    Comparisons use the same images and pool the seeds. Holm's correction is over the methods of a
    family: one task, design, level, explainer, reference and metric.
    """
    rows = []
    for group, part in predictions.groupby(GROUP, sort=False):
        key = dict(zip(GROUP, group, strict=True))
        chosen = images[(images[GROUP] == list(group)).all(axis=1)]
        for method, reference in _pairs(comparing, str(key["task"])):
            names = {"method": method, "test": "paired", "reference": reference}
            for row in _compare(comparing, part, chosen, method, reference):
                rows.append({**key, **names, **row})
    compared = pd.DataFrame(rows)
    if len(compared):
        family = compared.groupby([*GROUP, "explainer", "reference", "metric"], dropna=False)
        compared["p_holm"] = holm(compared["p_value"].to_numpy(), family.ngroup().to_numpy())
        compared["significant"] = (compared["p_holm"] < 0.05).where(compared["p_holm"].notna())
    return pd.concat([*cells, compared], ignore_index=True)


def leaderboard(cells: pd.DataFrame, tests: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return a row per task, level, method and explainer: means over seeds, ranked.

    Ranked by equalized odds, lower first, among the methods that decide differently for different
    images with every seed; a method that collapsed with some seed has no rank.
    """
    performance = cells[cells["explainer"].isna()]
    saliency = cells[cells["explainer"].notna()]
    rows = []
    for group, part in performance.groupby([*GROUP, "method"], sort=False):
        key = dict(zip([*GROUP, "method"], group, strict=True))
        maps = saliency[(saliency[list(key)] == list(group)).all(axis=1)]
        row = {**key, **_performance(part), **_change(tests, key)}
        for explainer, values in maps.groupby("explainer", sort=False):
            means = values.groupby("metric")["value"].mean()
            shown = {m: means.get(m, np.nan) for m in ("rrf", "adr", "dif", "rddt")}
            rows.append({**row, "explainer": explainer, **shown})
    board = pd.DataFrame(rows)
    ranked = board["equalized_odds"].where(board["n_collapsed"] == 0)
    board["rank"] = (
        ranked.groupby([board[k] for k in [*GROUP, "explainer"]]).rank(method="min").astype("Int64")
    )
    order = {method: i for i, method in enumerate(methods)}
    return board.sort_values(
        [*GROUP, "explainer", "rank", "method"],
        key=lambda c: c.map(order) if c.name == "method" else c,
        na_position="last",
        ignore_index=True,
    )


def associations(cells: pd.DataFrame) -> pd.DataFrame:
    """Return RQ1's statistics: does fairness improve where saliency leaves the ROI?

    Over the cells of all methods but vanilla that did not collapse: change of equalized odds
    against vanilla, against ADR and against the change of RRF; per explainer.
    """
    rows: list[dict[str, Any]] = []
    for explainer, table in _shifts(cells).groupby("explainer", sort=False):
        for predictor in ("adr", "rrf_change"):
            rng = numpy_rng(0, "associations", str(explainer), predictor)
            rows += _association(table, str(explainer), predictor, rng)
    study = cells["study"].iloc[0]
    return pd.DataFrame(rows).assign(study=study) if rows else pd.DataFrame({"study": []})


def _association(
    table: pd.DataFrame, explainer: str, predictor: str, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    names = {
        "explainer": explainer,
        "outcome": "equalized_odds_change",
        "predictor": predictor,
    }
    x, y = table[predictor].to_numpy(float), table["equalized_odds_change"].to_numpy(float)
    rank = rank_correlation(x, y, rng=rng)
    yield {
        **names,
        "model": "spearman",
        "estimate": rank.value,
        "ci_low": rank.low,
        "ci_high": rank.high,
        "n": rank.n,
        "note": "interval by bootstrap over cells",
    }
    fit = fairness_saliency_regression(table.assign(saliency_shift=table[predictor]))
    slope = fit[fit["term"] == "saliency_shift"].iloc[0]
    yield {
        **names,
        "model": "regression",
        **{name: slope[name] for name in ("estimate", "ci_low", "ci_high", "p_value", "n")},
        "note": slope["model"],
    }


def _shifts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cell and explainer: changes against vanilla, collapsed cells left out."""
    cell = [*GROUP, "seed"]
    flat = cells[cells["explainer"].isna()].pivot(
        index=[*cell, "method"], columns="metric", values="value"
    )
    maps = cells[cells["explainer"].notna()].pivot(
        index=[*cell, "method", "explainer"], columns="metric", values="value"
    )
    table = (
        maps[["adr", "rrf"]]
        .reset_index()
        .merge(flat[["equalized_odds", "collapsed_prediction"]].reset_index(), on=[*cell, "method"])
    )
    vanilla = table[table["method"] == "vanilla"].drop(columns=["method", "adr"])
    both = table[table["method"] != "vanilla"].merge(
        vanilla, on=[*cell, "explainer"], suffixes=("", "_vanilla")
    )
    both["equalized_odds_change"] = both["equalized_odds"] - both["equalized_odds_vanilla"]
    both["rrf_change"] = both["rrf"] - both["rrf_vanilla"]
    sound = (both["collapsed_prediction"] == 0) & (both["collapsed_prediction_vanilla"] == 0)
    return both[sound]


def _performance(part: pd.DataFrame) -> dict[str, Any]:
    """Return means over seeds of a method's metrics of predictions, and what collapsed."""
    values = {name: rows["value"].to_numpy() for name, rows in part.groupby("metric")}
    odds = mean_interval(values["equalized_odds"])
    one_seed = part[part["metric"] == "equalized_odds"].iloc[0]
    low, high = (odds.low, odds.high) if odds.n > 1 else (one_seed["ci_low"], one_seed["ci_high"])
    names = ("accuracy", "worst_group_accuracy", "twin_flip_rate")
    return {
        "equalized_odds": odds.value,
        "equalized_odds_low": max(low, 0.0) if not np.isnan(low) else low,
        "equalized_odds_high": min(high, 1.0) if not np.isnan(high) else high,
        **{name: mean_interval(values[name]).value for name in names},
        "n_seeds": part["seed"].nunique(),
        "n_collapsed": int((values["collapsed_prediction"] == 1).sum()),
    }


def _change(tests: pd.DataFrame, key: dict[str, Any]) -> dict[str, float]:
    wanted = {**key, "test": "paired", "reference": "vanilla", "metric": "equalized_odds"}
    found = tests[(tests[list(wanted)] == list(wanted.values())).all(axis=1)]
    if found.empty:
        return {}
    return {
        "equalized_odds_change": found["effect"].iloc[0],
        "equalized_odds_change_p": found["p_holm"].iloc[0],
    }


def _pairs(comparing: Comparing, task: str) -> list[tuple[str, str]]:
    methods = comparing.methods[task]
    return [
        (method, reference)
        for reference in comparing.roles.references
        if reference in methods
        for method in methods
        if method not in (comparing.roles.original, reference)
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
    for metric in COMPARED_GROUPS:
        rng = numpy_rng(0, "compare", *map(str, part[GROUP].iloc[0]), method, reference, metric)
        result = paired_group_bootstrap(
            pairs,
            metric=METRICS[metric],
            params=params[metric],
            rng=rng,
            replicates=comparing.replicates,
        )
        yield {"metric": metric, **_comparison(result)}
    yield from _compare_twins(both)
    yield from _compare_maps(images, method, reference)


def _paired_predictions(table: pd.DataFrame) -> PairedPredictions:
    names = ("target", "protected", "decision", "decision_reference")
    scores = ("score", "score_reference")
    return PairedPredictions(
        *[table[name].to_numpy(np.int64) for name in names],
        *[table[name].to_numpy(np.float64) for name in scores],
    )


def _compare_twins(both: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the comparison of the shares of flipped decisions, if there are twins."""
    flips = [
        (both[f"twin_decision{suffix}"] != both[f"decision{suffix}"])
        .where(both[f"twin_decision{suffix}"].notna())
        .astype("Float64")
        .to_numpy(np.float64, na_value=np.nan)
        for suffix in ("", "_reference")
    ]
    if not np.isnan(flips[0]).all():
        yield {
            "metric": "twin_flip_rate",
            **_image_comparison(flips[0] - flips[1], both["image_id"], both["seed"]),
        }


def _compare_maps(images: pd.DataFrame, method: str, reference: str) -> Iterator[dict[str, Any]]:
    shown = images[images["metric"].isin(COMPARED_IMAGES)]
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


def _benchmark(path: Path) -> dict[str, float]:
    row = pd.read_csv(path, sep="\t", na_values=["-"]).iloc[0]
    return {
        "seconds": float(row["s"]),
        "max_rss": float(row["max_rss"]),
        "mean_load": float(row["mean_load"]),
    }
