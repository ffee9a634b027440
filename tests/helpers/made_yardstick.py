"""A made-up table `reliance` of several datasets and tasks."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

DATASETS = {"faces": ("mark", "tint"), "pets": ("frame", "patch"), "people": ("hat",)}
LEVELS, SEEDS = (0.0, 0.5, 1.0), (0, 1, 2)


def model(dataset: str, task: str, level: float, seed: int, method: str) -> dict[str, Any]:
    key = {"study": "s", "dataset": dataset, "task": task, "design": "artifact_fraction"}
    return {**key, "level": level, "seed": seed, "method": method}


@cache
def table() -> pd.DataFrame:
    """Three datasets, five tasks: `good` follows the flips, on a scale of its own in each task."""
    rng = np.random.default_rng(0)
    tasks = [(dataset, task) for dataset, tasks in DATASETS.items() for task in tasks]
    rows = []
    for (i, (dataset, task)), level, seed in itertools.product(enumerate(tasks), LEVELS, SEEDS):
        original: float = np.nan
        for method in ("vanilla", "tuned", "thropt"):
            flips = np.clip(level * (0.4 if method == "tuned" else 0.8) + 0.1 * rng.random(), 0, 1)
            original = flips if method == "vanilla" else original
            said = {
                ("good", "rrf"): 1 - 0.2 * i + 0.3 * flips + 0.05 * rng.normal(),
                ("good", "fam"): 0.9 - 0.5 * flips + 0.05 * rng.normal(),
                ("good", "adr"): 0.2 * (original - flips) + 0.05 * rng.normal(),
                ("blind", "rrf"): 0.0,
            }
            truth = {"flips": flips, "logit_change": 5 * flips, "accuracy_change": flips - 0.3}
            for (explainer, metric), value in said.items():
                names = {"explainer": explainer, "metric": metric, "shown": "with"}
                fixed = {
                    "place": True,
                    "collapsed": False,
                    "called": flips > 0.5,
                    "null": "student",
                }
                own = {"value": value, "reliant": flips > 0.25, **fixed, **truth}
                rows.append({**model(dataset, task, level, seed, method), **names, **own})
    return pd.DataFrame(rows)


def rows_of(frame: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    return frame[(frame[list(wanted)] == list(wanted.values())).all(axis=1)]
