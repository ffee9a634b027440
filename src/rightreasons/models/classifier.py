"""The one shape of every model: trunk -> intervention -> head."""

from __future__ import annotations

import torch
from torch import nn


class Projection(nn.Module):
    """Affine map on features that replaces their part along a direction by that of another image.

    x <- x - strength * v v^T (x - z) for features x (N, d), with v the direction scaled to length 1
    and z the origin. Costs O(d) per image: v v^T is never formed. Its numbers are buffers, not
    parameters: training does not move them.

    Parameters
    ----------
    direction : (d,)
        Any length but 0.
    origin : (d,)
        z, whose part along the direction all images get.
    strength : in [0, 1]
        1 removes all variation along v, 0 is the identity.

    References
    ----------
    P-ClArC and A-ClArC: Anders et al. 2022, eq. 9 and 7.
    """

    direction: torch.Tensor
    origin: torch.Tensor
    strength: torch.Tensor

    def __init__(
        self, direction: torch.Tensor, origin: torch.Tensor, strength: float = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("direction", direction / direction.norm())
        self.register_buffer("origin", origin.clone())
        self.register_buffer("strength", torch.tensor(strength, dtype=direction.dtype))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the projected features (N, d)."""
        along = (features - self.origin) @ self.direction
        return features - self.strength * along[:, None] * self.direction

    @classmethod
    def empty(cls, n_features: int) -> Projection:
        """Return a projection of the right size, to be filled from a state dict."""
        return cls(torch.ones(n_features), torch.zeros(n_features))


class Classifier(nn.Module):
    """A vision model as trunk (N, 3, H, W) -> (N, d), intervention (N, d) -> (N, d), linear head.

    Whatever a method changes is in the state dict. The intervention is the identity unless a
    method puts an affine map there; gradients and relevance pass through it as through any layer.

    Parameters
    ----------
    trunk
        Maps normalised images (N, 3, H, W) to features (N, d).
    head
        Maps features to two logits.
    """

    def __init__(self, trunk: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.trunk = trunk
        self.intervention: nn.Module = nn.Identity()
        self.head = head

    @property
    def n_features(self) -> int:
        """The width d of the penultimate layer."""
        return self.head.in_features

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the penultimate activations (N, d), before the intervention."""
        return self.trunk(inputs)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 2) of penultimate activations (N, d)."""
        return self.head(self.intervention(features))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 2) of normalised images (N, 3, H, W)."""
        return self.classify(self.features(inputs))
