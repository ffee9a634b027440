"""The runs by which methods are compared over tasks, levels and seeds.

A block is one task, design and level, a run is one seed in one block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.registry import Component
from rightreasons.metrics import METRICS, playing, utility
from rightreasons.tables.parameters import Ranking

BLOCK = ["task", "design", "level"]


@dataclass(frozen=True)
class Runs:
    """The runs of one metric that methods are compared by.

    Attributes
    ----------
    metric
        The metric.
    methods
        Those with a number in every block, in the study's order.
    absent
        The others of the study, each with the share of blocks in which it has none, in words.
    blocks
        task, design and level of each block.
    seeds
        The seed of each place of the last axis of `values`.
    values
        float64 (M, B, S): a number per method, block and seed; missing for all methods where one
        of them has none. Where lower is better a collapsed run has the worst number that there is.
    collapsed
        bool (M, B, S): of no use, as a constant classifier or because it is no better than chance.
    """

    metric: Component
    methods: tuple[str, ...]
    absent: dict[str, str]
    blocks: tuple[tuple[Any, ...], ...]
    seeds: tuple[int, ...]
    values: np.ndarray
    collapsed: np.ndarray

    @property
    def lower(self) -> bool:
        """Whether lower is better."""
        return str(self.metric.traits["better"]) == "lower"

    @property
    def known(self) -> np.ndarray:
        """Which block has a run with which seed: bool (B, S)."""
        return ~np.isnan(self.values[0])

    @property
    def tasks(self) -> np.ndarray:
        """The task of each block, (B,)."""
        return np.array([task for task, _, _ in self.blocks])

    @property
    def worst(self) -> float:
        """The worst number that there is: the metric's bound, else the worst of all runs."""
        return _worst(self.metric, self.values)

    @property
    def lost(self) -> np.ndarray:
        """How many of its runs each method collapsed in, (M,)."""
        counts: np.ndarray = (self.collapsed & self.known).sum(axis=(1, 2))
        return counts

    @cached_property
    def means(self) -> np.ndarray:
        """The mean over seeds of each block and method, (B, M).

        Where lower is better, a method that collapsed with any seed of a block has the worst number
        there: a constant classifier has neither gap nor flips, and is of no use.
        """
        means = np.nanmean(self.values, axis=2)
        constant = (self.collapsed & self.known).any(axis=2) & self.lower
        return np.where(constant, self.worst, means).T


def runs_of(cells: pd.DataFrame, metric: str, ranking: Ranking) -> Runs | None:
    """Return the runs of a metric that methods are compared by.

    Parameters
    ----------
    cells
        The table `cell_metrics`.
    metric
        Its name.
    ranking
        Which methods take part.

    Returns
    -------
    Runs or None
        Blocks are those in which two methods or more have a number; None where fewer than two
        methods have one in all of them.
    """
    rows = cells[cells["explainer"].isna() & cells["method"].isin(ranking.methods)]
    own = rows[rows["metric"] == metric].dropna(subset=["value"])
    wide = own.pivot(index=[*BLOCK, "seed"], columns="method", values="value")
    wide = wide.reindex(columns=list(ranking.methods))
    has = wide.notna().groupby(BLOCK, sort=False).any()
    has = has[has.sum(axis=1) > 1]
    methods = [method for method in ranking.methods if len(has) and has[method].all()]
    wide = wide[_block_of(wide).isin(has.index)][methods].dropna()
    if len(methods) < 2 or wide.empty:
        return None
    collapsed = _collapsed(rows).reindex(index=wide.index, columns=methods).notna()
    blocks = tuple(dict.fromkeys(_block_of(wide)))
    seeds = tuple(sorted({key[-1] for key in wide.index}))
    at = [(blocks.index(key[:-1]), seeds.index(key[-1])) for key in wide.index]
    values = np.full((len(methods), len(blocks), len(seeds)), np.nan)
    constant = np.zeros(values.shape, bool)
    for (block, seed), numbers, flags in zip(
        at, wide.to_numpy(), collapsed.to_numpy(), strict=True
    ):
        values[:, block, seed], constant[:, block, seed] = numbers, flags
    component = METRICS[metric]
    if component.traits["better"] == "lower":
        values[constant] = _worst(component, values)
    lacking = {m: int((~has[m]).sum()) for m in ranking.methods if m not in methods}
    absent = {method: f"{count} of {len(has)}" for method, count in lacking.items()}
    return Runs(component, tuple(methods), absent, blocks, seeds, values, constant)


def _block_of(wide: pd.DataFrame) -> pd.MultiIndex:
    """Return the block of each row of a frame by block and seed."""
    return pd.MultiIndex.from_frame(wide.index.to_frame()[BLOCK])


def _collapsed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return 1 for every run of no use, by block and seed, and method; missing for the others.

    Those are the collapsed ones, and all of a block in which a method tells no more than chance.
    """
    gone = rows[rows["metric"].isin(playing("collapse")) & (rows["value"] == 1)]
    gone = pd.concat([gone, _uninformed(rows)]).assign(value=1.0)
    keys = gone[[*BLOCK, "seed", "method", "value"]].drop_duplicates()
    return keys.pivot(index=[*BLOCK, "seed"], columns="method", values="value")


def _uninformed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of blocks in which a method's utility is no better than chance.

    That is where any seed's is not, or the lower end of its interval is not in the mean.
    """
    metric = utility()
    mine, chance = rows[rows["metric"] == metric.name], metric.traits["chance"]
    of_block = mine.groupby([*BLOCK, "method"], sort=False)
    least, low = of_block["value"].transform("min"), of_block["ci_low"].transform("mean")
    return mine[(least <= chance) | (low <= chance)]


def _worst(metric: Component, values: np.ndarray) -> float:
    lower = metric.traits["better"] == "lower"
    bound = float(metric.traits["bounds"][1 if lower else 0])
    return bound if np.isfinite(bound) else float(np.nanmax(values) if lower else np.nanmin(values))
