"""Linear concept erasure: maps of features after which a concept cannot be read linearly."""

from __future__ import annotations

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.debias._cav import check_fit

Array = np.ndarray


def leace_eraser(
    features: Array,
    labels: Array,
    *,
    weights: Array | None = None,
    shrinkage: float = 0.0,
    what: str = "leace",
) -> tuple[Array, Array, Array]:
    """Return the least change of features after which labels have no covariance with them.

    With S the features' covariance and c their covariance with the labels, the eraser is
    x - c (c^T S^+ c)^-1 c^T S^+ (x - mean), oblique: the part along c goes, as it is measured
    along S^+ c. Of all affine maps after which no linear classifier does better than a constant, it
    changes the features least, on average.

    Parameters
    ----------
    features
        (N, d), finite.
    labels
        (N,) in {0, 1}.
    weights
        Weight of each image (N,), in all moments; equal without.
    shrinkage : in [0, 1]
        Share of S that is replaced by the multiple of the identity with the same trace. The labels
        are erased at any; at 1 the map is the orthogonal projection of P-ClArC.
    what
        What errors call the fit.

    Returns
    -------
    tuple
        read (d,), write (d,) and mean (d,), float64: x - write (read . (x - mean)).

    Raises
    ------
    UserError
        As `fit_cav`.

    References
    ----------
    Belrose et al. 2023, "LEACE: Perfect linear concept erasure in closed form", theorem 4.2.
    """
    x, y, w = check_fit(features, labels, weights, what)
    mean = w @ x
    centred = x - mean
    covariance = centred.T @ (w[:, None] * centred)
    spread = np.trace(covariance) / len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * spread * np.eye(len(covariance))
    write = centred.T @ (w * (y - w @ y))
    read = np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ write
    scale = write @ read
    if not scale > 1e-12:
        raise _nothing(what)
    return read / scale, write, mean


def inlp_directions(
    features: Array,
    labels: Array,
    *,
    rounds: int,
    weights: Array | None = None,
    regularisation: float = 1.0,
    what: str = "inlp",
) -> Array:
    """Return the normals of classifiers, each fitted to what the ones before it cannot see.

    Parameters
    ----------
    features
        (N, d), finite.
    labels
        (N,) in {0, 1}.
    rounds
        Number of normals, at most d.
    weights
        Weight of each image (N,); equal without.
    regularisation
        Strength of logistic regression's L2 penalty, for features that are centred and scaled by
        one number to unit mean square.
    what
        What errors call the fit.

    Returns
    -------
    ndarray
        float64 (k, d), orthonormal; fewer than `rounds` where nothing is left to be read.

    Raises
    ------
    UserError
        As `fit_cav`.

    References
    ----------
    Ravfogel et al. 2020, "Null it out", algorithm 1.
    """
    from sklearn.linear_model import LogisticRegression

    x, y, w = check_fit(features, labels, weights, what)
    centred = x - w @ x
    scaled = centred / (np.sqrt(w @ (centred**2).mean(axis=1)) or 1.0)
    found = np.zeros((0, x.shape[1]))
    for _ in range(min(rounds, x.shape[1])):
        left = scaled - scaled @ found.T @ found
        classifier = LogisticRegression(C=1 / regularisation, max_iter=2000)
        normal = np.asarray(classifier.fit(left, y, sample_weight=w * len(y)).coef_).ravel()
        normal -= found.T @ (found @ normal)
        length = np.linalg.norm(normal)
        if not length > 1e-6:
            break
        found = np.concatenate([found, normal[None] / length])
    if not len(found):
        raise _nothing(what)
    return found


def _nothing(what: str) -> UserError:
    return UserError(
        f"{what}: the features do not depend on the protected attribute at all, so there is "
        "nothing to erase. The network may be constant; look at vanilla's predictions."
    )
