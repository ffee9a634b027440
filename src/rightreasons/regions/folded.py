"""A ResNet prepared for tiny maps: batch norms folded, convolutions of padding avoided."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def folded(layer: Any, norm: Any) -> Any:
    """Return a copy of a layer with the batch norm after it folded in.

    Parameters
    ----------
    layer
        A convolution or a linear layer.
    norm
        The batch norm, taken as in eval mode: an affine map of each channel.

    Returns
    -------
    Module
        A layer of the same kind with a bias, channels-last, without gradients.
    """
    fuse = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
    fused = fuse(copy.deepcopy(layer).eval(), copy.deepcopy(norm).eval())
    return fused.to(memory_format=torch.channels_last).requires_grad_(False)


def pixels(x: torch.Tensor) -> torch.Tensor:
    """Return (n, C, H, W) as (n, H, W, C), a view in channels-last memory."""
    return x.permute(0, 2, 3, 1)


def side_after(conv: nn.Conv2d, side: int) -> int:
    """Return the side of a convolution's output for an input of side x side."""
    return (side + 2 * int(conv.padding[0]) - conv.kernel_size[0]) // conv.stride[0] + 1


def as_matrix(conv: nn.Conv2d, side: int) -> torch.Tensor:
    """Return the matrix of a convolution on maps of a fixed size.

    Parameters
    ----------
    conv
        The convolution, from C to C' channels.
    side
        s, the side of its input.

    Returns
    -------
    Tensor
        (s' s' C', s s C). Rows and columns are ordered as the pixels in channels-last memory. An
        entry is the tap of the kernel that joins the two pixels, or 0 where the kernel does not
        reach.
    """
    out, size = side_after(conv, side), conv.kernel_size[0]
    stride, padding = conv.stride[0], int(conv.padding[0])
    matrix = conv.weight.new_zeros(out, out, conv.out_channels, side, side, conv.in_channels)
    for i, j, y, x in product(range(out), range(out), range(side), range(side)):
        row, column = y - stride * i + padding, x - stride * j + padding
        if 0 <= row < size and 0 <= column < size:
            matrix[i, j, :, y, x] = conv.weight[:, :, row, column]
    return matrix.view(out * out * conv.out_channels, side * side * conv.in_channels)


class SmallConv:
    """A convolution of maps of side s: one matrix product where that is less work.

    A 3 x 3 convolution of a map of 2 x 2 or 1 x 1 pixels mostly multiplies padding: 36 products
    per pair of channels where the matrix has 16, 9 where it has 1.
    """

    def __init__(self, conv: nn.Conv2d, side: int) -> None:
        self.conv, self.side = conv, side_after(conv, side)
        self.matrix = None
        if side * side < conv.kernel_size[0] ** 2:
            self.matrix = as_matrix(conv, side)
            assert conv.bias is not None
            self.bias = conv.bias.repeat(self.side**2)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, C, s, s) to (n, C', s', s'), both channels-last in memory."""
        if self.matrix is None:
            return self.conv(x)
        flat = F.linear(pixels(x).reshape(len(x), -1), self.matrix, self.bias)
        return flat.view(len(x), self.side, self.side, -1).permute(0, 3, 1, 2)


class SmallBlock:
    """A residual block of two convolutions on maps of side s."""

    def __init__(self, block: Any, side: int) -> None:
        self.first = SmallConv(folded(block.conv1, block.bn1), side)
        self.second = SmallConv(folded(block.conv2, block.bn2), self.first.side)
        self.side = self.second.side
        self.shortcut = None
        if block.downsample is not None:
            self.shortcut = SmallConv(folded(*block.downsample), side)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, C, s, s) to (n, C', s', s'), both channels-last in memory."""
        y = self.second(F.relu_(self.first(x)))
        return F.relu_(y.add_(x if self.shortcut is None else self.shortcut(x)))


class FoldedResNet:
    """ResNet-18 on patches, which takes what constant input channels add from a table.

    The convolution is linear: of an input of 3 image channels and E constant ones, the constant
    ones add sum_e c_e R_e, where R_e is the response to a channel of ones. R is computed once.

    Parameters
    ----------
    resnet
        torchvision's ResNet-18, whose first convolution has 3 + E channels.
    patch
        k, the side of the patches in pixels.
    """

    def __init__(self, resnet: Any, patch: int) -> None:
        first = folded(resnet.conv1, resnet.bn1)
        assert first.bias is not None
        self.weight = first.weight[:, :3].contiguous(memory_format=torch.channels_last)
        self.bias = first.bias
        channels = first.in_channels - 3
        ones = torch.eye(channels, device=self.bias.device)[:, :, None, None]
        ones = ones.expand(-1, -1, patch, patch)
        self.responses = pixels(F.conv2d(ones, first.weight[:, 3:], None, 2, 3))
        self.blocks: list[SmallBlock] = []
        side = (self.responses.shape[1] - 1) // 2 + 1
        for block in (b for i in range(1, 5) for b in resnet.get_submodule(f"layer{i}")):
            self.blocks.append(SmallBlock(block, side))
            side = self.blocks[-1].side
        self.head = resnet.fc.weight.detach().clone(), resnet.fc.bias.detach().clone()

    def constants(self, channels: torch.Tensor) -> torch.Tensor:
        """Return what constant channels (n, E) and the bias add: (n, k/2, k/2, 64)."""
        return torch.tensordot(channels, self.responses, 1).add_(self.bias)

    def __call__(self, patches: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
        """Return logits (m n, C) of patches (m n, 3, k, k): m times the n constants, in order."""
        x = F.conv2d(patches, self.weight, None, 2, 3)
        pixels(x).view(-1, *constants.shape).add_(constants)
        x = F.relu_(F.max_pool2d(x, 3, 2, 1))  # ReLU commutes with the maximum: a quarter of it
        for block in self.blocks:
            x = block(x)
        return F.linear(x.mean(dim=(2, 3)), *self.head)
