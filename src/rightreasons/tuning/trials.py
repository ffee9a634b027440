"""Running trials: a method is applied, and its decisions on the select images are judged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError, reason
from rightreasons.core.registry import Component
from rightreasons.debias import Context, Debiased, apply
from rightreasons.tuning.criteria import JUDGED
from rightreasons.tuning.draws import Trial

#: From a network (None: the original's) and a decision rule to predictions on the select images.
Predict = Callable[[Debiased], pd.DataFrame]


def run_trials(
    method: Component,
    context: Context,
    trials: Iterable[Trial],
    predict: Predict,
    budget: int,
) -> Iterator[dict[str, Any]]:
    """Yield a row per trial: what it took, and what it reached on the select images.

    Parameters
    ----------
    method
        The registered method.
    context
        What it may use: no select image. All trials have the same random streams.
    trials
        What is tried.
    predict
        Predicts the select images.
    budget
        Image passes that a trial may take.

    Yields
    ------
    dict
        trial, source, params (JSON), image_passes, budget, seconds, over_budget, error (None where
        it went well) and the columns `JUDGED` and loss, missing where it failed.
    """
    from rightreasons.learning.passes import counted

    for trial in trials:
        started = time.perf_counter()
        row: dict[str, Any] = {
            "trial": trial.number,
            "source": trial.source,
            "params": json.dumps(trial.params, sort_keys=True),
            "error": None,
        }
        with counted() as taken:
            try:
                made = apply(method, context, method.params.model_validate(trial.params))
            except UserError as error:
                row["error"] = reason(error)
        row |= {"image_passes": taken.images, "over_budget": taken.images > budget}
        row["budget"] = budget
        if row["error"] is None:
            row |= judge(predict(made))
        yield {**row, "seconds": time.perf_counter() - started}


def judge(predictions: pd.DataFrame) -> dict[str, float]:
    """Return what decisions are worth: the metrics `JUDGED`, and the loss.

    Parameters
    ----------
    predictions
        A row per image: target, protected, chance (how often 1 is decided) and score.

    Returns
    -------
    dict
        By name; `loss` is the mean cross-entropy of the scores, kept away from 0 and 1 by 1e-7.
    """
    from rightreasons.metrics import METRICS
    from rightreasons.metrics._groups import count_cells

    columns = [predictions[name].to_numpy() for name in ("target", "protected", "chance")]
    counts = count_cells(*columns)
    metrics = [METRICS[name] for name in JUDGED]
    values = {metric.name: float(metric.run(counts, metric.params())) for metric in metrics}
    score = predictions["score"].to_numpy(np.float64).clip(1e-7, 1 - 1e-7)
    target = predictions["target"].to_numpy()
    loss = -np.log(np.where(target == 1, score, 1 - score)).mean()
    return {**values, "loss": float(loss)}
