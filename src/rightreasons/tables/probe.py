"""What a balanced linear probe can tell of a label from features, cross-validated over images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rightreasons.metrics._intensity import ratio
from rightreasons.splits._slicing import slice_roles
from rightreasons.statistics.bootstrap import Interval, chunks, percentile_interval

Array = np.ndarray

#: Inverse strength of the probe's L2 penalty, for standardised features and weights of mean 1.
C = 0.01
FOLDS, REPEATS = 5, 5


@dataclass(frozen=True)
class Probed:
    """What a probe tells of a label on images that it was not fitted on.

    Attributes
    ----------
    auroc
        Area under the ROC curve, cells weighing the same.
    accuracy
        Mean accuracy of the four cells: a half is chance.
    """

    auroc: Interval
    accuracy: Interval


def probe(
    features: Array,
    label: Array,
    cell: Array,
    together: Array,
    *,
    rng: np.random.Generator,
    replicates: int = 1000,
) -> Probed:
    """Return what a balanced linear probe can tell of a label.

    The probe is a logistic regression on standardised features with the penalty |w|^2 / (2 C).
    Images weigh so that the four cells have equal sums, in the fit and in the numbers: with them,
    one attribute says nothing of the other. Its scores are out of fold, of `REPEATS` times
    stratified `FOLDS`-fold cross-validation; numbers are means over the repeats. Intervals are 95 %
    of the bootstrap over images (over people where images belong together): they know the chance
    of the images, but not that of the fit.

    Parameters
    ----------
    features
        Of the images (N, d), finite.
    label
        (N,) in {0, 1}.
    cell
        (N,) in {0, 1, 2, 3}: the cell of target and protected attribute.
    together
        (N,): images with the same number are never apart in a fold or a replicate.
    rng
        Draws folds and replicates.
    replicates
        Number of bootstrap samples.

    Returns
    -------
    Probed
        Missing (NaN) where a cell has fewer than `FOLDS` images that do not belong together.
    """
    n = len(label)
    if min(len(np.unique(together[cell == one])) for one in range(4)) < FOLDS:
        missing = Interval(np.nan, np.nan, np.nan, n)
        return Probed(missing, missing)
    known = compact(features)
    scores = [_out_of_fold(known, label, cell, together, rng) for _ in range(REPEATS)]
    values = _numbers(scores, label, cell, np.ones((1, n)))
    drawn = [_numbers(scores, label, cell, w) for w in _resampled(together, rng, replicates)]
    sample = np.concatenate(drawn, axis=1)
    auroc, accuracy = (
        percentile_interval(float(value[0]), some, n=n)
        for value, some in zip(values, sample, strict=True)
    )
    return Probed(auroc, accuracy)


def compact(features: Array) -> Array:
    """Return standardised features (N, d) in coordinates (N, min(N, d)) of their span.

    A probe with a penalty on the length of its weights is the same there, and found quicker.
    Features that are the same in all images are left out of account.
    """
    x = np.asarray(features, np.float64)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return x @ np.linalg.qr(x.T)[0] if x.shape[1] > len(x) else x


def cell_weights(cell: Array, weights: Array) -> Array:
    """Return weights (..., N) scaled to equal sums of the four cells, N in all.

    Missing (NaN) where a cell has no weight.
    """
    sums = np.stack([(weights * (cell == one)).sum(axis=-1) for one in range(4)], axis=-1)
    return weights * ratio(np.full_like(sums, cell.shape[-1] / 4), sums)[..., cell]


def folds_of(cell: Array, together: Array, rng: np.random.Generator) -> Array:
    """Return the fold of each image: each cell evenly, as far as what belongs together allows."""
    labels = pd.DataFrame({"target": cell // 2, "protected": cell % 2, "identity": together})
    return slice_roles(labels, (1 / FOLDS,) * FOLDS, rng)


def _out_of_fold(
    features: Array, label: Array, cell: Array, together: Array, rng: np.random.Generator
) -> Array:
    """Return each image's score (N,) by a probe that has not seen it or those it belongs to.

    Above 0 is class 1.
    """
    from sklearn.linear_model import LogisticRegression

    fold = folds_of(cell, together, rng)
    score = np.empty(len(label))
    for number in np.unique(fold):
        rest, fit = fold == number, fold != number
        weights = cell_weights(cell[fit], np.ones(fit.sum()))
        model = LogisticRegression(C=C, max_iter=1000)
        model.fit(features[fit], label[fit], sample_weight=weights)
        score[rest] = model.decision_function(features[rest])
    return score


def _numbers(scores: list[Array], label: Array, cell: Array, drawn: Array) -> Array:
    """Return AUROC and accuracy (2, B), means over scores, of images drawn (B, N) times."""
    from rightreasons.core.registry import Params
    from rightreasons.metrics.auroc import auroc

    weights = cell_weights(cell, drawn)
    areas = [auroc(label, score, weights, Params()) for score in scores]
    right = [weights @ ((score > 0) == (label == 1)) / len(label) for score in scores]
    return np.stack([np.mean(areas, axis=0), np.mean(right, axis=0)])


def _resampled(together: Array, rng: np.random.Generator, replicates: int) -> Iterator[Array]:
    """Yield how often each image is drawn (b, N), those that belong together together."""
    names, member = np.unique(together, return_inverse=True)
    for size in chunks(replicates, len(together)):
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size)
        yield drawn[:, member]
