"""Our Adam takes torch's steps, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rightreasons.learning.optimizers import Adam

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
