"""Whether a metric of maps says the same again: of other images, and of the model trained again."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from rightreasons.core.seeds import derive
from rightreasons.statistics.nested import Nested, nested_mean
from rightreasons.statistics.reliability import intraclass, stepped_up
from rightreasons.tables.claims import CLAIM, GROUP, MODEL
from rightreasons.tables.reliance import claiming
from rightreasons.tables.yardstick_tasks import TASK

HALF = ["first", "second"]
CELL = ["level", "method"]
FEWEST = 3  # models that a correlation needs


def map_halves(image_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the means of metrics that claim something over two halves of the images.

    Parameters
    ----------
    image_metrics
        The table, or the rows of some of its groups.

    Returns
    -------
    pandas.DataFrame
        A row per MODEL and CLAIM: first, second. The halves are the same for all models of a group,
        and have as many images of either class as can be. A half without a number is missing.
    """
    rows = claiming(image_metrics)
    image = [*GROUP, "shown", "target", "image_id"]
    images = rows[image].drop_duplicates()
    place = [derive(0, "halves", str(name)) for name in images["image_id"]]
    images = images.assign(place=place).sort_values("place", kind="stable")
    cells = images.groupby(image[:-1], sort=False, observed=True)
    images = images.assign(half=cells.cumcount() % 2).drop(columns="place")
    means = rows.merge(images, on=image).groupby([*MODEL, *CLAIM, "half"], observed=True)["value"]
    table = means.mean().unstack("half").reindex(columns=[0, 1])
    return table.set_axis(HALF, axis=1).reset_index()


def retest(rows: pd.DataFrame, halves: pd.DataFrame, copies: Collection[str] = ()) -> pd.DataFrame:
    """Return the table `retest`: how far each (explainer, metric, shown) repeats itself.

    Parameters
    ----------
    rows
        What `tables.yardstick_tasks.held` returns of the table `reliance`.
    halves
        What `map_halves` returns of every level.
    copies
        Methods whose maps are the original's: no further models.

    Returns
    -------
    pandas.DataFrame
        A row per CLAIM with a number per image. halves: Spearman's correlation of two halves of the
        images over a task's models, stepped up to all images. retrained: the intraclass correlation
        of ranks in a task, between cells (level and method) against seeds; retrained_flips: that of
        the truth. All are means over datasets of means over tasks whose ROI is the attribute's
        place, with intervals for other tasks of these datasets.
    """
    models = rows[rows["place"] & ~rows["method"].isin(list(copies))]
    models = models.merge(halves, on=[*MODEL, *CLAIM])
    made = []
    for key, part in models.groupby(CLAIM, sort=False, observed=True):
        tasks = [
            {"dataset": task[0], "models": len(some), **_of_task(some)}
            for task, some in part.groupby(TASK, sort=False, observed=True)
        ]
        numbers = _over_tasks(pd.DataFrame(tasks))
        made.append({**dict(zip(CLAIM, key, strict=True)), **numbers})
    if not made:
        return pd.DataFrame({"study": []})
    return pd.DataFrame(made).sort_values(
        CLAIM, ignore_index=True
    )  # fmt: skip


def _of_task(models: pd.DataFrame) -> dict[str, float]:
    known = models.dropna(subset=HALF)
    ranks = known[HALF].rank().to_numpy()
    same = len(known) < FEWEST or not np.ptp(ranks, axis=0).all()
    said = models.dropna(subset=["said"])
    cells = said.groupby(CELL, observed=True).ngroup().to_numpy()
    said_ranks, true_ranks = (said[name].rank().to_numpy() for name in ("said", "true_flips"))
    return {
        "halves": np.nan if same else stepped_up(float(np.corrcoef(ranks.T)[0, 1])),
        "retrained": intraclass(said_ranks, cells),
        "retrained_flips": intraclass(true_ranks, cells),
    }


def _over_tasks(tasks: pd.DataFrame) -> dict[str, float]:
    halves, retrained, flips = (
        _mean(tasks, name) for name in ("halves", "retrained", "retrained_flips")
    )
    return {
        "halves": halves.value,
        "halves_low": halves.tasks.low,
        "halves_high": halves.tasks.high,
        "retrained": retrained.value,
        "retrained_low": retrained.tasks.low,
        "retrained_high": retrained.tasks.high,
        "retrained_flips": flips.value,
        "models": int(tasks["models"].sum()),
        "tasks": len(tasks),
        "datasets": tasks["dataset"].nunique(),
    }


def _mean(tasks: pd.DataFrame, name: str) -> Nested:
    values = tasks[name].to_numpy(float)
    return nested_mean(values, tasks["dataset"].to_numpy(), np.full(len(values), np.nan), (-1, 1))
