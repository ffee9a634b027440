"""Does fairness improve where saliency leaves the ROI? Over all cells, per explainer.

Which metrics are related, their traits say: `plays` has "outcome" or "shift".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS, playing
from rightreasons.statistics.associations import fairness_saliency_regression, rank_correlation

CELL = ["study", "dataset", "task", "design", "level", "seed"]


def associations(cells: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return the table `associations`: changes of outcomes against shifts of saliency.

    Over the cells of all methods but the original; left out are those that collapsed, or whose
    original did.

    Parameters
    ----------
    cells
        The table `cell_metrics`.
    original
        The method that changes are against.

    Returns
    -------
    pandas.DataFrame
        For each explainer, predictor (a metric that plays "shift") and outcome (one that plays
        "outcome") a row with Spearman's correlation and one with the regression's slope. No rows
        where no method of the study has maps.
    """
    rows: list[dict[str, Any]] = []
    for explainer, table in _changes(cells, original).groupby("explainer", sort=False):
        for predictor in _predictors():
            for outcome in map(_change_of, playing("outcome")):
                rng = numpy_rng(0, "associations", str(explainer), predictor)
                names = {"explainer": explainer, "outcome": outcome, "predictor": predictor}
                rows += [{**names, **row} for row in _related(table, outcome, predictor, rng)]
    study = cells["study"].iloc[0]
    return pd.DataFrame(rows).assign(study=study) if rows else pd.DataFrame({"study": []})


def _related(
    table: pd.DataFrame, outcome: str, predictor: str, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Yield the rank correlation and the regression of two columns."""
    x, y = table[predictor].to_numpy(float), table[outcome].to_numpy(float)
    rank = rank_correlation(x, y, rng=rng)
    yield {
        "model": "spearman",
        "estimate": rank.value,
        "ci_low": rank.low,
        "ci_high": rank.high,
        "n": rank.n,
        "note": "interval by bootstrap over cells",
    }
    fit = fairness_saliency_regression(
        table[["task", "seed"]].assign(change=table[outcome], shift=table[predictor])
    )
    slope = fit[fit["term"] == "shift"].iloc[0]
    yield {
        "model": "regression",
        **{name: slope[name] for name in ("estimate", "ci_low", "ci_high", "p_value", "n")},
        "note": slope["model"],
    }


def _changes(cells: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return a row per cell and explainer: shifts and changes, collapsed cells left out."""
    shifts, outcomes, flags = (playing(part) for part in ("shift", "outcome", "collapse"))
    flat = cells[cells["explainer"].isna()].pivot(
        index=[*CELL, "method"], columns="metric", values="value"
    )
    maps = cells[cells["explainer"].notna()].pivot(
        index=[*CELL, "method", "explainer"], columns="metric", values="value"
    )
    table = (
        maps[shifts]
        .reset_index()
        .merge(flat[[*outcomes, *flags]].reset_index(), on=[*CELL, "method"])
    )
    changing = [*outcomes, *_not_of_pairs()]
    first = table[table["method"] == original][[*CELL, "explainer", *changing, *flags]]
    both = table[table["method"] != original].merge(
        first, on=[*CELL, "explainer"], suffixes=("", "_original")
    )
    for name in changing:
        both[_change_of(name)] = both[name] - both[f"{name}_original"]
    collapse = [*flags, *(f"{flag}_original" for flag in flags)]
    return both[(both[collapse] == 0).all(axis=1)]


def _predictors() -> list[str]:
    """Return the columns of shifts: metrics of pairs are changes against the original already."""
    others = _not_of_pairs()
    pairs = [name for name in playing("shift") if name not in others]
    return [*pairs, *map(_change_of, others)]


def _not_of_pairs() -> list[str]:
    return [name for name in playing("shift") if METRICS[name].traits["needs"] != "pair"]


def _change_of(metric: str) -> str:
    return f"{metric}_change"
