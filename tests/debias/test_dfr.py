"""DFR: against other solvers of the same problem, what it averages, and where it is put."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fresh_runs import DEBIAS, make, run
from planted import planted
from planted import run as outcome
from rightreasons.contracts.fakes import CPU, biased_images, cells, make_context
from rightreasons.core.errors import UserError
from rightreasons.debias import Context
from rightreasons.debias.dfr import DFRParams, _balanced, last_layer
from rightreasons.learning.training import extract_features, predict_logits

RNG = np.random.default_rng(3)
TARGET, PROTECTED = cells(80, 0.6)
CELL = 2 * TARGET + PROTECTED
FEATURES = np.stack(
    [
        5 + 2 * (TARGET + RNG.normal(0, 0.7, 80)),
        PROTECTED + RNG.normal(0, 0.4, 80),
        100 * RNG.normal(size=80),
        np.full(80, 3.0),
        RNG.normal(size=80) + TARGET - PROTECTED,
    ],
    axis=1,
)


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def fit(**params: Any) -> tuple[np.ndarray, float]:
    """Return what is fitted to the features, with subsets drawn from seed 5."""
    got = last_layer(FEATURES, TARGET, PROTECTED, DFRParams(**params), np.random.default_rng(5))
    return got.normal, got.bias


def standardised() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    centre = np.array([sum(column) / 80 for column in FEATURES.T])
    spread = [np.sqrt(sum((c - m) ** 2) / 80) for c, m in zip(FEATURES.T, centre, strict=True)]
    scale = np.array([s if s > 1e-9 else 1.0 for s in spread])
    return (FEATURES - centre) / scale, centre, scale


def newton(x: np.ndarray, y: np.ndarray, w: np.ndarray, c: float) -> np.ndarray:
    """Minimise c sum w log-loss + |a|^2 / 2 by Newton's method; return (a, b)."""
    ones = np.c_[x, np.ones(len(x))]
    ridge = np.diag([*np.ones(x.shape[1]), 0.0])
    theta = np.zeros(x.shape[1] + 1)
    for _ in range(100):
        p = 1 / (1 + np.exp(-ones @ theta))
        gradient = c * ones.T @ (w * (p - y)) + ridge @ theta
        hessian = c * (ones * (w * p * (1 - p))[:, None]).T @ ones + ridge
        theta = theta - np.linalg.solve(hessian, gradient)
    return theta


def unscaled(theta: np.ndarray) -> tuple[np.ndarray, float]:
    _, centre, scale = standardised()
    return theta[:-1] / scale, theta[-1] - sum(theta[:-1] / scale * centre)


def agree(got: tuple[np.ndarray, float], wanted: tuple[np.ndarray, float]) -> None:
    """Compare on the scale on which features have variance 1."""
    _, _, scale = standardised()
    np.testing.assert_allclose(got[0] * scale, wanted[0] * scale, atol=1e-5)
    np.testing.assert_allclose(
        FEATURES @ got[0] + got[1], FEATURES @ wanted[0] + wanted[1], atol=1e-4
    )


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("c", [0.05, 1.0])
def test_weighted_ridge_is_newtons(c: float, strength: float) -> None:
    x, _, _ = standardised()
    w = np.array([float(np.sum(cell == CELL)) ** -strength for cell in CELL])
    wanted = unscaled(newton(x, TARGET, w / w.mean(), c))
    agree(fit(balance="weights", inverse_penalty=c, strength=strength), wanted)


def test_subsets_are_the_mean_of_newtons() -> None:
    x, _, _ = standardised()
    params = DFRParams(retrains=4, inverse_penalty=0.3)
    drawn = _balanced(CELL, params, np.random.default_rng(5))
    assert len(drawn) == 4
    thetas = [newton(x[rows], TARGET[rows], np.ones(len(rows)), 0.3) for rows, _ in drawn]
    agree(fit(retrains=4, inverse_penalty=0.3), unscaled(sum(thetas) / 4))


