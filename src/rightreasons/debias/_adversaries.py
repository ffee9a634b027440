"""Adversaries: Zhang's, which reads the protected attribute from the logits, and its update."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.learning.optimizers import Adam

Criterion = Literal["equalized_odds", "equal_opportunity", "statistical_parity"]


class LogitAdversary(nn.Module):
    """Zhang's adversary (Zhang et al. 2018): the protected attribute from a logit.

    With the margin m = logit_1 - logit_0 and s = sigmoid((1 + |c|) m), the logit of PA = 1 is
    u . [s, s y, s (1 - y)] + b for equalized odds (y the target), u s + b otherwise. c, u and b are
    learned. c begins at 1, because |c| has no gradient at 0; u and b begin at 0.

    Parameters
    ----------
    criterion
        What the model shall fulfil: it says what the adversary sees, and on which images.

    References
    ----------
    Zhang, Lemoine and Mitchell 2018, "Mitigating Unwanted Biases with Adversarial Learning".
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion
        self.sharpness = nn.Parameter(torch.ones(()))
        self.weight = nn.Parameter(torch.zeros(3 if criterion == "equalized_odds" else 1))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the logit (N,) of PA = 1 for logits (N, 2) and targets (N,)."""
        margin = logits[:, 1] - logits[:, 0]
        s = torch.sigmoid((1 + self.sharpness.abs()) * margin)
        y = target.to(s.dtype)
        inputs = [s, s * y, s * (1 - y)] if self.criterion == "equalized_odds" else [s]
        return torch.stack(inputs, dim=1) @ self.weight + self.bias

    def loss(
        self, logits: torch.Tensor, target: torch.Tensor, protected: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean cross-entropy of PA; for equal opportunity over target = 1 only.

        0, without gradient, where no image has target = 1 then.
        """
        errors = F.binary_cross_entropy_with_logits(
            self(logits, target), protected.to(logits.dtype), reduction="none"
        )
        if self.criterion != "equal_opportunity":
            return errors.mean()
        counted = target.to(errors.dtype)
        return (errors * counted).sum() / counted.sum().clamp(min=1)


class Opponent:
    """An adversary with its optimizer and a memory of the latest logits, to which it is refitted.

    The gradient that debiases is the best adversary's; one that lags behind sends the model past
    independence into the opposite bias, and its accuracy with it. Refitting costs nothing beside
    the network, because it works on logits.

    Parameters
    ----------
    adversary
        What is refitted.
    learning_rate
        Of its optimizer, Adam.
    memory
        How many batches are remembered; older ones are forgotten.
    """

    def __init__(self, adversary: LogitAdversary, learning_rate: float, memory: int) -> None:
        self.adversary = adversary
        self.optimizer = Adam(adversary.parameters(), lr=learning_rate)
        self.memory: deque[tuple[torch.Tensor, ...]] = deque(maxlen=memory)

    def remember(self, logits: torch.Tensor, target: torch.Tensor, protected: torch.Tensor) -> None:
        """Add a batch's logits (N, 2) and labels (N,), without their graph."""
        self.memory.append((logits.detach(), target, protected))

    def refit(self, steps: int) -> None:
        """Take `steps` steps on everything remembered."""
        past = [torch.cat(parts) for parts in zip(*self.memory, strict=True)]
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.adversary.loss(*past).backward()
            self.optimizer.step()


