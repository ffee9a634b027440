"""Zhang's update and Savani's critic against separate derivations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS
from rightreasons.debias._adversaries import (
    BatchCritic,
    LogitAdversary,
    Opponent,
    batch_bias,
    cell_means,
    debiased_gradient,
    flat_gradient,
    savani_loss,
    set_gradient,
)
from rightreasons.debias._savani import AdversarialTuning, shared_out
from rightreasons.debias._tuning import TuningParams, fine_tune
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages, normalise
from rightreasons.learning.training import make_optimizer, seeded
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier


def test_update_by_hand() -> None:
    g = torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64)
    h = torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
    expected = torch.tensor([3.0, 0.0 - 0.5 * 2.0, 0.0], dtype=torch.float64)
    assert torch.equal(debiased_gradient(g, h, 0.5), expected)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    alpha=st.floats(0, 20),
    scale=st.sampled_from([1e-12, 1e-3, 1.0, 1e6]),
)
def test_update_is_orthogonal_to_h_up_to_minus_alpha_h(
    seed: int, n: int, alpha: float, scale: float
) -> None:
    """As a matrix: (I - h h^T / h^T h) g - alpha h."""
    rng = np.random.default_rng(seed)
    g, h = rng.normal(size=n), scale * rng.normal(size=n)
    update = debiased_gradient(torch.from_numpy(g), torch.from_numpy(h), alpha).numpy()
    slow = (np.eye(n) - np.outer(h, h) / (h @ h)) @ g - alpha * h
    np.testing.assert_allclose(update, slow, atol=1e-9 * max(1, alpha * scale))
    unit = h / np.linalg.norm(h)
    np.testing.assert_allclose((update + alpha * h) @ unit, 0, atol=1e-9 * max(1, alpha * scale))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_update_without_an_adversary_gradient_is_the_models(dtype: torch.dtype) -> None:
    g = torch.tensor([1.0, -2.0], dtype=dtype)
    assert torch.equal(debiased_gradient(g, torch.zeros(2, dtype=dtype), 3.0), g)
    tiny = torch.full((2,), 1e-30, dtype=dtype)
    assert debiased_gradient(g, tiny, 3.0).isfinite().all()


def test_one_vector_over_all_parameters_is_not_one_per_parameter() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    model.double()
    weights = list(model.parameters())
    x = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logits = model(x)
    g = flat_gradient(logits[:, 0].sum(), weights, keep_graph=True)
    h = flat_gradient(logits[:, 1].square().sum(), weights, keep_graph=False)
    assert len(g) == sum(w.numel() for w in weights)
    update = debiased_gradient(g, h, 0.0)
    set_gradient(weights, update)
    joined = torch.cat([w.grad.flatten() for w in weights])
    assert torch.equal(joined, update)
    assert abs(float(joined @ h)) < 1e-10
    assert abs(float(weights[0].grad.flatten() @ h[:12])) > 1e-6
    model.zero_grad()
    model(x)[:, 0].sum().backward()
    torch.testing.assert_close(torch.cat([w.grad.flatten() for w in weights]), g)


def test_adversary_is_the_papers() -> None:
    adversary = LogitAdversary("equalized_odds").double()
    with torch.no_grad():
        adversary.sharpness.fill_(-0.7)
        adversary.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        adversary.bias.fill_(0.3)
    logits = torch.tensor([[0.2, 1.0], [1.5, -0.5]], dtype=torch.float64)
    target = torch.tensor([1, 0])
    out = adversary(logits, target).detach()
    for i in range(2):
        y_hat = math.exp(logits[i, 1]) / (math.exp(logits[i, 0]) + math.exp(logits[i, 1]))
        inverse = math.log(y_hat / (1 - y_hat))
        s = 1 / (1 + math.exp(-1.7 * inverse))
        y = int(target[i])
        assert float(out[i]) == pytest.approx(1.0 * s - 2.0 * s * y + 0.5 * s * (1 - y) + 0.3)


def test_equal_opportunity_looks_at_positives_only() -> None:
    adversary = LogitAdversary("equal_opportunity")
    torch.nn.init.ones_(adversary.weight)
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    target, protected = torch.tensor([1, 1, 0, 0, 1, 0]), torch.tensor([1, 0, 1, 0, 0, 1])
    full = adversary.loss(logits, target, protected)
    keep = target == 1
    only = F.binary_cross_entropy_with_logits(
        adversary(logits[keep], target[keep]), protected[keep].float()
    )
    torch.testing.assert_close(full, only)
    none = adversary.loss(logits, torch.zeros(6, dtype=torch.long), protected)
    assert none.item() == 0


def test_opponent_learns_what_there_is_to_learn_and_no_more() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(2, (2000,), generator=generator)
    protected = torch.randint(2, (2000,), generator=generator)
    fair = torch.stack([torch.zeros(2000), 2.0 * target - 1], dim=1)
    unfair = torch.stack([torch.zeros(2000), 4.0 * protected - 2], dim=1)
    losses = []
    for logits in (fair, unfair):
        adversary = LogitAdversary("equalized_odds")
        opponent = Opponent(adversary, learning_rate=0.1, memory=1)
        opponent.remember(logits, target, protected)
        opponent.refit(300)
        losses.append(adversary.loss(logits, target, protected).item())
    assert losses[0] == pytest.approx(math.log(2), abs=0.01)
    assert losses[1] < 0.1


def test_opponent_remembers_the_latest_batches_without_graph() -> None:
    opponent = Opponent(LogitAdversary("statistical_parity"), learning_rate=0.1, memory=2)
    for i in range(3):
        opponent.remember(
            torch.full((4, 2), float(i), requires_grad=True), torch.ones(4), torch.ones(4)
        )
    assert [float(logits[0, 0]) for logits, _, _ in opponent.memory] == [1, 2]
    assert not opponent.memory[0][0].requires_grad


def small_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    target, protected = rng.integers(0, 2, 40), rng.integers(0, 2, 40)
    target[:4], protected[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
    logits = rng.normal(size=(40, 2))
    return torch.from_numpy(logits), torch.from_numpy(target), torch.from_numpy(protected)


@pytest.mark.parametrize("seed", range(5))
def test_batch_bias_is_counted(seed: int) -> None:
    logits, target, protected = small_batch(seed)
    share = torch.tensor([[0.4, 0.1], [0.2, 0.3]])
    decided = (logits[:, 1] >= logits[:, 0]).numpy()
    t, a = target.numpy(), protected.numpy()
    rate = {(y, p): decided[(t == y) & (a == p)].mean() for y in (0, 1) for p in (0, 1)}
    gaps = [abs(rate[y, 1] - rate[y, 0]) for y in (0, 1)]
    group = [
        sum(float(share[y, p]) * rate[y, p] for y in (0, 1)) / float(share[:, p].sum())
        for p in (0, 1)
    ]
    for criterion, expected in [
        ("equalized_odds", max(gaps)),
        ("equal_opportunity", gaps[1]),
        ("statistical_parity", abs(group[1] - group[0])),
    ]:
        bias = float(batch_bias(logits, target, protected, criterion, share))
        assert bias == pytest.approx(expected, abs=1e-6)


def test_cell_means_of_an_empty_cell_are_zero() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    means = cell_means(values, torch.tensor([0, 0]), torch.tensor([1, 1]))
    torch.testing.assert_close(means, torch.tensor([[0.0, 0], [2, 3], [0, 0], [0, 0]]))


def test_critic_sees_a_set() -> None:
    """Neither the order of a batch's images nor how often the batch is repeated matters."""
    logits, target, protected = small_batch()
    critic = BatchCritic(2).double()
    bias = critic(logits, target, protected)
    assert 0 < float(bias) < 1
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(critic(logits[order], target[order], protected[order]), bias)
    twice = [torch.cat([x, x]) for x in (logits, target, protected)]
    torch.testing.assert_close(critic(*twice), bias)


