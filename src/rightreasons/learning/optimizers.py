"""Adam and AdamW, by torch's own functions, without torch.optim.Optimizer.

That class imports PyTorch's compiler (torch._dynamo, sympy) when the first optimizer is made, which
doubles the start of a job that trains the small CNN (docs/performance.md). Nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.optim.adam import adam
from torch.optim.adamw import adamw

BETAS, EPS = (0.9, 0.999), 1e-8


class Optimizer(Protocol):
    """What training needs of an optimizer; torch's and ours have it."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def step(self) -> Any:
        """Move the parameters by one step."""


@dataclass
class Moments:
    """What Adam remembers of a parameter: its steps, the means of gradients and their squares."""

    steps: torch.Tensor
    mean: torch.Tensor
    square: torch.Tensor


class Adam:
    """torch.optim.Adam with its defaults, step for step; AdamW if `decoupled`.

    The one dict in `param_groups` has the key `lr`, which schedules change. Parameters without a
    gradient are passed over.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        *,
        lr: float,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        self.parameters = list(parameters)
        self.param_groups: list[dict[str, Any]] = [{"lr": lr}]
        self.weight_decay = weight_decay
        self.decoupled = decoupled
        self._moments: dict[torch.Tensor, Moments] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters by one step against their gradients."""
        moving = [p for p in self.parameters if p.grad is not None]
        moments = [self._moments_of(p) for p in moving]
        (adamw if self.decoupled else adam)(
            moving,
            [p.grad for p in moving if p.grad is not None],
            [m.mean for m in moments],
            [m.square for m in moments],
            [],
            [m.steps for m in moments],
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.param_groups[0]["lr"],
            weight_decay=self.weight_decay,
            eps=EPS,
            maximize=False,
        )

    def _moments_of(self, parameter: torch.Tensor) -> Moments:
        """Return what is remembered of a parameter; zeros before its first step."""
        if parameter not in self._moments:
            zeros = [torch.zeros_like(parameter, memory_format=torch.preserve_format) for _ in "ab"]
            self._moments[parameter] = Moments(torch.zeros(()), *zeros)
        return self._moments[parameter]
