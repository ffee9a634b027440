"""Concept activation vectors: the direction in feature space along which a concept changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rightreasons.core.errors import UserError

Array = np.ndarray
CavKind = Literal["signal", "ridge", "logistic", "svm"]


@dataclass(frozen=True)
class Cav:
    """A fitted direction.

    Attributes
    ----------
    direction
        float64 (d,), length 1, pointing from images without the concept to those with it.
    mean_without, mean_with
        Mean features (d,) of the images without and with it.
    """

    direction: Array
    mean_without: Array
    mean_with: Array


def fit_cav(
    features: Array,
    labels: Array,
    kind: CavKind = "signal",
    *,
    regularisation: float = 1.0,
    weights: Array | None = None,
    what: str = "cav",
) -> Cav:
    """Return the direction of a concept in feature space.

    Parameters
    ----------
    features
        Of the images (N, d), finite.
    labels
        (N,) in {0, 1}: whether the concept is there.
    kind
        `signal` is cov(x, y) / var(y) per feature, for two classes the difference of their means;
        `ridge`, `logistic` and `svm` are the normals of the linear classifiers of those names.
    regularisation
        Strength of the classifiers' L2 penalty for features that are centred and scaled by one
        number to unit mean square; nothing for `signal`.
    weights
        Weight of each image (N,), in fit and means; equal without.
    what
        What errors call the fit.

    Raises
    ------
    UserError
        Where only one class is there, features are not finite, or the direction is 0.

    References
    ----------
    Haufe et al. 2014 and Pahde et al. 2022 (`signal`); Kim et al. 2018 (the classifiers).
    """
    x, y, w = check_fit(features, labels, weights, what)
    if kind == "signal":
        direction = _signal(x, y, w)
    else:
        centred = x - w @ x
        scale = np.sqrt(w @ (centred**2).mean(axis=1))
        # Weights of mean 1, so that the penalty weighs the same with and without them.
        direction = _normal(centred / (scale or 1.0), y, w * len(y), kind, regularisation)
    length = np.linalg.norm(direction)
    if not length > 1e-12 * max(1.0, float(np.abs(x).max())):
        raise UserError(
            f"{what}: the features do not depend on the protected attribute at all, so it has no "
            "direction. The network may be constant; look at vanilla's predictions."
        )
    direction = direction / length
    return Cav(direction, _mean(x, w, y == 0), _mean(x, w, y == 1))


def held_out_auroc(
    features: Array,
    labels: Array,
    strata: Array,
    kind: CavKind = "signal",
    *,
    regularisation: float = 1.0,
    weights: Array | None = None,
    folds: int = 5,
) -> float | None:
    """Return how well a direction tells images apart that it was not fitted to.

    The images of each stratum are dealt out to the folds in turn. For each fold a direction is
    fitted to the others, and the AUROC of its projection taken on the fold.

    Parameters
    ----------
    features, labels, kind, regularisation, weights
        As for `fit_cav`.
    strata
        (N,) integers: groups of which every fold gets its share.
    folds
        Number of folds, at least 2.

    Returns
    -------
    float or None
        Mean over the folds of the AUROC: 0.5 is chance. A fold without images of both kinds does
        not count; None where no fold does.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    fold = np.empty(len(y), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        fold[members] = np.arange(len(members)) % folds
    values = []
    for k in range(folds):
        fit, out = fold != k, fold == k
        if min(len(np.unique(y[fit])), len(np.unique(y[out]))) < 2:
            continue
        try:
            cav = fit_cav(x[fit], y[fit], kind, regularisation=regularisation, weights=w[fit])
        except UserError:  # the others' features do not depend on the labels
            values.append(0.5)
            continue
        values.append(auroc(x[out] @ cav.direction, y[out], w[out]))
    return float(np.mean(values)) if values else None


def cell_weights(target: Array, protected: Array) -> Array:
    """Return weights (N,) that give the cells of target and protected that occur equal sums."""
    cell = 2 * np.asarray(target) + np.asarray(protected)
    return 1.0 / np.bincount(cell, minlength=4)[cell]


def auroc(score: Array, labels: Array, weights: Array | None = None) -> float:
    """Return the probability that a random positive scores above a random negative; ties half.

    Parameters
    ----------
    score, labels
        (N,), labels in {0, 1} with both there.
    weights
        Of each image (N,); equal without.
    """
    w = np.ones(len(score)) if weights is None else weights
    order = np.argsort(score[labels == 0], kind="stable")
    negative = score[labels == 0][order]
    below = np.concatenate([[0.0], np.cumsum(w[labels == 0][order])])
    positive = score[labels == 1]
    less = below[np.searchsorted(negative, positive, side="left")]
    up_to = below[np.searchsorted(negative, positive, side="right")]
    share = (w[labels == 1] @ (less + up_to) / 2) / (w[labels == 1].sum() * below[-1])
    return min(float(share), 1.0)  # rounding may go beyond


def check_fit(
    features: Array, labels: Array, weights: Array | None, what: str
) -> tuple[Array, Array, Array]:
    """Return features (N, d) as float64, labels (N,) and weights (N,) of sum 1, checked.

    Raises
    ------
    UserError
        Where only one class is there, features are not finite, or shapes do not match.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or w.shape != y.shape:
        raise UserError(
            f"{what}: features {x.shape}, labels {y.shape}, weights {w.shape} do not match."
        )
    counts = [int((y == label).sum()) for label in (0, 1)]
    if min(counts) == 0 or sum(counts) < len(y):
        raise UserError(
            f"{what}: a direction needs images with and without the protected attribute; there "
            f"are {counts[0]} without and {counts[1]} with it among {len(y)}."
        )
    if not np.isfinite(x).all():
        raise UserError(f"{what}: the network's features hold NaN or infinite values.")
    return x, y, w / w.sum()


def _signal(x: Array, y: Array, w: Array) -> Array:
    spread = y - w @ y
    return (w * spread) @ x / (w @ spread**2)


def _normal(x: Array, y: Array, w: Array, kind: CavKind, regularisation: float) -> Array:
    """Return the normal (d,) of a linear classifier of y on centred features."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import LinearSVC

    if kind == "ridge":
        fitted = Ridge(alpha=regularisation, solver="cholesky").fit(x, 2 * y - 1, sample_weight=w)
        return np.asarray(fitted.coef_).ravel()
    if kind == "logistic":
        classifier = LogisticRegression(C=1 / regularisation, max_iter=2000)
    else:
        classifier = LinearSVC(C=1 / regularisation, dual="auto", max_iter=20_000, random_state=0)
    return np.asarray(classifier.fit(x, y, sample_weight=w).coef_).ravel()


def _mean(x: Array, w: Array, chosen: Array) -> Array:
    return w[chosen] @ x[chosen] / w[chosen].sum()
