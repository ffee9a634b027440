"""A head per group: which images train it, and that the mean of both is one linear head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fresh_runs import TRAIN, make, run, same
from planted import planted
from planted import run as outcome
from rightreasons.contracts.fakes import CPU
from rightreasons.debias import Context
from rightreasons.debias._pairs import TwoHeads
from rightreasons.debias.domain_independent import own_head_loss
from rightreasons.learning.training import batches


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def apart(context: Context) -> TwoHeads:
    """Return two heads that differ."""
    heads = TwoHeads(context.vanilla())
    with torch.no_grad():
        heads.other.weight += torch.randn(2, 1024, generator=torch.Generator().manual_seed(0)) / 30
        heads.other.bias += torch.tensor([0.3, -0.2])
    return heads.eval()


def test_the_folded_heads_logits_are_the_mean_of_both(context: Context) -> None:
    heads = apart(context)
    [batch] = batches(TRAIN, 100, CPU)
    with torch.no_grad():
        zero, one = heads.of_groups(batch.inputs)
        weight, bias = heads.averaged()
        torch.testing.assert_close(
            heads.features(batch.inputs) @ weight.T + bias, (zero + one) / 2, atol=1e-5, rtol=0
        )
    assert (zero - one).abs().max() > 0.1


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_the_loss_is_of_the_own_heads_logits(strength: float, context: Context) -> None:
    heads = apart(context)
    [batch] = batches(TRAIN, 100, CPU)
    with torch.no_grad():
        both = [z.double().numpy() for z in heads.of_groups(batch.inputs)]
        got = float(own_head_loss(heads, strength, 0.0)(heads, batch))
    total = 0.0
    for i, (t, a) in enumerate(zip(TRAIN.target.tolist(), TRAIN.protected.tolist(), strict=True)):
        mean = (both[0][i] + both[1][i]) / 2
        logits = mean + strength * (both[a][i] - mean)
        total += np.log(np.exp(logits).sum()) - logits[t]
    assert got == pytest.approx(total / len(TRAIN), rel=1e-5)


def test_a_head_learns_from_its_own_group_alone(context: Context) -> None:
    heads = apart(context)
    for batch in batches(TRAIN, 100, CPU):
        only = batch.protected == 0
        one_group = type(batch)(
            batch.inputs[only], batch.target[only], batch.protected[only], batch.indices[only]
        )
        own_head_loss(heads, 1.0, 0.0)(heads, one_group).backward()
    assert heads.head.weight.grad.abs().max() > 0
    assert (heads.other.weight.grad == 0).all()


def test_the_result_is_a_plain_network(context: Context) -> None:
    got = run("domain_independent", context).model
    assert got.state_dict().keys() == context.vanilla().state_dict().keys()
    assert not same(got, context.vanilla())


def test_at_strength_0_both_heads_are_trained_as_one() -> None:
    """Adam's steps do not depend on a gradient's scale, so half the gradient is as good."""
    example = planted("frozen", 0)
    got = run("domain_independent", example.context, strength=0).model
    for one, two in zip(got.parameters(), example.context.vanilla().parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=0)


def test_the_planted_bias_is_learnt_less() -> None:
    example = planted("frozen", 0)
    control, reached = (
        outcome(example, "domain_independent", epochs=20, strength=s) for s in (0, 1.0)
    )
    assert reached.equalized_odds < control.equalized_odds - 0.1
    assert reached.accuracy > control.accuracy
