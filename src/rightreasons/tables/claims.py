"""Which claims of saliency metrics are called: those beyond what level-0 models give.

A level-0 model was trained where target and protected attribute are not associated. What a metric
says of such models, is said of models that have no reason to look at the attribute: the *null*. A
claim of a cell is called where the metric's value lies so far beyond the null that a level-0 model
of another seed would do so at a nominal rate only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from rightreasons.metrics import METRICS
from rightreasons.statistics.nulls import conformal_p, seeds_for, student_p

GROUP = ["study", "dataset", "task", "design", "level", "seed"]
MODEL = [*GROUP, "method"]
CLAIM = ["explainer", "metric", "shown"]
#: Whose level-0 models are a cell's null, the first that has any.
NULLS = (["dataset", "task", "design"], ["dataset", "region"])
FEWEST = 2  # seeds that Student's null needs
WIDE = 1.96  # standard errors in half a 95 % interval
ITSELF = "compared with itself"

Null = Literal["auto", "conformal", "student"]


@dataclass(frozen=True)
class Calling:
    """How a claim is called.

    Parameters
    ----------
    rate
        Share of level-0 models that would be called, in (0, 1).
    null
        `conformal`: ranks among level-0 models. `student`: their mean and variance. `auto`:
        conformal where enough seeds are there for the rate, else Student's.
    """

    rate: float = 0.1
    null: Null = "auto"


def is_pair(metrics: pd.Series) -> pd.Series:
    """Return for each metric's name whether it compares a model with the original."""
    return metrics.isin(_needing("pair"))


def signs(metrics: pd.Series) -> pd.Series:
    """Return for each metric's name what larger values claim of reliance, 1, -1 or 0."""
    found: Mapping[str, int] = {c.name: c.traits["claims"] for c in METRICS}
    return pd.to_numeric(metrics.map(found).astype(object))


def beyond(rows: pd.DataFrame) -> pd.Series:
    """Return the metric's value, turned where needed: larger is more of what it claims.

    That is reliance on the attribute, and for metrics of pairs less reliance than the original's.
    """
    return rows["value"] * signs(rows["metric"]).where(~is_pair(rows["metric"]), 1)


def of_itself(rows: pd.DataFrame, original: str) -> pd.Series:
    """Return where a model is compared with itself, which says nothing.

    The original by metrics of pairs, and the normal model by those that need a reference: also a
    method that leaves the normal model's maps as they are.
    """
    same = rows["metric"].isin(_needing("reference")) & (rows["value"] > 1 - 1e-9)
    return same | (is_pair(rows["metric"]) & (rows["method"] == original))


def call(
    rows: pd.DataFrame,
    *,
    original: str,
    controls: Collection[str],
    regions: Mapping[str, str],
    calling: Calling,
) -> pd.DataFrame:
    """Add what level-0 models give, and whether each claim is called.

    Parameters
    ----------
    rows
        With MODEL, CLAIM, value, ci_low, ci_high, n and collapsed.
    original
        The method that metrics of pairs compare with.
    controls
        Names of the explainers that are noise.
    regions
        What tells each task's ROI from that of others; a task without a level 0 borrows the level-0
        models of tasks with the same dataset and ROI.
    calling
        The rate and the null.

    Returns
    -------
    pandas.DataFrame
        The rows with chance (the value of the explainer that is noise), p_value, null (what p
        rests on: `conformal`, `student`, or `own test` where the metric is a test, which calls by
        itself), null_models, null_seeds, called, and uncalled, which says why a call is missing.
    """
    rows = _with_chance(rows.reset_index(drop=True), controls)
    cells = _Cells(rows, original, calling)
    region = rows["task"].map({task: task for task in rows["task"].unique()} | dict(regions))
    todo = (rows["shown"] != "all").to_numpy(copy=True)
    for key in NULLS:
        groups = rows.assign(region=region).groupby([*key, *CLAIM], sort=False, observed=True)
        for found in groups.indices.values():
            members = np.asarray(found)
            judged, null = members[todo[members]], members[cells.usable[members]]
            if len(judged) and len(null):
                cells.judge(judged, null)
                todo[judged] = False
    return cells.concluded(rows)


