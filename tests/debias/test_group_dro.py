"""Group DRO: against a second implementation on a convex problem, and what its weights do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fresh_runs import make, run, same
from planted import images, network, planted
from planted import run as outcome
from rightreasons.contracts.fakes import make_context
from rightreasons.debias import Context, _cells
from rightreasons.debias.group_dro import CellWeights
from rightreasons.learning.config import TrainingConfig
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD

STEPS, RATE = 150, 0.1


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def convex(phi: float = 0.7) -> Context:
    """Return a linear network on 80 images, trained by plain gradient descent on all of them."""
    model, data = network("frozen", 0), images(80, phi, 0, "train")
    training = TrainingConfig(
        epochs=STEPS, batch_size=80, optimizer="sgd", momentum=0, learning_rate=RATE
    )
    context = make_context(model, data, training=training)
    context.fresh = lambda: network("frozen", 0)
    return context


def second_implementation(
    context: Context, eta: float, c: float, strength: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient descent in numpy, image by image: weights (2, 32), biases (2,) and q (4,)."""
    data, model = context.train(), network("frozen", 0)
    pixels = (data.images / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    inputs = pixels.transpose(0, 3, 1, 2).reshape(80, -1)
    features = inputs @ model.trunk.fixed.weight.double().numpy().T
    target, protected = data.target.numpy(), data.protected.numpy()
    groups = [np.flatnonzero((target == t) & (protected == a)) for t in (0, 1) for a in (0, 1)]
    w, b, q = np.zeros((2, 32)), np.zeros(2), np.full(4, 0.25)
    for _ in range(STEPS):
        losses, gradients = np.zeros(80), np.zeros((80, 2))
        for i in range(80):
            logits = w @ features[i] + b
            p = np.exp(logits) / np.exp(logits).sum()
            losses[i] = -np.log(p[target[i]])
            gradients[i] = p - np.eye(2)[target[i]]
        q = q * np.exp([eta * (losses[g].mean() + c / np.sqrt(len(g))) for g in groups])
        q = q / q.sum()
        share = np.full(80, (1 - strength) / 80)
        for g, weight in zip(groups, q, strict=True):
            share[g] += strength * weight / len(g)
        w = w - RATE * (share[:, None] * gradients).T @ features
        b = b - RATE * share @ gradients
    return w, b, q


@pytest.mark.parametrize(
    ("eta", "c", "strength"), [(0.1, 0.0, 1.0), (0.02, 2.0, 1.0), (0.1, 1.0, 0.4), (0.0, 0.0, 1.0)]
)
def test_it_is_a_second_implementation_on_a_convex_problem(
    eta: float, c: float, strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cells.Drawn, "__call__", lambda self, _: torch.arange(len(self.weights)))
    context = convex()
    got = run("group_dro", context, step_size=eta, adjustment=c, strength=strength)
    w, b, q = second_implementation(context, eta, c, strength)
    np.testing.assert_allclose(got.model.head.weight.detach(), w, atol=1e-5)
    np.testing.assert_allclose(got.model.head.bias.detach(), b, atol=1e-5)
    np.testing.assert_allclose(got.notes["cell_weights"], q, atol=1e-5)
    assert np.abs(w).max() > 0.1
    assert np.ptp(q) > 0.05 if eta else np.ptp(q) < 1e-12


def test_the_worst_cell_weighs_most_and_all_sum_to_1() -> None:
    weights = CellWeights(torch.tensor([40, 10, 10, 40]), 0.5, 0.0)
    for _ in range(10):
        q = weights.update(torch.tensor([0.1, 2.0, 0.5, 0.1]), torch.ones(4, dtype=bool))
    assert float(q.sum()) == pytest.approx(1)
    assert q.argmax() == 1
    assert float(q[1] / q[2]) == pytest.approx(np.exp(10 * 0.5 * 1.5))


def test_a_cell_that_a_batch_lacks_keeps_its_weight_before_they_are_scaled() -> None:
    weights = CellWeights(torch.tensor([40, 10, 10, 40]), 1.0, 3.0)
    there = torch.tensor([True, False, True, True])
    q = weights.update(torch.tensor([1.0, 0.0, 1.0, 1.0]), there)
    grown = np.exp([1 + 3 / np.sqrt(40), 0, 1 + 3 / np.sqrt(10), 1 + 3 / np.sqrt(40)])
    np.testing.assert_allclose(q, grown / grown.sum(), rtol=1e-9)


def test_an_empty_cell_has_no_weight() -> None:
    weights = CellWeights(torch.tensor([40, 0, 0, 40]), 0.1, 1.0)
    there = torch.tensor([True, False, False, True])
    assert weights.update(torch.tensor([1.0, 0.0, 0.0, 2.0]), there)[1:3].tolist() == [0, 0]


def test_all_cells_are_drawn_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    draw = _cells.Drawn.__call__
    monkeypatch.setattr(
        _cells.Drawn, "__call__", lambda self, g: drawn.append(draw(self, g)) or drawn[-1]
    )
    context = convex(0.9)
    run("group_dro", context, epochs=100)
    data = context.train()
    cells = (2 * data.target + data.protected)[torch.cat(drawn)]
    # 8,000 draws: a share of 1/4 has a standard deviation of 0.005.
    np.testing.assert_allclose(torch.bincount(cells) / len(cells), 0.25, atol=0.03)


def test_strength_0_is_plain_training_and_1_is_not(context: Context) -> None:
    assert same(run("group_dro", context, strength=0).model, context.vanilla())
    assert not same(run("group_dro", context).model, context.vanilla())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_planted_example_at_the_defaults(seed: int) -> None:
    example = planted("frozen", seed)
    assert outcome(example, "vanilla").equalized_odds > 0.7
    reached = outcome(example, "group_dro")
    assert reached.equalized_odds <= 0.25
    assert reached.accuracy >= 0.80


def test_a_trained_trunk_needs_regularisation() -> None:
    """25 images of a rare cell are learnt by heart, as the paper says; then nothing is left."""
    example = planted("trained", 0)
    vanilla, plain = outcome(example, "vanilla"), outcome(example, "group_dro")
    regular = outcome(
        example, "group_dro", epochs=20, weight_decay=0.03, adjustment=1.0, step_size=0.1
    )
    assert plain.equalized_odds < vanilla.equalized_odds - 0.1
    assert regular.equalized_odds <= 0.25
    assert regular.accuracy >= 0.80
