"""Each optimizer of a config takes torch's steps, bit for bit, and SGD those of its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.optimizers import Adam
from rightreasons.learning.training import make_optimizer

STEPS = 12


def trajectory(make: Any) -> list[torch.Tensor]:
    """Return the parameters after some steps; the third has a gradient in every other step only."""
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in ((5, 3), (7,), (2, 4), (1,))]
    optimizer = make(weights)
    for i in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (1 + i)
        optimizer.zero_grad()
        used = weights[:2] + weights[3:] if i % 2 else weights
        sum(((w - 1) ** 2 * torch.rand_like(w)).sum() for w in used).backward()  # type: ignore[union-attr]
        optimizer.step()
    return [w.detach() for w in weights]


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("decoupled", [False, True])
def test_steps_are_torchs(decoupled: bool, weight_decay: float) -> None:
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    theirs = trajectory(lambda w: kind(w, lr=1.0, weight_decay=weight_decay))
    ours = trajectory(lambda w: Adam(w, lr=1.0, weight_decay=weight_decay, decoupled=decoupled))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("config", "theirs"),
    [
        ({"optimizer": "adam", "weight_decay": 0.2}, (torch.optim.Adam, {"weight_decay": 0.2})),
        ({"optimizer": "adamw", "weight_decay": 0.2}, (torch.optim.AdamW, {"weight_decay": 0.2})),
        ({"optimizer": "sgd"}, (torch.optim.SGD, {"momentum": 0.9})),
        (
            {"optimizer": "sgd", "momentum": 0.5, "nesterov": True, "weight_decay": 0.2},
            (torch.optim.SGD, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.2}),
        ),
    ],
)
def test_the_optimizer_of_a_config_takes_torchs_steps(
    config: dict[str, Any], theirs: tuple[Any, dict[str, Any]]
) -> None:
    kind, settings = theirs
    ours = trajectory(lambda w: make_optimizer(w, TrainingConfig(**config)))
    for a, b in zip(ours, trajectory(lambda w: kind(w, lr=3e-4, **settings)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_its_formula(nesterov: bool) -> None:
    rate, momentum, decay = 0.2, 0.7, 0.1
    config = TrainingConfig(
        optimizer="sgd",
        learning_rate=rate,
        momentum=momentum,
        weight_decay=decay,
        nesterov=nesterov,
    )
    weight = torch.nn.Parameter(torch.tensor([3.0], dtype=torch.double))
    optimizer = make_optimizer([weight], config)
    value, velocity = 3.0, 0.0
    for _ in range(STEPS):
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()
        gradient = 2 * value + decay * value
        velocity = momentum * velocity + gradient
        value -= rate * (gradient + momentum * velocity if nesterov else velocity)
    assert float(weight.detach()) == pytest.approx(value, rel=1e-12)


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ValidationError, match="nesterov: true needs a momentum above 0"):
        TrainingConfig(optimizer="sgd", momentum=0, nesterov=True)