def debiased_gradient(g: torch.Tensor, h: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return g - proj_h(g) - alpha h for gradients (P,) of the model's and the adversary's loss.

    proj_h(g) = (g . h / h . h) h over all parameters as one vector (Zhang et al. 2018, eq. 1). What
    remains of g is orthogonal to h, so a step does not help the adversary, and -alpha h hinders it.
    Where h is 0 there is no direction to protect, and g is returned.

    Parameters
    ----------
    g, h
        Gradients (P,) of the model's and of the adversary's loss in the model's parameters.
    alpha
        Strength of the step against the adversary.
    """
    length = torch.linalg.vector_norm(h)
    unit = h / length.clamp(min=torch.finfo(h.dtype).tiny)
    return g - (g @ unit) * unit - alpha * h


def flat_gradient(
    loss: torch.Tensor, parameters: Sequence[torch.Tensor], keep_graph: bool
) -> torch.Tensor:
    """Return d loss / d parameters as one vector (P,), from one backward pass.

    Parameters
    ----------
    loss
        A number ().
    parameters
        The tensors to differentiate in; where the loss does not depend on one, its gradient is 0.
    keep_graph
        Leaves the forward pass's graph for another loss.
    """
    parts = torch.autograd.grad(
        loss, parameters, retain_graph=keep_graph, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts])


def set_gradient(parameters: Sequence[torch.Tensor], flat: torch.Tensor) -> None:
    """Set each parameter's `.grad` from one vector (P,)."""
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.grad = flat[start:end].view_as(parameter)
        start = end


class BatchCritic(nn.Module):
    """Savani's critic: the bias of a batch from the network's outputs on it.

    Every image's outputs pass a small network, are averaged within the four cells of target and
    protected, and a second small network makes of the four averages one number in [0, 1]. The order
    of the images does not matter, nor does their number.

    Parameters
    ----------
    n_inputs
        Numbers per image.
    width
        Units of the hidden layers.
    """

    def __init__(self, n_inputs: int, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(n_inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.judge = nn.Sequential(nn.Linear(4 * width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(
        self, outputs: torch.Tensor, target: torch.Tensor, protected: torch.Tensor
    ) -> torch.Tensor:
        """Return the predicted bias () of a batch with outputs (B, n_inputs)."""
        pooled = cell_means(self.embed(outputs), target, protected)
        return torch.sigmoid(self.judge(pooled.flatten())).squeeze()


def cell_means(values: torch.Tensor, target: torch.Tensor, protected: torch.Tensor) -> torch.Tensor:
    """Return the means of values (B, ...) in the cells (4, ...), at 2 target + protected.

    A cell without images has mean 0.
    """
    cell = F.one_hot(2 * target + protected, 4).to(values.dtype)
    return (cell / cell.sum(0).clamp(min=1)).T @ values


def batch_bias(
    logits: torch.Tensor,
    target: torch.Tensor,
    protected: torch.Tensor,
    criterion: Criterion,
    share: torch.Tensor,
) -> torch.Tensor:
    """Return the bias () in [0, 1] of the decisions logit_1 >= logit_0 on a batch.

    Parameters
    ----------
    logits
        Of the batch (B, 2).
    target, protected
        Labels (B,) in {0, 1}. A cell of both without images counts as rate 0.
    criterion
        equalized_odds: max over y of |P(1 | y, PA=1) - P(1 | y, PA=0)|; equal_opportunity: y = 1
        only; statistical_parity: |P(1 | PA=1) - P(1 | PA=0)| with the cells weighted by `share`.
    share
        P(target, protected) (2, 2), which a batch drawn by cells does not show.
    """
    decided = (logits[:, 1] >= logits[:, 0]).float()
    rate = cell_means(decided[:, None], target, protected).view(2, 2)
    if criterion == "statistical_parity":
        group = (rate * share).sum(0) / share.sum(0)
        return (group[1] - group[0]).abs()
    gap = (rate[:, 1] - rate[:, 0]).abs()
    return gap.max() if criterion == "equalized_odds" else gap[1]


def savani_loss(
    error: torch.Tensor, bias: torch.Tensor, strength: float, epsilon: float, delta: float
) -> torch.Tensor:
    """Return error * max(1, lambda (bias - epsilon + delta) + 1).

    Parameters
    ----------
    error, bias
        Numbers () of a batch; a bias below epsilon - delta changes nothing.
    strength
        lambda.
    epsilon, delta
        The bias that is tolerated, and how far below it the penalty begins.

    References
    ----------
    Savani, White and Govindarajulu 2020, "Intra-Processing Methods for Debiasing Neural Networks".
    """
    return error * torch.clamp(strength * (bias - epsilon + delta) + 1, min=1.0)