def test_savani_loss_by_hand() -> None:
    error = torch.tensor(2.0)
    for bias, factor in [(0.05, 1.0), (0.09, 1.0), (0.3, 1.21), (1.0, 1.91)]:
        value = savani_loss(error, torch.tensor(bias), 1.0, 0.1, 0.01)
        assert float(value) == pytest.approx(2 * factor, rel=1e-6)


@pytest.fixture(scope="module")
def tuning() -> AdversarialTuning:
    training = TrainingConfig(epochs=3, batch_size=32, learning_rate=1e-3)
    model = trained(biased_images(256, 0.9), training)
    context = make_context(model, biased_images(128, 0.6, seed=1), training=training)
    return AdversarialTuning(
        context, context.vanilla(), METHODS["savani_aft"].params(batch_size=64)
    )


def test_batches_hold_all_cells_and_errors_are_weighted_back(tuning: AdversarialTuning) -> None:
    batch = tuning._batch(tuning.generator)
    cell = 2 * batch.target + batch.protected
    assert torch.bincount(cell, minlength=4).tolist() == [16] * 4
    torch.testing.assert_close(
        tuning.share, torch.tensor([0.40, 0.10, 0.10, 0.40]), atol=0.01, rtol=0
    )
    _, error, _ = tuning.model_loss(batch)
    errors = F.cross_entropy(tuning.model(batch.inputs), batch.target, reduction="none")
    slow = sum(float(tuning.share[k]) * float(errors[cell == k].mean()) for k in range(4))
    assert float(error) == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("critic_input", ["logits", "features"])
