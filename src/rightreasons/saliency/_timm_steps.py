"""timm's layers as PyTorch's and a few steps of our own, which explainers can follow.

timm need not be installed: layers are known by the names of their classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Tensor = torch.Tensor


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding: by the image's size, one more right and below."""

    def frame(self, x: Tensor) -> tuple[int, int, int, int]:
        """Return the zeros around x: left, right, above and below."""
        return same_frame(x, self.kernel_size, self.stride, self.dilation)

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, C, ceil(H / stride), ceil(W / stride))."""
        return super().forward(F.pad(input, self.frame(input)))


class SameFrame(nn.Module):
    """TensorFlow's padding in front of a max pooling, which never takes it.

    Parameters
    ----------
    made
        The pooling as it was.
    """

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.sizes = (made.kernel_size, made.stride, made.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a frame of -infinity."""
        return F.pad(x, same_frame(x, *self.sizes), value=-math.inf)


class ResponseNorm(nn.Module):
    """Global response normalisation (ConvNeXt V2): x + w x r + b, r = g / mean of g.

    g is the length of a channel over all places, the mean is over channels.

    Parameters
    ----------
    made
        timm's module.

    Attributes
    ----------
    response, product
        How r comes of x, and the product of both, for explainers that go back in another way.
    """

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.places, self.channels, self.eps = made.spatial_dim, made.channel_dim, made.eps
        self.weight = nn.Parameter(made.weight.detach().view(made.wb_shape), requires_grad=False)
        self.bias = nn.Parameter(made.bias.detach().view(made.wb_shape), requires_grad=False)
        self.response: Callable[[Tensor], Tensor] = self.responses
        self.product: Callable[[Tensor, Tensor], Tensor] = torch.mul

    def responses(self, x: Tensor) -> Tensor:
        """Return r, with 1 for places."""
        lengths, means = lengths_and_means(x, self.places, self.channels, self.eps)
        return lengths / means

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape of x."""
        return x + (self.weight * self.product(x, self.response(x)) + self.bias)


def lengths_and_means(
    x: Tensor, places: tuple[int, ...], channels: int, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the length of each channel over all places, and their mean over channels + eps."""
    lengths = x.norm(dim=places, keepdim=True)
    return lengths, lengths.mean(channels, keepdim=True) + eps


class OverChannels(nn.Module):
    """A norm over the channels of a feature map (N, C, H, W).

    Parameters
    ----------
    norm
        Over the last dimension.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape of x."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def same_frame(
    x: Tensor, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Return how much there is left, right, above and below, the odd one right and below."""
    missing = [
        max(0, (math.ceil(side / s) - 1) * s + (k - 1) * d + 1 - side)
        for side, k, s, d in zip(x.shape[-2:], size, stride, dilation, strict=True)
    ]
    down, right = missing
    return right // 2, right - right // 2, down // 2, down - down // 2


def convolution(made: Any) -> nn.Conv2d:
    """Return timm's convolution with the weight that it computes, and its padding by size."""
    same = getattr(made, "same_pad", type(made).__name__ == "Conv2dSame")
    layer = (SameConv2d if same else nn.Conv2d)(
        made.in_channels,
        made.out_channels,
        made.kernel_size,
        made.stride,
        made.padding,
        made.dilation,
        made.groups,
        device="meta",
    )
    layer.weight = nn.Parameter(_standardised(made), requires_grad=False)
    layer.bias = made.bias
    return layer


def _standardised(made: Any) -> Tensor:
    """Return a convolution's weight, of mean 0 and deviation 1 where its class says so.

    Qiao et al. 2019; with a gain, Brock et al. 2021.
    """
    weight = made.weight.detach()
    if "Std" not in type(made).__name__:
        return weight
    flat = weight.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    flat = centred * (centred.square().mean(1, keepdim=True) + made.eps).rsqrt()
    if hasattr(made, "gain"):
        flat = flat * (made.gain.detach() * made.scale).view(-1, 1)
    return flat.view_as(weight)


def norm_and_activation(made: Any) -> nn.Module:
    """Return timm's norm with an activation, of as many channels and the same numbers, as two."""
    norm = nn.BatchNorm2d(made.num_features, eps=made.eps, affine=made.affine)
    norm.to(made.running_mean)
    norm.load_state_dict(made.state_dict(), strict=False)
    return nn.Sequential(norm, made.drop, made.act).train(made.training).requires_grad_(False)


def root_mean_square(made: Any) -> nn.Module:
    """Return timm's norm as PyTorch's."""
    norm = nn.RMSNorm(made.normalized_shape, made.eps, made.elementwise_affine)
    norm.weight = made.weight
    return OverChannels(norm) if type(made).__name__ == "RmsNorm2d" else norm


def max_pooling(made: Any) -> nn.Module:
    """Return timm's pooling as a frame, and a pooling without."""
    pool = nn.MaxPool2d(made.kernel_size, made.stride, 0, made.dilation, ceil_mode=made.ceil_mode)
    return nn.Sequential(SameFrame(made), pool)


#: What is written out, by the names of timm's classes.
WRITTEN_OUT: dict[str, Callable[[Any], nn.Module]] = {
    **dict.fromkeys(("Conv2dSame", "StdConv2d", "StdConv2dSame"), convolution),
    **dict.fromkeys(("ScaledStdConv2d", "ScaledStdConv2dSame"), convolution),
    "MaxPool2dSame": max_pooling,
    "GlobalResponseNorm": ResponseNorm,
    **dict.fromkeys(("RmsNorm", "RmsNorm2d"), root_mean_square),
}
#: Of what is written out: the modules that are one step each.
STEPS = (SameConv2d, SameFrame, ResponseNorm)


def written_out(made: nn.Module) -> nn.Module | None:
    """Return a layer of timm's in steps that are known, None where it is none to be written out."""
    if not type(made).__module__.startswith("timm.layers"):
        return None
    if isinstance(made, nn.BatchNorm2d):
        return norm_and_activation(made)
    write = WRITTEN_OUT.get(type(made).__name__)
    return None if write is None else write(made).train(made.training)
