"""Metrics, one file per formula (or family of one formula): `METRICS` finds them all.

A metric is a pure function registered with these traits:

- `kind`: what its numbers belong to.
  "image": one number per image, from one model's maps.
  "pair": one number per image, from the maps of another model (vanilla, or the normal model) and
  of a model.
  "test": one significance test per cell, from maps.
  "group": one number per cell, from predictions.
  "reliance": one number per image, from predictions on images and on their twins.
- `needs`: what it is called with (and, last, its parameters).
  "view": `f(view, params)`, a RegionView of N maps.
  "pair": `f(vanilla, view, params)`, the views of vanilla and of the model.
  "located": `f(located, params)`, LocatedMaps: N whole maps with their ROIs.
  "reference": `f(located, reference, params)`, LocatedMaps of the model and of the normal model.
  "versions": `f(located, version, params)`, LocatedMaps of N images and of their other versions
  (without the attribute where they have it), by the same model. For injected artifacts and
  composite data only: other tasks have no rows.
  "witnesses": `f(maps, params)`, WitnessedMaps: all N maps of the model and those of two networks
  trained without a shortcut. Only where the study asks for these (`measure: {witnesses: true}`).
  "counts": `f(counts, params)`, counts (..., 2, 2, 2) by target, protected and decision; returns
  (...), so that all bootstrap replicates are computed at once. With `many_groups` (..., 2, K, 2).
  "scores": `f(target, score, weights, params)`, labels (N,), probabilities (N,) and how often each
  image is counted (..., N); returns (...).
  "twins": `f(twins, params)`, a Twins of N images.
- `attribute`: whose groups (for "counts") or twins (for "twins") its numbers of predictions are
  about: "protected", or "watched" for the second attribute that a task may name. Without one there
  is no such number.
- `many_groups`: True for a metric of "counts" that any number K of protected groups have: others
  are left out where there are more than two. So are those that are about images "with" or "without"
  the attribute.
- `unit`: "fraction", "intensity", "ratio", "probability", "similarity", "cells" or "flag".
- `better`: "lower", "higher" or "none", from the side of a user who wants a fair and good model.
- `bounds`: the smallest and largest value possible.
- `claims`: what larger values say of a model's reliance on the protected attribute: 1 that it is
  larger, -1 that it is smaller, 0 nothing. Where `needs` is "pair": that it is smaller than
  vanilla's (-1). The yardstick (reliance.py) holds the claims against the truth.
- `interval`: how the 95 % interval of a cell comes about.
  "bootstrap": percentiles of the bootstrap over images, within target x protected for predictions.
  "share", of a metric with one number per image: Wilson's wherever all of them are 0 or 1.
  A function, where `needs` is "counts": `f(measure, counts)` returns (low, high) for one table of
  counts (2, 2, 2), `measure` being the metric as a function of counts. `_cell_intervals` has
  `of_shares` (accuracies, rates and signed gaps), `absolute` (one gap), `of_larger_gap`,
  `of_mean_gap`, `of_lowest_share`. The bootstrap covers too seldom where the largest or the
  smallest of several numbers is taken, or a share is near 0 or 1.
- `formula`: LaTeX for the documentation and the data dictionary.
- `short`: its name where there is little room; the title where empty.
- `headline`: where it is shown beside the tables: in "figures" (by level), in "comparisons" of
  methods (the table `tests` and its figure), on the "leaderboard"; `HEADLINE` is all of them.
  A test is no number per image or model, so it cannot be compared.
  "images": the metric of single images that the quadrants and pages of dots show.
- `aim`: what a better value means in a word or two, such as "fairer"; "better", or less relevance
  in the ROI for a metric of it, where empty.
- `chance`: the value of a decision that ignores the image, where that is one number.
- `order`: its place among those that are shown, the smallest first.
- `plays`: the parts that tables and figures take it for (`playing`).
  "rank": the fairness that the leaderboard is about (of several that of the smallest `order`).
  "utility": what a fair method has to keep. A method is on the leaderboard's Pareto front by both,
  and takes part where its utility is better than `chance`.
  "collapse": 1 says that a model is of no use, whatever its other numbers are. Such a model is
  not ranked, and left out of associations and yardstick.
  "outcome", "shift": the table `associations` holds changes of outcomes (numbers of predictions)
  against shifts of saliency (numbers of maps).
- `answers`: the question of the multiverse (docs/statistics.md) that it answers: "fairness",
  "performance", "saliency" or "reliance". The one of the smallest `order` gives the default answer.
- `scale_free`: True for a metric of a RegionView that is the same in all scales of intensity.
- `table_one`: its column in Table 1 of the data-attribution paper; empty where it has none. One
  that ends in _0 or _1 is of that class, and one for which lower is better is the gap.
- `images`: of which images there is a number per image: "all", or those "with" or "without" the
  protected attribute.
- `always`: True where a number exists for every image, whatever its map is.
- `exempt`: why a test of the contract is not for it, by the test's name.

A number that does not exist (an empty denominator, no ROI, no twin) is missing (NaN), never 0.
"""

