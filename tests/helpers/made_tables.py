"""A small study's tables, made up, of which the numbers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.tables.comparisons import level_tests
from rightreasons.tables.parameters import Comparing
from study import demo

#: `finetune` is a reference beside vanilla by its kind, the others are not.
METHODS = {
    "vanilla": {},
    "finetune": {},
    "same": {"kind": "zhang"},
    "thropt": {},
    "worse": {"kind": "zhang"},
}
KEY = {"study": "demo", "dataset": "synthfaces", "task": "tie", "design": "phi"}
N = 80


def plan_of(
    methods: dict[str, dict[str, Any]] | None = None,
    results: str = "results",
    *,
    controls: bool = False,
) -> Plan:
    """Return the plan of one task at two levels with two seeds, without matched controls."""
    raw = {**demo(), "seeds": [0, 1], "results": results, "controls": controls}
    raw["tasks"] = {"tie": raw["tasks"]["smiling_by_necktie"]}
    raw["designs"] = {"phi": {"levels": [0.0, 0.5]}}
    raw["methods"] = METHODS if methods is None else methods
    raw["explain"]["sets"] = {"main": {"lrp": {}}}
    raw["measure"] = {"replicates": 200}
    return Plan(load_config(raw))


def comparing_of(
    methods: dict[str, dict[str, Any]] | None = None, *, controls: bool = False
) -> Comparing:
    """Return what is compared in that study."""
    return TablePlan(plan_of(methods, controls=controls)).compare("tie", "phi", 0.0).comparing


def predictions() -> pd.DataFrame:
    """Every method on 80 images, 2 levels, 2 seeds. `same` equals vanilla; `worse` is a coin.

    A second attribute is watched, by which `finetune` decides more than the others do.
    """
    flips = {"worse": 0.55, "finetune": 0.05, "thropt": 0.1}
    parts = []
    for level in (0.0, 0.5):
        for seed in (0, 1):
            rng = np.random.default_rng([seed, int(10 * level)])
            target, protected = np.tile([0, 1], N // 2), np.repeat([0, 1], N // 2)
            vanilla = np.where(rng.random(N) < 0.85, target, 1 - target)
            for number, method in enumerate(METHODS):
                own = np.random.default_rng([seed, number])
                flip = own.random(N) < flips.get(method, 0)
                decision = np.where(flip, 1 - vanilla, vanilla)
                twin = np.where(own.random(N) < (0.5 if method == "worse" else 0), 1, 0) ^ decision
                swayed = np.arange(N) % 16 < (4 if method == "finetune" else 1)
                other = np.where(swayed, 1 - decision, decision)
                columns = {
                    **{"level": level, "seed": seed, "method": method},
                    "image_id": [f"i{n}" for n in range(N)],
                    "target": target,
                    "protected": protected,
                    "score": 0.25 + 0.5 * decision,
                    "decision": decision,
                    "chance": decision.astype(float),
                    "twin_score": 0.25 + 0.5 * twin,
                    "twin_decision": pd.array(twin, dtype="Int8"),
                    "twin_chance": twin.astype(float),
                    "watched": np.arange(N) // 2 % 2,
                    "watched_twin_score": 0.25 + 0.5 * other,
                    "watched_twin_decision": pd.array(other, dtype="Int8"),
                    "watched_twin_chance": other.astype(float),
                }
                parts.append(pd.DataFrame({**KEY, **columns}))
    return pd.concat(parts, ignore_index=True)


def images(metric: str = "rrf") -> pd.DataFrame:
    """A metric per map: `same` and `thropt` equal vanilla, `worse` is 0.2 higher."""
    table = predictions()[[*KEY, "level", "seed", "method", "image_id"]]
    base = table["image_id"].str[1:].astype(int) / 200
    shift = table["method"].map({"worse": 0.2, "finetune": -0.01}).fillna(0)
    noise = np.random.default_rng(0).normal(0, 0.01, len(table)) * (shift != 0)
    return table.assign(explainer="lrp", metric=metric, value=base + shift + noise)


def cell_metrics(
    odds: dict[str, float],
    collapsed: tuple[tuple[str, int], ...] = (),
    seeds: int = 2,
    kept: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Cells of the methods in `odds`, at two levels; seed s adds 0.01 s to equalized odds."""
    rows = []
    for level in (0.0, 0.5):
        for method, value in odds.items():
            for seed in range(seeds):
                flat = {
                    "equalized_odds": value + 0.01 * seed,
                    "cell_balanced_accuracy": (kept or {}).get(method, 0.8),
                    "accuracy": 0.8,
                    "worst_group_accuracy": 0.6,
                    "twin_flip_rate": np.nan,
                    "collapsed_prediction": float((method, seed) in collapsed),
                }
                maps = {"rrf": 0.3 + value, "adr": 2 * value, "dif": 0.5, "rddt": seed % 2}
                cell = {**KEY, "level": level, "seed": seed, "method": method}
                for explainer, metrics in ((None, flat), ("lrp", maps), ("ig", maps)):
                    rows += [
                        {
                            **cell,
                            "explainer": explainer,
                            "metric": metric,
                            "value": float(number),
                            "ci_low": number - 0.05,
                            "ci_high": number + 0.05,
                        }
                        for metric, number in metrics.items()
                    ]
    return pd.DataFrame(rows)


def chosen(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Return the rows with these values."""
    return table[(table[list(wanted)] == list(wanted.values())).all(axis=1)]


def one(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    """Return the one row with these values."""
    rows = chosen(table, **wanted)
    assert len(rows) == 1, f"{len(rows)} rows for {wanted}"
    return rows.iloc[0]


def compared(comparing: Comparing, predicted: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons at all levels."""
    parts = [
        level_tests(comparing, part, measured[measured["level"] == level])
        for level, part in predicted.groupby("level")
    ]
    return pd.concat(parts, ignore_index=True)
