"""The one shape of every model: trunk -> intervention -> head."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn


def channel_axis(values: torch.Tensor) -> int:
    """Return which axis of a layer's output has the channels.

    (N, C), (N, C, H, W) and (N, tokens, C) have them where they stand. Swin transformers keep their
    maps as (N, H, W, C). Images are square here, and so are maps: where the second axis is as long
    as the third and the fourth is not, the fourth has the channels.
    """
    if values.dim() == 4 and values.shape[1] == values.shape[2] != values.shape[3]:
        return 3
    return 2 if values.dim() == 3 else 1


class Affine(nn.Module):
    """Affine map of features: x <- x + U^T V x + b, cheap where V and U have few rows.

    Features are (N, d), (N, d, H, W) or (N, H, W, d), whose positions are all mapped alike, or
    (N, tokens, d).
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
            axis = channel_axis(features)
            return self._map(features.movedim(axis, -1)).movedim(-1, axis)

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


class Rescaled(nn.Module):
    """From ImageNet's scale to a network's own: factor x + offset for each channel.

    Parameters
    ----------
    factor, offset : (3,)
        Of red, green and blue.
    """

    factor: torch.Tensor
    offset: torch.Tensor

    def __init__(self, factor: torch.Tensor, offset: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor.clone())
        self.register_buffer("offset", offset.clone())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the images (N, 3, H, W) on the network's scale."""
        return inputs * self.factor[:, None, None] + self.offset[:, None, None]


class Resized(nn.Module):
    """Images in the size that a network takes: bilinear, averaging where they become smaller.

    Parameters
    ----------
    side
        In pixels, an integer of no dimension.
    """

    side: torch.Tensor

    def __init__(self, side: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("side", side.clone())
        self.pixels = int(side)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (N, 3, side, side) of (N, 3, H, W)."""
        size = (self.pixels, self.pixels)
        if tuple(inputs.shape[2:]) == size:
            return inputs
        return F.interpolate(inputs, size, mode="bilinear", align_corners=False, antialias=True)


def input_steps(rescaled: Rescaled | None, resized: Resized | None) -> nn.Module:
    """Return what images go through on their way into a trunk, the identity where nothing."""
    steps = OrderedDict[str, nn.Module]()
    if rescaled is not None:
        steps["scale"] = rescaled
    if resized is not None:
        steps["resize"] = resized
    return nn.Sequential(steps) if steps else nn.Identity()


class Grouped(nn.Module):
    """Two logits of K: of each group of outputs the logarithm of the sum of their exponentials.

    The softmax of the two is the share that each group has of both groups' softmax over K.

    Parameters
    ----------
    groups : bool (2, K)
        Which outputs say target 0, and which 1.
    """

    groups: torch.Tensor

    def __init__(self, groups: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("groups", groups.clone())

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return (N, 2) of (N, K)."""
        no, yes = self.groups.unbind()
        parts = [logits[:, group].logsumexp(1) for group in (no, yes)]
        return torch.stack(parts, 1)


class Classifier(nn.Module):
    """A vision model as trunk (N, 3, H, W) -> (N, d), intervention (N, d) -> (N, d), linear head.

    Whatever a method changes is in the state dict. The intervention is the identity unless a
    method puts an affine map there; gradients and relevance pass through it as through any layer.
    Two more steps are the identity but for networks from elsewhere: `input` before the trunk brings
    images to their scale and size, and `readout` behind the head makes two logits of K.

    Parameters
    ----------
    trunk
        Maps normalised images (N, 3, H, W) to features (N, d).
    head
        Maps features to two logits, or to K that the readout makes two of.
    made
        What is to be known beside the architecture's name to build the network again.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Linear, made: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.input: nn.Module = nn.Identity()
        self.trunk = trunk
        self.intervention: nn.Module = nn.Identity()
        self.head = head
        self.readout: nn.Module = nn.Identity()
        self.made = made or {}

    @property
    def n_features(self) -> int:
        """The width d of the penultimate layer."""
        return self.head.in_features

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the penultimate activations (N, d), before the intervention."""
        return self.trunk(self.input(inputs))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 2) of penultimate activations (N, d)."""
        return self.readout(self.head(self.intervention(features)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 2) of normalised images (N, 3, H, W)."""
        return self.classify(self.features(inputs))
