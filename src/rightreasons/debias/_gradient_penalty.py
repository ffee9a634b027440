"""The penalty of RR-ClArC: how much a network's output changes along a direction of a layer."""

from __future__ import annotations

from typing import Literal

import torch

from rightreasons.core.errors import UserError
from rightreasons.models.layers import by_position

Output = Literal["max_logit", "target", "all", "random", "log_probability"]
Penalty = Literal["l2", "l2_mean", "l1", "cosine"]


def explained_output(logits: torch.Tensor, target: torch.Tensor, output: Output) -> torch.Tensor:
    """Return f (N,), the number per image whose gradient is penalised.

    Parameters
    ----------
    logits
        (N, K).
    target
        The true classes (N,).
    output
        max_logit: the largest; target: the true class's; all: the sum; random: the sum with random
        signs (torch's global stream); log_probability: the mean of the classes'
        log-probabilities.
    """
    if output == "max_logit":
        return logits.max(dim=1).values
    if output == "target":
        return logits.gather(1, target[:, None]).squeeze(1)
    if output == "all":
        return logits.sum(dim=1)
    if output == "random":
        signs = 2 * torch.randint(2, logits.shape, device=logits.device) - 1
        return (logits * signs).sum(dim=1)
    return logits.log_softmax(dim=1).mean(dim=1)


def directional_penalty(
    gradient: torch.Tensor, direction: torch.Tensor, penalty: Penalty
) -> torch.Tensor:
    """Return the penalty () of gradients along a direction, a mean over images.

    Parameters
    ----------
    gradient
        (N, positions, C).
    direction
        (C,), of length 1.
    penalty
        l2: sum over positions of (v . g)^2; l2_mean: (v . mean of g over positions)^2; l1: sum of
        |v . g|; cosine: mean of |cos(v, g)|, where a gradient of 0 counts as 0.
    """
    along = (gradient * direction).sum(dim=-1)
    if penalty == "l2":
        return along.square().sum(dim=1).mean()
    if penalty == "l2_mean":
        return along.mean(dim=1).square().mean()
    if penalty == "l1":
        return along.abs().sum(dim=1).mean()
    # The root of a sum that may be 0 has no derivative there.
    length = (gradient.square().sum(dim=-1) + 1e-24).sqrt()
    return (along / length).abs().mean()


def right_reason_penalty(
    logits: torch.Tensor,
    target: torch.Tensor,
    activation: torch.Tensor,
    direction: torch.Tensor,
    output: Output,
    penalty: Penalty,
) -> torch.Tensor:
    """Return the penalty () of d f / d activation along a direction, differentiable in the weights.

    It is taken in 32 bits also under autocast, because it squares small numbers.

    Parameters
    ----------
    logits, target
        (N, K) and (N,).
    activation
        The layer's output that the logits were made from: (N, C), (N, C, H, W) or (N, tokens, C).
    direction
        (C,), of length 1.
    output, penalty
        As in `explained_output` and `directional_penalty`.

    Raises
    ------
    UserError
        Where the logits do not depend on the activation, or it needs no gradient.

    References
    ----------
    Dreyer et al. 2024, "From Hope to Safety: Unlearning Biases of Deep Models via Gradient
    Penalization in Latent Space".
    """
    f = explained_output(logits.float(), target, output).sum()
    gradient = None
    if activation.requires_grad and f.requires_grad:
        (gradient,) = torch.autograd.grad(f, activation, create_graph=True, allow_unused=True)
    if gradient is None:
        raise UserError(
            "rr_clarc: the logits have no gradient with respect to the layer's output, so there is "
            "nothing to penalise. Choose a `layer` that the logits depend on, and do not detach it."
        )
    return directional_penalty(by_position(gradient.float()), direction, penalty)
