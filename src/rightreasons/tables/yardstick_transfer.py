"""Is what is best on some datasets, networks or shortcuts best on others? `yardstick_transfer`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from rightreasons.statistics.clusters import rank_correlations
from rightreasons.tables.yardstick_tasks import TASK

Array = np.ndarray

PAIR = ["explainer", "metric", "shown"]
MEASURES = {"spearman": "estimate", "area": "area"}
#: The most units that are cut into halves in all ways; of more, one is held against the rest.
MOST = 8
FEWEST = 3  # pairs that can be ranked


def yardstick_transfer(
    tasks: pd.DataFrame, kinds: Mapping[str, Mapping[str, str]], blind: Collection[str]
) -> pd.DataFrame:
    """Return the table `yardstick_transfer`: what is chosen on one half, judged on the other.

    Pairs of explainer and metric are ranked by the mean over datasets of means over tasks, once on
    the tasks of one half and once on those of the other. Only pairs with a number in every task
    take part, and no explainer that is blind: an order that has these last is easily found again.

    Parameters
    ----------
    tasks
        The table `yardstick_tasks`.
    kinds
        For each task its network and shortcut, say. Halves are of these, of datasets and of tasks.
    blind
        Names of the explainers that see neither network nor class.

    Returns
    -------
    pandas.DataFrame
        A row per way to cut (by), measure (spearman, area) and half, either half being the one
        where a pair is chosen. No rows for one task.
    """
    made = []
    for measure, column in MEASURES.items():
        values, table = _pairs(tasks, column, blind)
        if len(values) >= FEWEST:
            units = table.assign(**_kinds(table["task"], kinds))
            by = [name for name in ("dataset", *_names(kinds), "task") if name in units]
            made += [
                {"by": name, "measure": measure, **row}
                for name in by
                for row in _cut(values, units, name)
            ]
    return pd.DataFrame(made) if made else pd.DataFrame({"study": []})


@dataclass(frozen=True)
class Cut:
    """One way to cut datasets (or tasks) into halves.

    Parameters
    ----------
    half, others
        What is in either.
    pairs
        explainer, metric, here and there: the mean correlation of a pair in half and others.
    """

    half: tuple[str, ...]
    others: tuple[str, ...]
    pairs: pd.DataFrame


def halved(tasks: pd.DataFrame) -> list[Cut]:
    """Return every way to cut the datasets into halves, the smaller half first; each way once.

    Parameters
    ----------
    tasks
        The table `yardstick_tasks`. With one dataset its tasks are cut.
    """
    values, units = _pairs(tasks, "estimate", ())
    if values.empty:
        return []
    by = "dataset" if units["dataset"].nunique() > 1 else "task"
    names = sorted(units[by].unique())
    cuts: list[Cut] = []
    for half in _halves(names):
        others = tuple(name for name in names if name not in half)
        if {half, others} not in [{cut.half, cut.others} for cut in cuts]:
            inside = units[by].isin(half).to_numpy()
            here, there = (_means(values.loc[:, part], units[part]) for part in (inside, ~inside))
            pairs = values.index.to_frame(index=False).assign(here=here, there=there)
            cuts.append(Cut(half, others, pairs))
    return cuts


def _pairs(
    tasks: pd.DataFrame, column: str, blind: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return numbers by pair and task, none missing, and dataset and task of the columns."""
    nothing = pd.DataFrame(), pd.DataFrame()
    if tasks.empty:
        return nothing
    rows = tasks[(tasks["truth"] == "flips") & (tasks["shown"] != "without")]
    rows = rows[~rows["explainer"].isin(list(blind))].dropna(subset=[column])
    if rows.empty:
        return nothing
    values = rows.pivot_table(index=PAIR, columns=TASK, values=column, observed=True).dropna()
    return values, values.columns.to_frame(index=False)


def _names(kinds: Mapping[str, Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for kind in kinds.values() for name in kind))


def _kinds(tasks: pd.Series, kinds: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    return {name: [kinds[task][name] for task in tasks] for name in _names(kinds)}


def _cut(values: pd.DataFrame, units: pd.DataFrame, by: str) -> Iterator[dict[str, object]]:
    """Yield a row for each half of the units: a pair is chosen there and judged on the rest."""
    names = sorted(units[by].unique())
    for chosen in _halves(names):
        there = units[by].isin(chosen).to_numpy()
        here = _means(values.loc[:, there], units[there])
        rest = _means(values.loc[:, ~there], units[~there])
        others = [name for name in names if name not in chosen]
        parts = {"half": " + ".join(chosen), "others": " + ".join(others)}
        yield {**parts, **_judged(here, rest, values.index)}


def _halves(names: list[str]) -> Iterator[tuple[str, ...]]:
    n = len(names)
    if n < 2:
        return
    sizes = {n // 2, n - n // 2} if n <= MOST else {n - 1}
    for size in sorted(sizes):
        yield from combinations(names, size)


def _means(values: pd.DataFrame, units: pd.DataFrame) -> Array:
    """Return each pair's mean over datasets of means over their tasks."""
    data, datasets = values.to_numpy(float), units["dataset"].to_numpy()
    return np.mean([data[:, datasets == d].mean(axis=1) for d in np.unique(datasets)], axis=0)


def _judged(here: Array, rest: Array, pairs: pd.Index) -> dict[str, object]:
    """Return what the pair that is best in one half is worth in the other."""
    chosen, best = int(here.argmax()), int(rest.argmax())
    agreement = rank_correlations(here, rest, np.ones((1, len(here))))[0]
    return {
        "pairs": len(here),
        "agreement": float(agreement),
        "explainer": pairs[chosen][0],
        "metric": pairs[chosen][1],
        "chosen_for": float(here[chosen]),
        "worth": float(rest[chosen]),
        "best": float(rest[best]),
        "best_explainer": pairs[best][0],
        "best_metric": pairs[best][1],
        "regret": float(rest[best] - rest[chosen]),
        "regret_blind": float(rest[best] - rest.mean()),
        "rank": int((rest > rest[chosen]).sum()) + 1,
    }
