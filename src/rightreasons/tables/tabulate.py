"""What all tables need of the cells: their keys, splits, predictions, models, run times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rightreasons.core.code import commit, whole_package
from rightreasons.core.files import read_json
from rightreasons.core.job import Cell, Group
from rightreasons.tables.parameters import Described, Timed
from rightreasons.tables.rows import by_metric, joined, keyed, read_rows, with_words

#: Columns of predictions that only more than two classes have: they stay with the model.
OF_CLASS = re.compile(r"(watched_)?(twin_)?(logit_([2-9]|\d\d+)|score_\d+)")
MODEL_KEY = {"task": object, "design": object, "level": float, "seed": float, "method": object}


def key_of(study: str, group: Group) -> dict[str, Any]:
    """Return a group's columns of the cell key: study to seed."""
    return {"study": study, **group.model_dump()}


def models(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> pd.DataFrame:
    """Return a row per model, with its cell key, device, peak GPU memory and versions.

    Parameters
    ----------
    study
        Its name.
    cells, files
        The cells, and the `model.json` of each.

    Returns
    -------
    pandas.DataFrame
        `peak_gpu` in MiB, missing on a CPU; `reduced` says what did not fit into memory; `versions`
        is JSON.
    """
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


def methods(
    study: str, cells: Sequence[Cell], files: Sequence[Path], described: Mapping[str, Described]
) -> pd.DataFrame:
    """Return a row per model: what its method was given, and what it took.

    Parameters
    ----------
    study
        Its name.
    cells, files
        The cells, and the `model.json` of each.
    described
        What is known of each method.
    """
    rows = []
    for cell, path in zip(cells, files, strict=True):
        record = read_json(path)
        labels = record.get("labels", {})
        params = {k: v for k, v in record.get("method", {}).items() if k != "kind"}
        rows.append(
            {
                **key_of(study, cell.group),
                "method": cell.method,
                **described[cell.method].model_dump(),
                "params": json.dumps(params, sort_keys=True),
                "trial": record.get("trial"),
                "target_labels": labels.get("target"),
                "protected_labels": labels.get("protected"),
                "image_passes": record.get("image_passes"),
            }
        )
    return pd.DataFrame(rows).convert_dtypes()


def provenance(study: str, config: str, models: pd.DataFrame) -> pd.DataFrame:
    """Return the one row of `provenance`; its `run` digests the rest of it.

    Parameters
    ----------
    study
        Its name.
    config
        The checked config as JSON.
    models
        What `models` returns: their versions and devices.
    """
    row = {
        "study": study,
        "suite": _suite(),
        "commit": commit(),
        "code": whole_package("rightreasons"),
        "config": config,
        "versions": json.dumps(sorted(models["versions"].unique())),
        "device": ", ".join(sorted(models["device"].unique())),
    }
    digest = hashlib.blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=6)
    return pd.DataFrame([{"run": digest.hexdigest(), **row}])


def _suite() -> str:
    """Return the suite's version, as far as it is installed: a bare copy has none."""
    try:
        return version("rightreasons")
    except PackageNotFoundError:
        return "not installed"


def splits(
    study: str,
    groups: Sequence[Group],
    files: Sequence[Path],
    compositions: Mapping[str, Mapping[str, str]],
) -> Iterator[pd.DataFrame]:
    """Yield the achieved counts and associations of every split, role by role.

    Parameters
    ----------
    study
        Its name.
    groups, files
        The groups, and the split of each.
    compositions
        By design, what each role holds; missing for a design that does not say.
    """
    from rightreasons.splits import achieved

    for group, path in zip(groups, files, strict=True):
        counts = achieved(pd.read_parquet(path)).rename(columns={"N": "n"})
        counts["composition"] = counts["role"].map(dict(compositions[group.design]))
        yield counts.assign(**key_of(study, group))


def predictions(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the predictions of a group's models on its test images, group by group."""
    named = zip(cells, files, strict=True)
    for group, part in groupby(named, key=lambda one: one[0].group):
        key = key_of(study, group)
        yield joined(keyed(_tested(path), {**key, "method": cell.method}) for cell, path in part)


def _tested(path: Path) -> pa.Table:
    rows = with_words(read_rows(path), "role", ["test"]).drop_columns("role")
    others = [name for name in rows.column_names if OF_CLASS.fullmatch(name)]
    rows = rows.drop_columns(others)
    return rows.cast(pa.schema([
        field.with_type(pa.float64()) if pa.types.is_floating(field.type) else field
        for field in rows.schema
    ]))  # fmt: skip


def held_out(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield how often every model decides 1 on its debias images, which choose between models."""
    for cell, path in zip(cells, files, strict=True):
        table = pd.read_parquet(path, columns=["role", "target", "chance"])
        debias = table[table["role"] == "debias"]
        yield debias.assign(**key_of(study, cell.group), method=cell.method)


def sanity(study: str, cells: Sequence[Cell], files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield the sanity checks of the cells that have them."""
    for cell, path in zip(cells, files, strict=True):
        yield pd.read_parquet(path).assign(**key_of(study, cell.group), method=cell.method)


def image_metrics(files: Sequence[Path], progress: Any) -> Iterator[pa.Table]:
    """Yield the numbers of maps of every group, by metric."""
    for path in progress(files, "read"):
        yield by_metric(read_rows(path))


def parts(files: Sequence[Path], progress: Any) -> Iterator[pd.DataFrame]:
    """Yield the measures of every group as they were written."""
    for path in progress(files, "read"):
        yield pd.read_parquet(path)


def runtimes(study: str, timed: Sequence[Timed], models: pd.DataFrame) -> pd.DataFrame:
    """Return a row per job of the study that left a benchmark file.

    Parameters
    ----------
    study
        Its name.
    timed
        Every job; those whose file is missing, as in a copied folder, have no row.
    models
        What `models` returns: device and peak memory are joined by cell.

    Returns
    -------
    pandas.DataFrame
        seconds, max_rss (MiB) and mean_load (% of one core) are Snakemake's.
    """
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


def _benchmark(path: Path) -> dict[str, float]:
    row = pd.read_csv(path, sep="\t", na_values=["-"]).iloc[0]
    return {
        "seconds": float(row["s"]),
        "max_rss": float(row["max_rss"]),
        "mean_load": float(row["mean_load"]),
    }
