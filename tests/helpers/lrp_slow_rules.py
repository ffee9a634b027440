"""The relevance rules a second time: dense matrices, one image, straight from the papers."""

from __future__ import annotations

import torch
from torch import nn

from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD

EPSILON = 1e-6
GAMMA = 0.25
LOW = torch.tensor([-m / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)])
HIGH = torch.tensor([(1 - m) / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)])


def as_matrix(layer: nn.Module, shape: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Return w (inputs, outputs) and b of an affine layer on one image of `shape`."""
    unit = torch.eye(shape.numel(), dtype=torch.double).reshape(-1, *shape)
    b = layer(torch.zeros(1, *shape, dtype=torch.double)).flatten()
    return layer(unit).flatten(1) - b, b


def ratio(z: torch.Tensor, b: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
    """Return sum_j z_ij / (sum_i z_ij + b_j, pushed from 0 by epsilon) R_j."""
    total = z.sum(0) + b
    return (z / (total + torch.where(total >= 0, EPSILON, -EPSILON))) @ relevance


def slow_rule(
    rule: str, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, relevance: torch.Tensor
) -> torch.Tensor:
    """Return the relevance of the inputs x of an affine layer with the matrix w and the bias b."""
    z = x[:, None] * w
    positive, negative = z.clamp(min=0), z.clamp(max=0)
    if rule == "epsilon":
        return ratio(z, b, relevance)
    if rule == "plus":
        return ratio(positive, b.clamp(min=0), relevance)
    if rule == "alpha2_beta1":
        return 2 * ratio(positive, b.clamp(min=0), relevance) - ratio(
            negative, b.clamp(max=0), relevance
        )
    if rule == "gamma":
        out = z.sum(0) + b
        up = ratio(z + GAMMA * positive, b + GAMMA * b.clamp(min=0), relevance * (out > 0))
        down = ratio(z + GAMMA * negative, b + GAMMA * b.clamp(max=0), relevance * (out < 0))
        return up + down
    if rule == "flat":
        return ratio((w != 0).double(), torch.zeros_like(b), relevance)
    assert rule == "box"
    low, high = (side.double().repeat_interleave(len(x) // 3)[:, None] for side in (LOW, HIGH))
    return ratio(z - low * w.clamp(min=0) - high * w.clamp(max=0), 0 * b, relevance)