from __future__ import annotations

import math

from rightreasons.core.registry import Component, Registry
from rightreasons.metrics._intensity import SCALES, RegionView, intensity, region_view
from rightreasons.metrics._located import LocatedMaps, ReferenceMaps
from rightreasons.metrics._significance import TestResult
from rightreasons.metrics._twins import Twins
from rightreasons.metrics._witnessed import WITNESSES, WitnessedMaps

__all__ = [
    "HEADLINE",
    "METRICS",
    "SCALES",
    "WITNESSES",
    "LocatedMaps",
    "ReferenceMaps",
    "RegionView",
    "TestResult",
    "Twins",
    "WitnessedMaps",
    "answering",
    "headline",
    "intensity",
    "playing",
    "ranking",
    "region_view",
    "takes_many",
    "utility",
]

#: All places where a metric can be shown beside the tables.
HEADLINE = ("figures", "comparisons", "leaderboard")

METRICS = Registry(
    "rightreasons.metrics",
    "metric",
    traits={
        "kind": "image",
        "needs": "view",
        "attribute": "protected",
        "many_groups": False,
        "unit": "fraction",
        "better": "none",
        "bounds": (-math.inf, math.inf),
        "claims": 0,
        "interval": "bootstrap",
        "formula": "",
        "short": "",
        "headline": (),
        "aim": "",
        "chance": math.nan,
        "order": 100,
        "plays": (),
        "answers": "",
        "scale_free": False,
        "table_one": "",
        "images": "all",
        "always": False,
        "exempt": {},
    },
    group="rightreasons.metrics",
)


def headline(place: str, *kinds: str) -> list[str]:
    """Return the metrics that are shown in a place of their trait `headline`, in their order.

    kinds: of these kinds only; all where none is named.
    """
    shown = [metric for metric in METRICS if place in metric.traits["headline"]]
    chosen = [metric for metric in shown if not kinds or metric.traits["kind"] in kinds]
    return _in_order(chosen)


def playing(part: str) -> list[str]:
    """Return the metrics that play a part (the trait `plays`), in their order."""
    return _in_order([metric for metric in METRICS if part in metric.traits["plays"]])


def answering(question: str) -> list[str]:
    """Return the metrics that answer a question (the trait `answers`), in their order."""
    return _in_order([metric for metric in METRICS if metric.traits["answers"] == question])


def ranking() -> Component:
    """Return the metric of fairness that the leaderboard is about."""
    return METRICS[playing("rank")[0]]


def utility() -> Component:
    """Return the metric of what a fair method has to keep."""
    return METRICS[playing("utility")[0]]


def takes_many(metric: Component) -> bool:
    """Return whether a metric of predictions exists for more than two groups."""
    return metric.traits["needs"] == "scores" or bool(metric.traits["many_groups"])


def _in_order(metrics: list[Component]) -> list[str]:
    return [metric.name for metric in sorted(metrics, key=lambda metric: metric.traits["order"])]