def test_fairness_reaches_the_trunk(tuning: AdversarialTuning, critic_input: str) -> None:
    """The gradient of the predicted bias alone, which the reference's critic does not give."""
    context = tuning.context
    params = METHODS["savani_aft"].params(critic_input=critic_input)
    fresh = AdversarialTuning(context, context.vanilla(), params)
    _, _, bias = fresh.model_loss(fresh._batch(fresh.generator))
    gradients = torch.autograd.grad(bias, list(fresh.model.trunk.parameters()), allow_unused=True)
    assert all(g is not None for g in gradients)
    assert sum(float(g.square().sum()) for g in gradients) > 0


def test_the_trained_critic_knows_the_bias_of_batches(tuning: AdversarialTuning) -> None:
    tuning._warm_up()
    predicted, true = [], []
    tuning.model.eval()
    with torch.no_grad():
        for _ in range(40):
            batch = tuning._batch(tuning.generator)
            outputs, logits = tuning._outputs(batch.inputs)
            predicted.append(float(tuning.critic(outputs, batch.target, batch.protected)))
            true.append(
                float(
                    batch_bias(
                        logits,
                        batch.target,
                        batch.protected,
                        "equalized_odds",
                        tuning.share.view(2, 2),
                    )
                )
            )
    assert np.corrcoef(predicted, true)[0, 1] > 0.5


