"""LfF: both losses and the weights by hand, and two networks by one optimizer."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from fresh_runs import TRAIN, TRAINING, make, run, same
from planted import network, planted
from planted import run as outcome
from rightreasons.contracts.fakes import CPU
from rightreasons.debias import Context
from rightreasons.debias._pairs import Pair
from rightreasons.debias.lff import Difficulty, LfFParams, both_losses
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import Batch, batches, make_optimizer


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def log_loss(logits: np.ndarray, target: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[target])


class SlowDifficulty:
    """The weights, image by image, from dictionaries."""

    def __init__(self, target: list[int], memory: float, relative: bool) -> None:
        self.target, self.memory, self.relative = target, memory, relative
        self.means: dict[tuple[str, int], float] = {}

    def weight(self, batch: list[int], b: list[float], d: list[float]) -> list[float]:
        for who, losses in (("b", b), ("d", d)):
            for i, loss in zip(batch, losses, strict=True):
                before = self.means.get((who, i))
                kept = loss if before is None else self.memory * before + (1 - self.memory) * loss
                self.means[who, i] = kept
        weights = []
        for i in batch:
            scaled = {}
            for who in "bd":
                alike = [
                    mean
                    for (other, j), mean in self.means.items()
                    if other == who and self.target[j] == self.target[i]
                ]
                scaled[who] = self.means[who, i] / (max(alike) if self.relative else 1)
            weights.append(scaled["b"] / (scaled["b"] + scaled["d"]))
        return weights


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("memory", [0.0, 0.7])
@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_weights_are_those_image_by_image(memory: float, relative: bool, strength: float) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 20)
    params = LfFParams(memory=memory, relative=relative, strength=strength)
    ours = Difficulty(torch.from_numpy(target), params)
    theirs = SlowDifficulty(target.tolist(), memory, relative)
    for _ in range(6):
        batch = rng.choice(20, 7, replace=False)
        losses = rng.exponential(size=(2, 7))
        got = ours.weights(torch.from_numpy(losses).float(), torch.from_numpy(batch))
        wanted = np.array(theirs.weight(batch.tolist(), *losses.tolist())) ** strength
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_an_image_that_the_biased_network_finds_as_hard_weighs_a_half() -> None:
    weigh = Difficulty(torch.zeros(3, dtype=torch.int64), LfFParams(relative=False))
    losses = torch.tensor([[2.0, 3.0, 0.0], [2.0, 1.0, 5.0]])
    np.testing.assert_allclose(weigh.weights(losses, torch.arange(3)), [0.5, 0.75, 0], atol=1e-6)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_the_loss_is_the_sum_of_both(q: float, context: Context) -> None:
    pair = Pair(context.vanilla(), run("erm", context, epochs=1).model)
    [batch] = batches(TRAIN, 100, CPU)
    weigh = Difficulty(TRAIN.target, LfFParams(relative=False))
    with torch.no_grad():
        got = float(both_losses(pair, weigh, q, 0.0)(pair, batch))
        logits, biased = (part(batch.inputs).double().numpy() for part in (pair.first, pair.second))
    total = 0.0
    for i, t in enumerate(TRAIN.target.tolist()):
        d, b = log_loss(logits[i], t), log_loss(biased[i], t)
        total += (1 - np.exp(-b) ** q) / q + b / (b + d) * d
    assert got == pytest.approx(total / len(TRAIN), rel=1e-4)


def test_each_network_moves_as_with_an_optimizer_of_its_own(context: Context) -> None:
    """One step: the biased network by its own loss only, the other by its weighted loss only."""
    [batch] = batches(TRAIN, 100, CPU)
    first, second = network("trained", 0), network("trained", 1)
    inputs = torch.randn(44, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = Batch(inputs, batch.target, batch.protected, batch.indices)
    pair = Pair(copy.deepcopy(first), copy.deepcopy(second))
    weigh = Difficulty(TRAIN.target, LfFParams(relative=False))
    sgd = TRAINING.model_copy(update={"optimizer": "sgd", "learning_rate": 0.1})
    optimizer = make_optimizer(list(pair.parameters()), sgd)
    both_losses(pair, weigh, 0.7, 0.0)(pair, batch).backward()
    optimizer.step()

    nll = torch.nn.functional.cross_entropy
    b, d = (nll(model(inputs), batch.target, reduction="none") for model in (second, first))
    weights = (b / (b + d)).detach()
    for model, loss in ((second, (1 - (-b).exp() ** 0.7) / 0.7), (first, weights * d)):
        own = make_optimizer(list(model.parameters()), sgd)
        loss.mean().backward()
        own.step()
    for got, wanted in ((pair.first, first), (pair.second, second)):
        for one, two in zip(got.parameters(), wanted.parameters(), strict=True):
            torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_the_biased_network_is_not_in_the_result(context: Context) -> None:
    got = run("lff", context).model
    assert got.state_dict().keys() == context.vanilla().state_dict().keys()
    assert not same(got, context.vanilla())


def test_at_strength_0_the_network_is_trained_plainly() -> None:
    example = planted("trained", 0)
    got = run("lff", example.context, strength=0).model
    for one, two in zip(got.parameters(), example.context.vanilla().parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=0)


def test_it_never_looks_at_the_protected_attribute(context: Context) -> None:
    blind = make()
    data: LabelledImages = replace(TRAIN, protected=1 - TRAIN.protected)
    blind.train = lambda: data
    assert same(run("lff", blind).model, run("lff", context).model)


def test_the_planted_bias_is_learnt_less() -> None:
    example = planted("frozen", 0)
    control, reached = (outcome(example, "lff", epochs=20, strength=s) for s in (0, 1.0))
    assert reached.equalized_odds < control.equalized_odds - 0.1
