"""JTT: whose errors are taken, and how often each image comes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from fresh_runs import TRAIN, make, run, same
from planted import planted
from planted import run as outcome
from rightreasons.contracts.fakes import CPU
from rightreasons.debias import Context, _cells
from rightreasons.debias.jtt import JTTParams, first_errors
from rightreasons.learning.images import normalise


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def slow_errors(model: torch.nn.Module) -> list[bool]:
    """What a network in eval mode gets wrong, one image after the other."""
    model.eval()
    wrong = []
    for i in range(len(TRAIN)):
        with torch.no_grad():
            zero, one = model(normalise(torch.from_numpy(TRAIN.images[i : i + 1]), CPU))[0].tolist()
        wrong.append((one > zero) != bool(TRAIN.target[i]))
    return wrong


@pytest.mark.parametrize("epochs", [1, 4])
def test_the_first_network_is_trained_for_its_own_epochs(epochs: int, context: Context) -> None:
    first = run("erm", context, epochs=epochs).model
    wrong = first_errors(context, JTTParams(first_epochs=epochs, epochs=7))
    assert wrong.tolist() == slow_errors(first)
    assert 0 < wrong.sum() < len(TRAIN)


def test_errors_come_more_often(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = []
    monkeypatch.setattr(
        _cells.Shuffled, "__call__", lambda self, g: pools.append(self.pool) or torch.arange(44)
    )
    got = run("jtt", context, strength=3)
    wrong = slow_errors(run("erm", context, epochs=1).model)
    assert Counter(pools[0].tolist()) == {i: 4 if wrong[i] else 1 for i in range(44)}
    assert got.notes["errors"] == sum(wrong)


def test_strength_0_is_plain_training_and_20_is_not(context: Context) -> None:
    assert same(run("jtt", context, strength=0).model, context.vanilla())
    assert not same(run("jtt", context).model, context.vanilla())


def test_it_never_looks_at_the_protected_attribute(context: Context) -> None:
    blind = make()
    data = replace(TRAIN, protected=1 - TRAIN.protected)
    blind.train = lambda: data
    assert same(run("jtt", blind).model, run("jtt", context).model)


def test_the_errors_are_those_against_the_bias() -> None:
    """On planted images the first network leans on PA, so rare cells are wrong."""
    example = planted("trained", 0)
    data = example.context.train()
    wrong = first_errors(example.context, JTTParams())
    rare = data.target != data.protected
    assert wrong[rare].float().mean() > 0.5
    assert wrong[~rare].float().mean() < 0.1
    control, reached = (outcome(example, "jtt", strength=s) for s in (0, 20))
    assert reached.equalized_odds < control.equalized_odds - 0.1
    assert reached.accuracy > control.accuracy