def test_strength_0_is_fine_tuning_on_the_same_batches_without_a_critic(
    tuning: AdversarialTuning,
) -> None:
    """The critic's stream is its own: however much it trains, the model's batches stay."""
    context = tuning.context

    def run(**params: Any) -> tuple[Classifier, dict[str, Any], list[torch.Tensor]]:
        params = {"steps": 3, "rounds": 2, "batch_size": 16, "critic_warmup": 5} | params
        model = context.vanilla()
        own = AdversarialTuning(context, model, METHODS["savani_aft"].params(**params))
        rows: list[torch.Tensor] = []
        whole = own.model_loss
        own.model_loss = lambda batch: (rows.append(batch.indices), whole(batch))[1]  # type: ignore[method-assign,func-returns-value]
        return model, own.run(), rows

    model, notes, rows = run(strength=0.0)
    assert notes["steps"] == len(rows) == 3
    for params in ({"critic_ratio": 4.0}, {"critic_warmup": 1}):
        assert torch.equal(torch.stack(run(**params)[2]), torch.stack(rows))
        other = run(strength=0.0, **params)[0]
        assert same(other, model)
    # no critic's gradient: epsilon so large that the factor is 1
    idle, _, _ = run(strength=1e-6, epsilon=1.0, delta=0.0)
    assert same(idle, model)
    assert not same(run(strength=50.0, epsilon=0.0)[0], model)
    # and by hand: cross-entropy, a quarter of a batch per cell, weighted back to the cells' shares
    slow = context.vanilla()
    optimizer = make_optimizer(
        slow.parameters(),
        context.training.model_copy(
            update={"learning_rate": METHODS["savani_aft"].params().learning_rate}
        ),
    )
    data = context.debias()
    with seeded(context.generator("savani_aft"), CPU):
        slow.train()
        for batch in rows:
            inputs = normalise(torch.from_numpy(data.images[batch.numpy()]), CPU)
            errors = F.cross_entropy(slow(inputs), data.target[batch], reduction="none")
            loss = sum(tuning.share[k] * errors[4 * k : 4 * k + 4].mean() for k in range(4))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for one, two in zip(slow.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


def test_batches_are_mirrored_as_the_study_has_it(tuning: AdversarialTuning) -> None:
    seen = {}
    for augment in ("none", "flip"):
        context = replace(
            tuning.context, training=tuning.context.training.model_copy(update={"augment": augment})
        )
        own = AdversarialTuning(
            context, context.vanilla(), METHODS["savani_aft"].params(batch_size=64)
        )
        seen[augment] = [own._batch(own.generator), own._batch(own.critics_generator)]
    for plain, flipped in zip(seen["none"], seen["flip"], strict=True):
        assert torch.equal(plain.indices, flipped.indices)
        mirrored = (plain.inputs.flip(-1) == flipped.inputs).all(dim=(1, 2, 3))
        same_way = (plain.inputs == flipped.inputs).all(dim=(1, 2, 3))
        assert (mirrored ^ same_way).all()
        assert 10 < int(mirrored.sum()) < 54  # of 64


@pytest.mark.parametrize(("steps", "rounds"), [(300, 10), (7, 3), (3, 10), (1, 1)])
def test_steps_are_shared_out_among_rounds(steps: int, rounds: int) -> None:
    shares = shared_out(steps, rounds)
    assert sum(shares) == steps
    assert len(shares) == min(rounds, steps)
    assert max(shares) - min(shares) <= 1


def test_zhang_without_an_adversary_is_fine_tuning(tuning: AdversarialTuning) -> None:
    """Same batches, same dropout, same steps: the same weights as fine_tune's."""
    training = {"augment": "flip", "label_smoothing": 0.1, "weight_decay": 0.01}
    context = replace(tuning.context, training=tuning.context.training.model_copy(update=training))
    budget = {"steps": 7, "batch_size": 48, "learning_rate": 1e-3}
    zhang = METHODS["zhang"].params(adversary_weight=0.0, decay=0.0, **budget)
    debiased = METHODS["zhang"].run(context, zhang)
    assert debiased.notes["steps"] == 7
    assert "adversary_loss" not in debiased.notes
    plain = context.vanilla()
    fine_tune(context, plain, TuningParams(**budget), "zhang")
    assert same(plain, debiased.model)
    hindered = METHODS["zhang"].run(context, zhang.model_copy(update={"adversary_weight": 0.1}))
    assert not same(plain, hindered.model)


def same(first: Classifier, second: Classifier) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return all(torch.equal(one[key], two[key]) for key in one)


def test_an_empty_cell_is_refused() -> None:
    data = biased_images(64, 0.6)
    keep = ~((data.target == 1) & (data.protected == 0)).numpy()
    part = LabelledImages(
        data.images[keep],
        data.target[torch.from_numpy(keep)],
        data.protected[torch.from_numpy(keep)],
        [i for i, kept in zip(data.image_ids, keep, strict=True) if kept],
    )
    context = make_context(build_classifier("small_cnn").eval(), part)
    for name in ("savani_aft", "savani_rp", "thropt", "thropt_group"):
        with pytest.raises(UserError, match=f"{name}.*target = 1 and protected = 0"):
            METHODS[name].run(context, METHODS[name].params())
