"""The one shape of every model: trunk -> intervention -> head."""

from __future__ import annotations

import torch
from torch import nn


class Affine(nn.Module):
    """Affine map of features: x <- x + U^T V x + b, cheap where V and U have few rows.

    Features are (N, d), (N, d, H, W), whose positions are all mapped alike, or (N, tokens, d).
    With k = d any affine map can be written in this way; otherwise d x d matrices are never formed
    and an image costs O(k d). Its numbers are buffers, not parameters: training does not move them.

    Parameters
    ----------
    read : (k, d)
        V, the directions along which features are read.
    write : (k, d)
        U: what is added for each of them.
    bias : (d,)
        b, added to all images.
    """

    read: torch.Tensor
    write: torch.Tensor
    bias: torch.Tensor

    def __init__(self, read: torch.Tensor, write: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        for name, value in (("read", read), ("write", write), ("bias", bias)):
            self.register_buffer(name, value.clone())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the mapped features, in the shape of `features` and not in 16 bits."""
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.read.dtype)
            if features.dim() == 4:
                return self._map(features.movedim(1, -1)).movedim(-1, 1)
            return self._map(features)

    def _map(self, features: torch.Tensor) -> torch.Tensor:
        return features + (features @ self.read.T @ self.write + self.bias)

    def matrix(self) -> torch.Tensor:
        """Return the map's matrix (d, d): x <- matrix x + bias."""
        return torch.eye(len(self.bias)).to(self.bias) + self.write.T @ self.read


def projection(directions: torch.Tensor, origin: torch.Tensor, strength: float = 1.0) -> Affine:
    """Return the map that replaces the features' part in a subspace by that of another point.

    x <- x - strength * Q^T Q (x - z), with Q an orthonormal basis of the directions' span and z
    the origin.

    Parameters
    ----------
    directions : (d,) or (k, d)
        Linearly independent, of any length but 0.
    origin : (d,)
        z, whose part along the directions all images get.
    strength : in [0, 1]
        1 removes all variation along the directions, 0 is the identity.

    References
    ----------
    P-ClArC and A-ClArC: Anders et al. 2022, eq. 9 and 7; INLP: Ravfogel et al. 2020.
    """
    directions = directions if directions.dim() == 2 else directions[None]
    if len(directions) == 1:
        basis = directions / directions.norm()
    else:
        basis = torch.linalg.qr(directions.T).Q.T
    return Affine(basis, -strength * basis, strength * (origin @ basis.T @ basis))


class Gated(nn.Module):
    """A map of features (N, d) that acts only on images that meet a condition.

    An image meets it if `gates` x > `thresholds` in every row. The condition is constant for each
    image: gradients pass through the map where it acts, and around it where it does not.

    Parameters
    ----------
    affine
        The map.
    gates : (m, d)
        What is read for the condition.
    thresholds : (m,)
        What must be surpassed.
    """

    gates: torch.Tensor
    thresholds: torch.Tensor

    def __init__(self, affine: Affine, gates: torch.Tensor, thresholds: torch.Tensor) -> None:
        super().__init__()
        self.affine = affine
        self.register_buffer("gates", gates.clone())
        self.register_buffer("thresholds", thresholds.clone())

    def met(self, features: torch.Tensor) -> torch.Tensor:
        """Return bool (N,): whether an image meets the condition."""
        return (features @ self.gates.T > self.thresholds).all(dim=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features (N, d), mapped where the condition is met."""
        features = features.to(self.gates.dtype)
        return torch.where(self.met(features)[:, None], self.affine(features), features)


class Intervened(nn.Module):
    """A layer of a trunk with an affine map behind it.

    Parameters
    ----------
    layer
        The layer as it was.
    affine
        Maps the layer's output.
    """

    def __init__(self, layer: nn.Module, affine: Affine) -> None:
        super().__init__()
        self.layer = layer
        self.affine = affine

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, mapped."""
        return self.affine(self.layer(inputs))


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
