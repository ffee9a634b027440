"""Methods over tasks, levels and seeds: the tables `ranks`, `improvement` and `profiles`.

A run is one seed in one block, a block is one task, design and level. Runs enter the aggregates
(`statistics.runs`) and the mixed model; blocks, as means over their seeds, enter ranks and tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS, headline
from rightreasons.statistics.bootstrap import percentile_interval
from rightreasons.statistics.mixed import method_effects
from rightreasons.statistics.ranks import (
    ALPHA,
    block_ranks,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
    signed_ranks,
    smallest_signed_rank_p,
)
from rightreasons.statistics.runs import draw_runs, improvement, interquartile_mean, profile
from rightreasons.tables.parameters import FEWEST, Ranking
from rightreasons.tables.runs import Runs, runs_of

#: Thresholds of a performance profile.
THRESHOLDS = 51


def ranked_metrics() -> list[str]:
    """Return the metrics that methods are ranked by: the leaderboard's of predictions and twins."""
    return [
        name
        for name in headline("leaderboard", "group", "reliance")
        if METRICS[name].traits["better"] != "none"
    ]


def over_blocks(cells: pd.DataFrame, ranking: Ranking) -> dict[str, pd.DataFrame]:
    """Return the tables `ranks`, `improvement` and `profiles` by name.

    Parameters
    ----------
    cells
        The table `cell_metrics`.
    ranking
        Which methods take part, and how.
    """
    made: dict[str, list[pd.DataFrame]] = {"ranks": [], "improvement": [], "profiles": []}
    for metric in ranked_metrics():
        if (runs := runs_of(cells, metric, ranking)) is None:
            continue
        one = Compared(runs, ranking)
        for name, rows in (
            ("ranks", one.rank_rows()),
            ("improvement", one.pair_rows()),
            ("profiles", one.profile_rows()),
        ):
            frame = pd.DataFrame(rows)
            frame["noise"] = frame["method"].isin(ranking.noise)
            made[name].append(frame.assign(study=ranking.study, metric=metric))
    return {
        name: pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        for name, parts in made.items()
    }


