"""Group metrics of any predictions: any number of groups, any number of classes, over plain arrays.

`group_report` is what tables, figures and audits call. Nothing here needs a study::

    report = group_report(
        target=[0, 1, 1, 0], decision=[0, 1, 0, 0], group=[0, 0, 1, 1], groups=["a", "b"]
    )
    report.groups     # a row per group and metric, with intervals
    report.overall    # a row per metric: differences and ratios between groups, worst group

**Classes.** With two, rates are those of class 1. With more, every class is in turn the one that
counts, against all others: a difference between groups is the largest over classes, a ratio the
smallest. For two classes demographic parity, equalized odds and average odds are the same either
way; equal opportunity is that of class 1 alone.

**Empty groups.** What rests on no image is missing, never 0, and `n` is 0. Differences, ratios and
the worst group are those of the groups that have the rate, and missing where fewer than two have it
(the worst: none).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Params
from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics._class_counts import (
    class_counts,
    diagonal,
    difference,
    most,
    overall,
    rates,
)
from rightreasons.metrics._intensity import ratio
from rightreasons.metrics.auroc import auroc
from rightreasons.statistics.bootstrap import (
    Interval,
    percentile_interval,
    resample_sums,
    resample_weights,
)
from rightreasons.statistics.intervals import lowest_share, wilson

Array = np.ndarray

#: Columns of a report's tables.
GROUPS = ("group_code", "group_name", "class_name", "metric", "value", "ci_low", "ci_high", "n")
OVERALL = ("metric", "value", "ci_low", "ci_high", "n")


@dataclass(frozen=True)
class OfGroup:
    """A metric of one group.

    Attributes
    ----------
    title
        Its name in figures.
    better
        Which values are: "higher", "lower" or "none".
    share
        Whether it is a share of images, so that the mean weighted by them is that of all images.
    """

    title: str
    better: str
    share: bool = True


#: The metrics of one group, in their order; the first has one value per group.
OF_GROUP = {
    "accuracy": OfGroup("Accuracy", "higher"),
    "selection_rate": OfGroup("Selection rate", "none"),
    "tpr": OfGroup("True pos. rate", "higher"),
    "fpr": OfGroup("False pos. rate", "lower"),
    "auroc": OfGroup("AUROC", "higher", share=False),
}


@dataclass(frozen=True, eq=False)
class GroupReport:
    """The group metrics of one model's predictions.

    Attributes
    ----------
    groups
        A row per group, class and metric: group_code (its number), group_name, class_name (missing
        of two classes, where rates are those of class 1, and of the accuracy), metric (accuracy,
        selection_rate, tpr, fpr, auroc), value, ci_low, ci_high (95 %), n (images that the value
        rests on).
    overall
        A row per metric: metric, value, ci_low, ci_high, n.
    """

    groups: pd.DataFrame
    overall: pd.DataFrame


def group_report(
    target: npt.ArrayLike,
    decision: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    groups: Sequence[str],
    classes: Sequence[str] = ("0", "1"),
    scores: npt.ArrayLike | None = None,
    seed: int = 0,
    replicates: int = 1000,
) -> GroupReport:
    """Return the group metrics of predictions on N images.

    Parameters
    ----------
    target : (N,)
        True classes, 0 to C - 1.
    decision : (N,) or (N, C)
        Decided classes, or how often each class is decided: of two classes also (N,) chances of
        class 1 in [0, 1].
    group : (N,)
        Groups, 0 to K - 1.
    groups
        The K names of all groups, those without images among them.
    classes
        The C names of the classes, at least two.
    scores : (N, C) or (N,)
        Probabilities of the classes, or of class 1 of two; without them there is no AUROC.
    seed
        Of the bootstrap.
    replicates
        Number of bootstrap samples, drawn within target x group.

    Returns
    -------
    GroupReport
        Intervals of a group's rates are Wilson's, those of the lowest accuracies score intervals
        (`statistics.intervals.lowest_share`); that of a group's AUROC, and the others overall, are
        percentiles of the bootstrap. The largest of several differences is too large on average,
        and in the bootstrap's samples still more so: with many small groups, read the table of
        groups beside it.

    Raises
    ------
    UserError
        For arrays of other lengths, and numbers that are no class or group.
    """
    given = _checked(target, decision, group, len(groups), len(classes), scores)
    areas = list(_areas(given, groups, classes, seed, replicates))
    rows = [*_share_rows(given), *((one.group, one.judged, "auroc", one.found) for one in areas)]
    shown = dict(enumerate(classes)) if len(classes) > 2 else {}
    table = [
        (group, groups[group], shown.get(judged), metric, f.value, f.low, f.high, f.n)
        for group, judged, metric, f in rows
    ]
    overall = list(_overall_rows(given, areas, seed, replicates))
    return GroupReport(pd.DataFrame(table, columns=GROUPS), pd.DataFrame(overall, columns=OVERALL))


def of_predictions(
    predictions: pd.DataFrame,
    groups: Sequence[str],
    classes: Sequence[str],
    *,
    seed: int = 0,
    replicates: int = 1000,
) -> GroupReport:
    """Return the group metrics of rows of a `predictions.parquet`, such as those of the role test.

    Parameters
    ----------
    predictions
        target, protected and, of two classes, chance and score; of more decision and score_0 to
        score_<C - 1>.
    groups, classes
        The names in `names.json` beside the split.
    seed, replicates
        As `group_report` takes them.
    """
    two = len(classes) == 2
    names = ["score"] if two else [f"score_{number}" for number in range(len(classes))]
    return group_report(
        predictions["target"].to_numpy(),
        predictions["chance" if two else "decision"].to_numpy(),
        predictions["protected"].to_numpy(),
        groups=groups,
        classes=classes,
        scores=predictions[names].to_numpy()[:, 0] if two else predictions[names].to_numpy(),
        seed=seed,
        replicates=replicates,
    )


@dataclass(frozen=True, eq=False)
class _Given:
    target: Array
    decided: Array
    group: Array
    groups: int
    scores: Array | None

    @property
    def counts(self) -> Array:
        return class_counts(self.target, self.decided, self.group, self.groups)

    @property
    def judged(self) -> range:
        """The classes that rates are of."""
        classes = self.decided.shape[1]
        return range(1, 2) if classes == 2 else range(classes)


@dataclass(frozen=True, eq=False)
class _Area:
    """The area under the ROC curve of one group and class, and its bootstrap samples (B,)."""

    group: int
    judged: int
    found: Interval
    sample: Array


def _checked(
    target: npt.ArrayLike,
    decision: npt.ArrayLike,
    group: npt.ArrayLike,
    groups: int,
    classes: int,
    scores: npt.ArrayLike | None,
) -> _Given:
    codes = {
        name: _codes(name, values, limit)
        for name, values, limit in (("target", target, classes), ("group", group, groups))
    }
    n = len(codes["target"])
    decided = np.asarray(decision, dtype=np.float64)
    if decided.ndim == 1 and classes == 2:
        decided = np.stack([1 - decided, decided], axis=-1)
    elif decided.ndim == 1:
        decided = np.eye(classes)[_codes("decision", decision, classes)]
    shown = None if scores is None else np.asarray(scores, dtype=np.float64)
    if shown is not None and shown.ndim == 1 and classes == 2:
        shown = np.stack([1 - shown, shown], axis=-1)
    for name, values in (("group", codes["group"]), ("decision", decided), ("scores", shown)):
        if values is not None and (len(values) != n or values.shape[1:] not in ((), (classes,))):
            raise UserError(
                f"group metrics: {name} has the shape {values.shape}, and there are {n} images and "
                f"{classes} classes."
            )
    if not ((decided >= 0) & (decided <= 1)).all():
        raise UserError(
            "group metrics: decision must be classes, or how often each is decided, in [0, 1]."
        )
    return _Given(codes["target"], decided, codes["group"], groups, shown)


def _codes(name: str, values: npt.ArrayLike, limit: int) -> Array:
    """Return whole numbers from 0 to limit - 1; a UserError for others."""
    given = np.asarray(values)
    if given.ndim != 1 or not np.isin(given, np.arange(limit)).all():
        wrong = given[~np.isin(given, np.arange(limit))].ravel()
        raise UserError(
            f"group metrics: {name} must be numbers from 0 to {limit - 1}, one per image"
            + (f", not {wrong[0]}." if len(wrong) else ".")
        )
    return given.astype(np.int64)


def _share_rows(given: _Given) -> Iterator[tuple[int, int, str, Interval]]:
    """Yield group, class (-1 for none), metric and interval (Wilson's) of each rate."""
    for metric, (hits, images) in rates(given.counts).items():
        value, (low, high) = ratio(hits, images), wilson(hits, images)
        for group, one in np.ndindex(value.shape):
            ends = float(low[group, one]), float(high[group, one])
            n = round(float(images[group, one]))
            found = Interval(float(value[group, one]), *ends, n)
            yield group, -1 if metric == "accuracy" else given.judged[one], metric, found


def _areas(
    given: _Given, groups: Sequence[str], classes: Sequence[str], seed: int, replicates: int
) -> Iterator[_Area]:
    """Yield each group's area under the ROC curve, one class against the others."""
    if given.scores is None:
        return
    for number, name in enumerate(groups):
        mine = given.group == number
        target, scores = given.target[mine], given.scores[mine]
        for one in given.judged:
            label, score = (target == one).astype(np.int64), scores[:, one]
            value = float(auroc(label, score, np.ones(len(label)), Params()))
            sample = np.full(replicates, np.nan)
            if not np.isnan(value):
                rng = numpy_rng(seed, "by_group", name, classes[one])
                drawn = resample_weights(target, rng=rng, replicates=replicates)
                sample = np.concatenate([auroc(label, score, some, Params()) for some in drawn])
            yield _Area(number, one, percentile_interval(value, sample, n=len(label)), sample)


def _overall_rows(
    given: _Given, areas: Sequence[_Area], seed: int, replicates: int
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of all groups together, with bootstrap intervals."""
    counts, n = given.counts, len(given.target)
    drawn = resample_sums(
        given.target * given.groups + given.group,
        given.decided,
        rng=numpy_rng(seed, "by_group"),
        replicates=replicates,
        cells=counts.shape[0] * counts.shape[1],
    )
    points, samples = overall(counts), overall(drawn.reshape(-1, *counts.shape))
    if areas:
        points["auroc_gap"] = _gap_of(np.array([[one.found.value] for one in areas]), areas)[0]
        samples["auroc_gap"] = _gap_of(np.stack([one.sample for one in areas]), areas)
    total, right = counts.sum(axis=-1), diagonal(counts)
    lowest = {
        "lowest_group_accuracy": (right.sum(axis=0), total.sum(axis=0)),
        "worst_group_accuracy": (right.ravel(), total.ravel()),
    }
    for metric, value in points.items():
        found = percentile_interval(float(value), samples[metric], n=n)
        if metric in lowest and not np.isnan(value):
            hits, images = lowest[metric]
            low, high = lowest_share(hits[images > 0], images[images > 0])
            found = Interval(found.value, float(low), float(high), n)
        yield (metric, found.value, found.low, found.high, found.n)


def _gap_of(values: Array, areas: Sequence[_Area]) -> Array:
    """Return the largest difference (B,) between groups of areas (A, B), over all classes."""
    judged = np.array([one.judged for one in areas])
    gaps = [difference(values[judged == one].T[..., None])[..., 0] for one in np.unique(judged)]
    return most(np.stack(gaps, axis=-1))
