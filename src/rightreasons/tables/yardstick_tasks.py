"""How well each explainer and metric says within one task what models rely on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.statistics.bootstrap import Interval
from rightreasons.statistics.clusters import (
    jackknife_error,
    jackknife_weights,
    rank_correlations,
    roc_areas,
)
from rightreasons.statistics.nested import Nested, nested_mean
from rightreasons.tables.claims import CLAIM, GROUP, beyond, is_pair, of_itself, signs
from rightreasons.tables.reliance import TRUTHS

Array = np.ndarray

TASK = ["dataset", "task", "design"]
FEWEST = 3  # models that a correlation needs
#: What a task's number can be, by its column.
BOUNDS = {"estimate": (-1.0, 1.0), "area": (0.0, 1.0)}


def held(table: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return the rows of the table `reliance` that are held against the truth.

    Those of models that collapsed, or are compared with themselves, are left out. Added are `said`,
    what the metric claims (larger is more), and `true_<truth>` for each of TRUTHS: for metrics of
    pairs the change against the original.
    """
    sound = table[~table["collapsed"].fillna(False).astype(bool)]
    sound = sound[~of_itself(sound, original)]
    said = (signs(sound["metric"]) * sound["value"]).astype(float)
    first = table[table["method"] == original][[*GROUP, *TRUTHS]].drop_duplicates(GROUP)
    first = sound[GROUP].merge(first, how="left", on=GROUP)
    pair = is_pair(sound["metric"]).to_numpy()
    true = {
        f"true_{name}": sound[name].to_numpy(float) - np.where(pair, first[name], 0.0)
        for name in TRUTHS
    }
    return sound.assign(said=said, **true)


def by_task(rows: pd.DataFrame, within: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the table `yardstick_tasks`: each (explainer, metric, shown) in each task.

    Spearman's correlation and ROC area over the models of a task. A metric that says the same of
    models that differ has a correlation of 0, as its ROC area is 0.5. Both have a standard error
    over seeds, from the jackknife.

    Parameters
    ----------
    rows
        What `held` returns.
    within
        Columns such as the level: numbers are means over parts of the task in which these are the
        same.

    Returns
    -------
    pandas.DataFrame
        A row per TASK, CLAIM and truth: estimate, estimate_error, area, area_error, models,
        n_reliant, n_not_reliant, seeds. Only tasks whose ROI is the attribute's place.
    """
    here = rows[rows["place"]].dropna(subset=["said"])
    made = []
    for key, part in here.groupby([*TASK, *CLAIM], sort=False, observed=True):
        names = dict(zip([*TASK, *CLAIM], key, strict=True))
        numbers = _Parts(part, within)
        fixed = {**numbers.area(), "seeds": part["seed"].nunique()}
        made += [
            {**names, "truth": truth, **numbers.correlation(truth), **fixed} for truth in TRUTHS
        ]
    return pd.DataFrame(made) if made else pd.DataFrame({"study": []})


def over_tasks(tasks: pd.DataFrame, column: str) -> Nested:
    """Return a number's mean over tasks and datasets.

    Parameters
    ----------
    tasks
        Rows of the table `yardstick_tasks` of one CLAIM and truth; there may be none.
    column
        `estimate` or `area`.
    """
    if tasks.empty:
        empty = np.empty(0)
        return nested_mean(empty, empty, empty, BOUNDS[column])
    return nested_mean(
        tasks[column].to_numpy(float),
        tasks["dataset"].to_numpy(),
        tasks[f"{column}_error"].to_numpy(float),
        BOUNDS[column],
    )


def numbers_over_tasks(tasks: pd.DataFrame) -> dict[str, float]:
    """Return the columns of the table `yardstick` that are about tasks and datasets."""
    spearman, area = (over_tasks(tasks, column) for column in BOUNDS)
    return {
        "within": spearman.value,
        **_ends("within_tasks", spearman.tasks),
        **_ends("within_datasets", spearman.datasets),
        "sd_datasets": spearman.sd_datasets,
        "sd_tasks": spearman.sd_tasks,
        "error_seeds": spearman.error,
        "area_within": area.value,
        **_ends("area_within_tasks", area.tasks),
        **_ends("area_within_datasets", area.datasets),
        "tasks": spearman.tasks.n,
        "datasets": spearman.datasets.n,
    }


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


class _Parts:
    """The models of one task and what one metric of one explainer says of them, in parts.

    Parameters
    ----------
    cells
        Rows of one task and CLAIM.
    within
        Columns that are the same in a part.
    """

    def __init__(self, cells: pd.DataFrame, within: tuple[str, ...]) -> None:
        self.cells = cells
        self.weights = jackknife_weights(cells["seed"].to_numpy())
        of_part = cells.groupby(list(within), observed=True).indices.values() if within else None
        self.parts = [np.arange(len(cells))] if of_part is None else list(of_part)

    def correlation(self, truth: str) -> dict[str, float]:
        """Return the mean of Spearman's correlations, its error, and the models they rest on."""
        said = self.cells["said"].to_numpy(float)
        true = self.cells[f"true_{truth}"].to_numpy(float)
        known = [part[~np.isnan(true[part])] for part in self.parts]
        known = [part for part in known if len(part) >= FEWEST]
        found = [_correlations(said[p], true[p], self.weights[:, p]) for p in known]
        return {**_summary("estimate", found), "models": sum(map(len, known))}

    def area(self) -> dict[str, float]:
        """Return the mean of ROC areas, its error, and how many models are reliant."""
        value = beyond(self.cells).to_numpy(float)
        true = self.cells["reliant"].to_numpy(bool)
        found = [roc_areas(value[p], true[p], self.weights[:, p]) for p in self.parts]
        counts = {"n_reliant": int(true.sum()), "n_not_reliant": int((~true).sum())}
        return {**_summary("area", found), **counts}


def _correlations(said: Array, true: Array, weights: Array) -> Array:
    """Return Spearman's correlations; 0 where what is said is constant and the truth is not."""
    found = rank_correlations(said, true, weights)
    varies = ~np.isnan(rank_correlations(true, true, weights))
    return np.where(np.isnan(found) & varies, 0.0, found)


def _summary(name: str, found: list[Array]) -> dict[str, float]:
    """Return the mean over parts and its jackknife error; parts without a number are left out."""
    sound = [one for one in found if not np.isnan(one[0])]
    if not sound:
        return {name: np.nan, f"{name}_error": np.nan}
    mean = np.mean(sound, axis=0)
    return {name: float(mean[0]), f"{name}_error": jackknife_error(mean[1:])}