def test_subsets_have_equal_cells_of_images_that_differ() -> None:
    least = min(np.bincount(CELL))
    drawn = _balanced(CELL, DFRParams(retrains=6), np.random.default_rng(0))
    for rows, weights in drawn:
        assert np.bincount(CELL[rows]).tolist() == 4 * [least]
        assert len(set(rows)) == len(rows)
        assert (weights == 1).all()
    assert len({tuple(rows) for rows, _ in drawn}) == 6
    half = _balanced(CELL, DFRParams(strength=0.5), np.random.default_rng(0))[0][0]
    assert np.bincount(CELL[half]).tolist() == [
        round((n * least) ** 0.5) for n in np.bincount(CELL)
    ]


def test_without_strength_there_is_one_fit_of_all_images() -> None:
    [(rows, weights)] = _balanced(CELL, DFRParams(strength=0), np.random.default_rng(0))
    assert rows.tolist() == list(range(80))
    assert (weights == 1).all()


@pytest.mark.parametrize("c", [0.05, 1.0])
def test_lasso_fulfils_the_conditions_of_its_optimum(c: float) -> None:
    """At a minimum the loss pulls with 1 against each coefficient that is not 0, and less else."""
    x, centre, scale = standardised()
    normal, bias = fit(balance="weights", penalty="l1", inverse_penalty=c)
    a = np.append(normal * scale, bias + normal @ centre)
    w = np.array([1 / np.sum(cell == CELL) for cell in CELL])
    ones = np.c_[x, np.ones(80)]
    p = 1 / (1 + np.exp(-ones @ a))
    pull = -c * ones.T @ (w / w.mean() * (p - TARGET))
    there = np.abs(a) > 1e-9
    assert 0 < there.sum() < 6
    np.testing.assert_allclose(pull[there], np.sign(a[there]), atol=1e-3)
    assert (np.abs(pull[~there]) <= 1 + 1e-3).all()


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_the_networks_margin_is_the_regressions(penalty: str, context: Context) -> None:
    got = run("dfr", context, penalty=penalty, retrains=3)
    features = extract_features(context.vanilla(), DEBIAS.images, CPU).double().numpy()
    fitted = last_layer(
        features,
        DEBIAS.target.numpy(),
        DEBIAS.protected.numpy(),
        DFRParams(penalty=penalty, retrains=3),
        np.random.default_rng(context.seed_of("dfr")),
    )
    logits = predict_logits(got.model, DEBIAS.images, CPU)
    wanted = features @ fitted.normal + fitted.bias
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], wanted, atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(logits.sum(1), 0, atol=1e-4)
    trunk, before = got.model.trunk.state_dict(), context.vanilla().trunk.state_dict()
    assert all(torch.equal(trunk[key], before[key]) for key in before)
    assert got.notes["zeros"] == int((fitted.normal == 0).sum())


def test_an_empty_cell_is_an_error_that_names_it() -> None:
    none = make_context(make().vanilla(), biased_images(40, 1.0, size=12))
    with pytest.raises(UserError, match=r"methods.dfr: .*target = 0 and protected = 1"):
        run("dfr", none)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_planted_example_at_the_defaults(seed: int) -> None:
    example = planted("frozen", seed)
    assert outcome(example, "vanilla").equalized_odds > 0.7
    reached, control = outcome(example, "dfr"), outcome(example, "dfr", strength=0)
    assert reached.equalized_odds <= 0.25 < control.equalized_odds
    assert reached.accuracy >= 0.80


def test_where_target_and_protected_are_one_direction_less_can_be_told_apart() -> None:
    """The trunk has put both onto one direction (cosine 0.99): little is left for a last layer."""
    example = planted("trained", 0)
    vanilla, reached = outcome(example, "vanilla"), outcome(example, "dfr")
    control = outcome(example, "dfr", strength=0)
    assert reached.equalized_odds < min(vanilla.equalized_odds, control.equalized_odds) - 0.05
    assert reached.accuracy > max(vanilla.accuracy, control.accuracy, 0.75)
    weak = outcome(example, "dfr", inverse_penalty=100)
    assert weak.equalized_odds < 0.35
    assert weak.accuracy > 0.8
