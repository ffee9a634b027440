"""What tuning tried and chose, and what the choice was worth on test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rightreasons.tuning.criteria import JUDGED

CELL = ["task", "design", "level", "method"]


@dataclass(frozen=True)
class Chosen:
    """The choice of a method's parameters.

    Attributes
    ----------
    task, design, levels
        Where it was made, and for which levels.
    method
        The method's name in the study.
    record
        trial, source, params, criterion, tolerance, and `select`: the means of the chosen trial.
    """

    task: str
    design: str
    levels: tuple[float, ...]
    method: str
    record: dict[str, Any]


def trials(study: str, tried: pd.DataFrame, choices: Sequence[Chosen]) -> pd.DataFrame:
    """Return all trials with the study's name, and whether each was chosen.

    Parameters
    ----------
    study
        Its name.
    tried
        The rows of all `tune` jobs.
    choices
        What was chosen.
    """
    numbers = {
        (one.task, one.design, level, one.method): one.record["trial"]
        for one in choices
        for level in one.levels
    }
    keys = tried[CELL].itertuples(index=False, name=None)
    chosen = [numbers.get(tuple(key)) for key in keys]
    return tried.assign(study=study, chosen=tried["trial"] == pd.Series(chosen, tried.index))


def selection(cells: pd.DataFrame, choices: Sequence[Chosen]) -> pd.DataFrame:
    """Return what every choice promised on select images and gave on test images.

    Parameters
    ----------
    cells
        The table `cell_metrics`.
    choices
        What was chosen.

    Returns
    -------
    DataFrame
        A row per choice, level and metric: select (mean of the chosen trial over tuning seeds),
        test (mean over the study's seeds), and optimism, their difference (select - test). With
        another sign for metrics of which more is better it is how much too good the choice looked.
    """
    of_predictions = cells[cells["explainer"].isna() & cells["metric"].isin(JUDGED)]
    means = of_predictions.groupby(["study", "dataset", *CELL, "metric"], observed=True)["value"]
    test = means.mean().reset_index(name="test")
    rows = []
    for one in choices:
        for level in one.levels:
            for metric in JUDGED:
                key = {"task": one.task, "design": one.design, "level": level, "metric": metric}
                select = one.record["select"][metric]
                named = {"trial": one.record["trial"], "source": one.record["source"]}
                criterion = {"criterion": one.record["criterion"]}
                rows.append({**key, "method": one.method, "select": select, **named, **criterion})
    both = pd.DataFrame(rows).merge(test, how="left", on=[*CELL, "metric"])
    return both.assign(optimism=both["select"] - both["test"])
