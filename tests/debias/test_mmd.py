"""The MMD penalty: summed pair by pair, its gradient, and what it does to the groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fresh_runs import TRAIN, make, run, same
from planted import planted
from planted import run as outcome
from rightreasons.contracts.fakes import CPU
from rightreasons.debias import Context
from rightreasons.debias._discrepancy import Kernel, discrepancy
from rightreasons.debias.mmd import MMDParams, penalised
from rightreasons.learning.training import batches

KERNELS = ("rbf", "linear")


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def slow(values: np.ndarray, group: np.ndarray, kernel: str) -> float:
    """The unbiased estimate, pair by pair."""
    n = len(values)
    distances = [np.sum((values[i] - values[j]) ** 2) for i in range(n) for j in range(i + 1, n)]
    # torch's median of an even count is the lower of the middle two.
    m = sorted(distances)[(len(distances) - 1) // 2]

    def k(i: int, j: int) -> float:
        if kernel == "linear":
            return float(values[i] @ values[j])
        return float(np.exp(-np.sum((values[i] - values[j]) ** 2) / m))

    x, y = np.flatnonzero(group == 0), np.flatnonzero(group == 1)
    within = [np.mean([k(i, j) for i in g for j in g if i != j]) for g in (x, y)]
    return float(sum(within) - 2 * np.mean([k(i, j) for i in x for j in y]))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 5])
def test_it_is_the_sum_over_pairs(d: int, kernel: Kernel) -> None:
    rng = np.random.default_rng(d)
    group = np.repeat([0, 1], [7, 4])
    values = rng.normal(size=(11, d)) + group[:, None] + 30
    got = discrepancy(torch.from_numpy(values), torch.from_numpy(group), kernel)
    assert float(got) == pytest.approx(slow(values, group, kernel), abs=1e-9)


def test_linear_is_the_squared_distance_of_the_means_without_its_bias() -> None:
    rng = np.random.default_rng(0)
    group = torch.tensor([0] * 6 + [1] * 5)
    estimates = [
        float(discrepancy(torch.from_numpy(rng.normal(size=(11, 2)) + 3), group, "linear"))
        for _ in range(4000)
    ]
    # The groups do not differ. The biased estimate is 2 (1/6 + 1/5) = 0.73 on average.
    assert abs(np.mean(estimates)) < 4 * np.std(estimates) / np.sqrt(4000)


def test_rbf_sees_what_means_do_not() -> None:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(size=(400, 1)))
    group = torch.arange(400) % 2
    wider = values * (1 + 3 * group[:, None])
    wider = wider - torch.stack([wider[group == g].mean() for g in (0, 1)])[group][:, None]
    assert discrepancy(wider, group, "rbf") > 0.1
    assert abs(float(discrepancy(values, group, "rbf"))) < 0.02


@pytest.mark.parametrize("kernel", KERNELS)
def test_its_gradient_is_that_of_differences(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    group = torch.from_numpy(np.repeat([0, 1], [4, 3]))
    # The median has no gradient: one number for all, that of a pair which is not moved.
    values = torch.from_numpy(rng.normal(size=(7, 2))).requires_grad_()
    median = torch.Tensor.median
    kept = median(
        (values[:, None] - values[None])
        .square()
        .sum(-1)
        .detach()
        .triu(1)[tuple(torch.triu_indices(7, 7, 1))]
    )
    monkeypatch.setattr(torch.Tensor, "median", lambda self: kept)
    (gradient,) = torch.autograd.grad(discrepancy(values, group, kernel), values)
    for i in range(7):
        for j in range(2):
            step = torch.zeros(7, 2, dtype=torch.float64)
            step[i, j] = 1e-5
            up, down = (
                float(discrepancy((values + s * step).detach(), group, kernel)) for s in (1, -1)
            )
            assert float(gradient[i, j]) == pytest.approx((up - down) / 2e-5, abs=1e-7)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_group_of_one_image_and_equal_values_are_no_error(kernel: Kernel) -> None:
    values = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert discrepancy(values, torch.tensor([0, 0, 0, 1]), kernel) == 0
    flat = torch.ones(4, 2, requires_grad=True)
    got = discrepancy(flat, torch.tensor([0, 0, 1, 1]), kernel)
    got.backward()
    assert got == 0
    assert (flat.grad == 0).all()


@pytest.mark.parametrize("compared", ["logits", "features"])
@pytest.mark.parametrize("criterion", ["equalized_odds", "demographic_parity"])
def test_the_loss_adds_it_within_classes_or_over_all(
    compared: Any, criterion: Any, context: Context
) -> None:
    [batch] = batches(TRAIN, 100, CPU)
    model = context.vanilla()
    params = MMDParams(strength=3.0, compared=compared, criterion=criterion, kernel="rbf")
    with torch.no_grad():
        features = model.features(batch.inputs)
        logits = model.head(features)
        got = float(penalised(context, params)(model, batch))
    logits, features = logits.double().numpy(), features.double().numpy()
    values = features if compared == "features" else (logits[:, 1] - logits[:, 0])[:, None]
    target, group = TRAIN.target.numpy(), TRAIN.protected.numpy()
    error = np.mean([np.log(np.exp(z).sum()) - z[t] for z, t in zip(logits, target, strict=True)])
    parts = [target >= 0] if criterion == "demographic_parity" else [target == 0, target == 1]
    gap = sum(slow(values[part], group[part], "rbf") for part in parts)
    assert got == pytest.approx(error + 3 * gap, abs=1e-4)


def test_strength_0_is_plain_training_and_1_is_not(context: Context) -> None:
    assert same(run("mmd", context, strength=0).model, context.vanilla())
    assert not same(run("mmd", context).model, context.vanilla())


def test_the_groups_come_together() -> None:
    example = planted("frozen", 0)
    control, reached = (outcome(example, "mmd", epochs=20, strength=s) for s in (0, 1.0))
    assert reached.equalized_odds < control.equalized_odds - 0.15
    assert reached.accuracy > control.accuracy