class Compared:
    """The comparisons of all methods by one metric.

    Parameters
    ----------
    runs
        Its runs.
    ranking
        Which methods take part, and how.
    """

    def __init__(self, runs: Runs, ranking: Ranking) -> None:
        self.runs = runs
        self.ranking = ranking
        self.place = block_ranks(runs.means, lower=runs.lower)
        self.nemenyi = nemenyi(self.place)
        self.wilcoxon = signed_ranks(runs.means)
        self.once = runs.known[None].astype(np.int64)
        rng = numpy_rng(0, "ranks", runs.metric.name)
        self.drawn = draw_runs(runs.known, runs.tasks, rng=rng, replicates=ranking.replicates)

    def rank_rows(self) -> list[dict[str, Any]]:
        """Return a row per method, the best mean rank first, then those that are not ranked."""
        runs, mean_ranks = self.runs, self.place.mean(axis=0)
        blocks, methods = self.place.shape
        statistic, p = friedman(self.place)
        shared = {
            "blocks": blocks,
            "runs": int(runs.known.sum()),
            "friedman": statistic,
            "friedman_p": p,
            "critical_difference": critical_difference(methods, blocks),
            "note": self._note(),
        }
        groups = {
            "nemenyi_cliques": cliques(mean_ranks, self.nemenyi),
            "wilcoxon_cliques": cliques(mean_ranks, self.wilcoxon),
        }
        effects = self._effects()
        rows = []
        for i in np.argsort(mean_ranks, kind="stable"):
            row = {"method": runs.methods[i], "mean_rank": mean_ranks[i], **shared}
            row["collapsed"] = int(runs.lost[i])
            row |= {name: _numbers(group, int(i)) for name, group in groups.items()}
            row |= self._middle(runs.values[i])
            row |= effects.get(runs.methods[i], {})
            rows.append(row)
        for method, lacking in runs.absent.items():
            note = f"not ranked: no number in {lacking} blocks"
            rows.append({"method": method, "blocks": blocks, "note": note})
        return rows

    def pair_rows(self) -> list[dict[str, Any]]:
        """Return a row per ordered pair of methods."""
        runs = self.runs
        found = improvement(runs.values, self.once, lower=runs.lower)[0]
        low, high = self._ends(
            None if self.drawn is None else improvement(runs.values, self.drawn, lower=runs.lower),
            found.shape,
        )
        return [
            {
                "method": one,
                "other": other,
                "probability": found[i, j],
                "probability_low": low[i, j],
                "probability_high": high[i, j],
                "blocks": len(runs.blocks),
                "nemenyi_p": self.nemenyi[i, j],
                "wilcoxon_p": self.wilcoxon[i, j],
            }
            for i, one in enumerate(runs.methods)
            for j, other in enumerate(runs.methods)
            if i != j
        ]

    def profile_rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row per method and threshold."""
        runs, at = self.runs, self._thresholds()
        for method, values in zip(runs.methods, runs.values, strict=True):
            share = profile(values, self.once, at, lower=runs.lower)[0]
            drawn = self.drawn
            sample = None if drawn is None else profile(values, drawn, at, lower=runs.lower)
            ends = self._ends(sample, share.shape)
            for tau, value, low, high in zip(at, share, *ends, strict=True):
                yield {
                    **{"method": method, "tau": tau, "share": value},
                    **{"share_low": low, "share_high": high},
                }

    def _thresholds(self) -> np.ndarray:
        """Return thresholds over the metric's range, over that of the runs where it has none."""
        low, high = self.runs.metric.traits["bounds"]
        low = low if np.isfinite(low) else np.nanmin(self.runs.values)
        high = high if np.isfinite(high) else np.nanmax(self.runs.values)
        return np.linspace(low, high, THRESHOLDS)

    def _middle(self, values: np.ndarray) -> dict[str, float]:
        """Return the interquartile mean of a method's runs with its interval."""
        mean = float(interquartile_mean(values, self.once)[0])
        drawn = np.array([]) if self.drawn is None else interquartile_mean(values, self.drawn)
        interval = percentile_interval(mean, drawn, n=int(self.runs.known.sum()))
        return {"iqm": mean, "iqm_low": interval.low, "iqm_high": interval.high}

    def _ends(self, sample: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
        """Return both ends of the 95 % intervals, missing where nothing could be drawn."""
        if sample is None:
            return np.full((2, *shape), np.nan)
        return np.nanquantile(sample, [0.025, 0.975], axis=0)

    def _effects(self) -> dict[str, dict[Any, Any]]:
        """Return each method's columns of the mixed model.

        Where lower is better, methods that collapsed with any run are left out: the worst number
        in place of a constant classifier's is no measurement, and what is left is a selection.
        """
        runs = self.runs
        m, b, s = np.indices(runs.values.shape).reshape(3, -1)
        frame = pd.DataFrame(
            {
                "value": runs.values.ravel(),
                "method": np.array(runs.methods, object)[m],
                "block": b,
                "task": runs.tasks[b],
                "seed": np.array(runs.seeds)[s],
            }
        )
        out = [m for m, lost in zip(runs.methods, runs.lost, strict=True) if lost and runs.lower]
        found = method_effects(frame[~frame["method"].isin(out)], self.ranking.original)
        effects: dict[str, dict[Any, Any]] = {
            method: {"effect_model": "none: it collapsed in some runs"} for method in out
        }
        return effects | {str(row.pop("method")): row for row in found.to_dict("records")}

    def _note(self) -> str | None:
        """Return why numbers are missing or cannot be small."""
        blocks, methods = self.place.shape
        said = []
        if min(blocks, methods) < FEWEST:
            have = f"{_count(blocks, 'block')} and {_count(methods, 'method')}"
            said.append(f"no tests over blocks: {have}, {FEWEST} of each are needed")
        elif (p := smallest_signed_rank_p(methods, blocks)) >= ALPHA:
            said.append(
                f"Wilcoxon with Holm cannot tell any pair apart: {_count(blocks, 'block')} and "
                f"{_count(methods, 'method')} give p >= {p:.2g}"
            )
        if self.drawn is None:
            said.append("no intervals over runs: a task has one seed")
        return "; ".join(said) or None


def _numbers(found: list[tuple[int, ...]], place: int) -> str:
    """Return the numbers of the groups that a method is in, from 1 on, with spaces between."""
    return " ".join(str(n) for n, members in enumerate(found, 1) if place in members)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
