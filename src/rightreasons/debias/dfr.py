"""DFR: vanilla with a new last layer, fitted to debias images with equal cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import DecisionParams
from rightreasons.debias._fresh import decided
from rightreasons.debias._thresholds import check_cells

if TYPE_CHECKING:
    from torch import nn

    from rightreasons.models.classifier import Classifier

Array = np.ndarray


class DFRParams(DecisionParams):
    """How the last layer is fitted."""

    balance: Literal["subsets", "weights"] = Field(
        "subsets",
        description="how cells are brought to one size: by random subsets over whose fits is "
        "averaged, or by weights of the images in one fit",
    )
    retrains: int = Field(10, ge=1, description="subsets")
    penalty: Literal["l2", "l1"] = Field("l2", description="penalty of the logistic regression")
    inverse_penalty: float = Field(
        1.0, gt=0, description="C, the weight of the summed loss against the penalty"
    )
    strength: float = Field(
        1.0,
        ge=0,
        le=1,
        description="0: the layer is fitted to all debias images as they are; 1: to equal cells",
    )


@METHODS.register(
    "dfr",
    title="DFR",
    paper="Kirichenko et al. 2023",
    params=DFRParams,
    uses_protected=("fit",),
    small={"retrains": 2},
    presets={"published": {"penalty": "l1", "retrains": 20}},
    search={
        "balance": Choice(("subsets", "weights")),
        "penalty": Choice(("l2", "l1")),
        "inverse_penalty": Real(1e-4, 10.0, log=True),
        "strength": Real(0.25, 1.0, zero=0.125),
    },
    knob="strength",
    all_cells=True,
    style=("#009E73", "P", (0, (5, 1))),
    trains=False,
)
def dfr(context: Context, params: DFRParams) -> Debiased:
    """Return vanilla with a logistic regression on its features as its last layer."""
    from rightreasons.learning.training import extract_features

    data = context.debias()
    target, protected = data.target.numpy(), data.protected.numpy()
    check_cells(target, protected, "methods.dfr")
    model = context.vanilla()
    features = extract_features(model, data.images, context.device).double().numpy()
    if not np.isfinite(features).all():
        raise UserError("methods.dfr: vanilla's features hold NaN or infinite values.")
    rng = np.random.default_rng(context.seed_of("dfr"))
    fitted = last_layer(features, target, protected, params, rng)
    head_of_two(model)
    put(fitted, model.head)
    notes = {"images_per_fit": fitted.images, "zeros": int((fitted.normal == 0).sum())}
    return decided(context, model, params, "dfr", notes)


@dataclass(frozen=True)
class LastLayer:
    """A logistic regression: the log odds of target = 1 are normal . x + bias.

    Attributes
    ----------
    normal
        (d,), for features as the network has them.
    bias
        A number.
    images
        Images in each of its fits.
    """

    normal: Array
    bias: float
    images: int


def last_layer(
    features: Array, target: Array, protected: Array, params: DFRParams, rng: np.random.Generator
) -> LastLayer:
    """Return the mean of logistic regressions on features in which the cells are equal.

    Features are centred and scaled to variance 1 over all images, and the scale is folded into the
    result. A fit minimises C sum_i w_i log(1 + exp(-s_i (a . x_i + b))) + P(a), with s_i = 1 or -1
    for the target and P(a) = |a|^2 / 2 (l2) or the sum of |a_j| plus |b| (l1, as liblinear does).

    Parameters
    ----------
    features
        (N, d).
    target, protected
        (N,) in {0, 1}, with images in each of the four cells.
    params
        Balance, penalty and strength.
    rng
        Draws the subsets.

    References
    ----------
    Kirichenko, Izmailov and Wilson 2023, "Last Layer Re-Training is Sufficient for Robustness to
    Spurious Correlations".
    """
    centre, scale = features.mean(0), features.std(0)
    scale = np.where(scale > 1e-12 * np.abs(features).max(), scale, 1.0)
    x = (features - centre) / scale
    cell = 2 * target + protected
    fits = []
    for rows, weights in _balanced(cell, params, rng):
        fits.append(_logistic(x[rows], target[rows], weights, params))
    mean = np.mean(fits, axis=0)
    normal = mean[:-1] / scale
    return LastLayer(normal, float(mean[-1] - normal @ centre), len(rows))


def _balanced(
    cell: Array, params: DFRParams, rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    """Return rows and weights of each fit."""
    n = np.bincount(cell, minlength=4)
    everything = np.arange(len(cell))
    if params.balance == "weights" or params.strength == 0:
        weights = n[cell] ** -params.strength
        return [(everything, weights * len(cell) / weights.sum())]
    kept = np.round(n ** (1 - params.strength) * n.min() ** params.strength).astype(int)
    fits = []
    for _ in range(params.retrains):
        rows = [rng.permutation(everything[cell == c])[: kept[c]] for c in range(4)]
        fits.append((np.sort(np.concatenate(rows)), np.ones(kept.sum())))
    return fits


def _logistic(x: Array, y: Array, weights: Array, params: DFRParams) -> Array:
    """Return coefficients and bias (d + 1,) of a penalised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    kind = (
        {"l1_ratio": 0.0, "solver": "lbfgs", "tol": 1e-8}
        if params.penalty == "l2"
        else {"l1_ratio": 1.0, "solver": "liblinear", "tol": 1e-6, "random_state": 0}
    )
    model = LogisticRegression(C=params.inverse_penalty, max_iter=10_000, **kind)
    model.fit(x, y, sample_weight=weights)
    return np.append(model.coef_.ravel(), model.intercept_)


def head_of_two(model: Classifier) -> None:
    """Give a network from elsewhere with more outputs a head of two logits, in place."""
    from torch import nn

    if model.head.out_features != 2:
        device = model.head.weight.device
        model.head = nn.Linear(model.n_features, 2).to(device)
        model.readout = nn.Identity()


def put(fitted: LastLayer, head: nn.Linear) -> None:
    """Write the regression into a head of two logits, half of it with each sign."""
    import torch

    with torch.no_grad():
        for row, sign in ((0, -0.5), (1, 0.5)):
            head.weight[row] = torch.as_tensor(sign * fitted.normal).to(head.weight)
            head.bias[row] = sign * fitted.bias