class _Cells:
    """What cells say, and what it is worth beside level-0 models: arrays with an entry per row.

    Parameters
    ----------
    rows
        As `call` takes them.
    original
        The method that metrics of pairs compare with.
    calling
        The rate and the null.
    """

    def __init__(self, rows: pd.DataFrame, original: str, calling: Calling) -> None:
        self.calling = calling
        self.said = beyond(rows).to_numpy(float)
        half = (rows["ci_high"] - rows["ci_low"]) / 2
        self.error = half.fillna(0).to_numpy(float) / WIDE
        self.images = rows["n"].to_numpy(float)
        self.seed = rows["seed"].to_numpy()
        self.normal = (rows["level"] == 0).to_numpy()
        self.pair = is_pair(rows["metric"]).to_numpy()
        self.itself = of_itself(rows, original).to_numpy()
        self.usable = self.normal & ~np.isnan(self.said) & ~self.itself & ~self._nothing(rows)
        self.p = np.full(len(rows), np.nan)
        self.models, self.seeds = np.zeros((2, len(rows)), int)
        self.null = np.full(len(rows), "", object)

    def _nothing(self, rows: pd.DataFrame) -> np.ndarray:
        """Return which rows say nothing of what level-0 models give.

        Those of models that collapsed, and for metrics of pairs those of methods with the maps of
        the original, whose change is exactly 0.
        """
        same = (rows[["value", "ci_low", "ci_high"]].fillna(0) == 0).all(axis=1).to_numpy()
        collapsed = rows["collapsed"].fillna(False).astype(bool).to_numpy()
        return collapsed | (self.pair & same)

    def judge(self, judged: np.ndarray, null: np.ndarray) -> None:
        """Judge rows by the null rows: a level-0 model by those of other seeds, others by all."""
        kind = self.calling.null
        if kind == "auto":
            enough = len(set(self.seed[null])) > seeds_for(self.calling.rate)
            kind = "conformal" if enough else "student"
        normal = self.normal[judged]
        self._by(judged[~normal], null, kind)
        for seed in np.unique(self.seed[judged[normal]]):
            own = judged[normal & (self.seed[judged] == seed)]
            self._by(own, null[self.seed[null] != seed], kind)

    def _by(self, judged: np.ndarray, null: np.ndarray, kind: str) -> None:
        said, others, seeds = self.said[judged], self.said[null], self.seed[null]
        if kind == "conformal":
            p = conformal_p(said, others)
        else:
            p = student_p(said, self._errors(judged, others), others, seeds)
        never = self.pair[judged] & (said <= 0)  # no less than the original
        self.p[judged] = np.where(never & ~np.isnan(p), 1.0, p)
        self.models[judged], self.seeds[judged] = len(null), len(set(seeds))
        self.null[judged] = kind

    def _errors(self, judged: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return standard errors over images, as if one more image had the null's mean.

        Without that image a few images that agree (each 0, say) would have no error at all.
        """
        away = self.said[judged] - (others.mean() if len(others) else np.nan)
        return np.hypot(self.error[judged], away / (self.images[judged] + 1))

    def concluded(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with what was found, what is called, and why a call is missing."""
        tests, rate = (rows["shown"] == "all").to_numpy(), self.calling.rate
        few = np.where(self.null == "conformal", seeds_for(rate), FEWEST)
        why = np.where(self.seeds < few, _short(self.seeds, few), "")
        why[tests] = ""
        why[self.itself] = ITSELF
        why[np.isnan(self.said)] = "no value"
        p = np.where(tests | (why != ""), np.nan, self.p)
        made = np.where(tests, rows["value"] == 1, p <= rate + 1e-12)
        return rows.assign(
            p_value=p,
            null=np.where(tests, "own test", self.null),
            null_models=self.models,
            null_seeds=self.seeds,
            called=pd.Series(made, rows.index).astype("boolean").mask(why != ""),
            uncalled=why,
        )


def _short(seeds: np.ndarray, few: np.ndarray) -> np.ndarray:
    """Return words for too few null seeds."""
    words = [f"{have} of {need} level-0 seeds" for have, need in zip(seeds, few, strict=True)]
    return np.array(words, object)


def _needing(what: str) -> set[str]:
    return {c.name for c in METRICS if c.traits["needs"] == what}


def _with_chance(rows: pd.DataFrame, controls: Collection[str]) -> pd.DataFrame:
    key = [*MODEL, "metric", "shown"]
    noise = rows[rows["explainer"].isin(list(controls))].drop_duplicates(key)
    noise = noise[[*key, "value"]].rename(columns={"value": "chance"})
    return rows.merge(noise, how="left", on=key)
