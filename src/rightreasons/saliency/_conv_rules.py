"""Relevance rules of convolutions, each in as few passes as its formula needs.

A rule takes the convolution, its inputs x (N, C, H, W) and outputs z, and the relevance of the
outputs, and returns c = R / x of the inputs, so that nothing is multiplied with x to be divided
again; `box` returns R. Where x is 0, c may be any number, for it makes no relevance.
A pass forwards (`push`) or backwards (`pull`) costs as much as the convolution itself. Passes are
saved where
- x is at least 0: what a formula has for the negative part of x is then zero;
- z is known: z = z+ + z-, the sums of positive and of negative contributions, so that one of them
  says the other;
- a ReLU follows: relevance is 0 wherever z < 0, for all rules below multiply by the ReLU's output;
- two weights meet the same relevance: they are one pass with twice the channels, which costs no
  more where there are few (an image has 3).
A small z- that is a difference has the rounding error of z+, some 1e-7 of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.saliency._general_rules import STABILIZER, Tensor, by_sign, signs, stabilize
from rightreasons.saliency._timm_steps import SameConv2d

Layer = nn.Conv2d | nn.Linear


def plus(conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor) -> Tensor:
    """ZPlus (Montavon et al. 2017) for x >= 0: two passes."""
    weight = conv.weight.clamp(min=0)
    share = relevance / push(conv, weight, positive(conv.bias), x).add_(STABILIZER)
    return pull(conv, weight, x, share)


def plus_signed(conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor) -> Tensor:
    """ZPlus for any x: two passes with twice the channels."""
    weight, both = torch.cat(signs(conv.weight), 1), torch.cat(signs(x), 1)
    share = relevance / push(conv, weight, positive(conv.bias), both).add_(STABILIZER)
    return folded(pull(conv, weight, both, share).mul_(both != 0))


def plus_of_few(layer: Layer, x: Tensor, z: Tensor, relevance: Tensor) -> Tensor:
    """ZPlus for any x, and the epsilon rule for neurons that have no positive contributions.

    Such neurons are below 0, and have relevance where no ReLU follows. Depthwise convolutions have
    many of them, whose relevance would be lost. Four passes, five where there are such neurons.
    """
    (x_up, x_down), (up, down) = signs(x), signs(layer.weight)
    z_up = push(layer, up, positive(layer.bias), x_up).add_(push(layer, down, None, x_down))
    without = z_up <= 0
    share = relevance / z_up.add_(STABILIZER)
    given = by_sign(x, pull(layer, up, x, share), pull(layer, down, x, share))
    if not without.any():
        return given
    share = (relevance * without).div_(z - STABILIZER)
    return given.add_(pull(layer, layer.weight, x, share))


def alpha_beta(
    conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor, *, alpha: float, beta: float
) -> Tensor:
    """Alpha-beta rule (Bach et al. 2015) for x >= 0: three passes."""
    up, down = signs(conv.weight)
    z_up = push(conv, up, positive(conv.bias), x)
    share_up, share_down = up_and_down(z_up, z, relevance)
    return pull(conv, alpha * up, x, share_up).sub_(pull(conv, beta * down, x, share_down))


def alpha_beta_signed(
    conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor, *, alpha: float, beta: float
) -> Tensor:
    """Alpha-beta rule for any x: three passes with twice the channels."""
    up, down = signs(conv.weight)
    both = torch.cat(signs(x), 1)
    same, crossed = torch.cat([up, down], 1), torch.cat([down, up], 1)
    z_up = push(conv, same, positive(conv.bias), both)
    share_up, share_down = up_and_down(z_up, z, relevance)
    given = pull(conv, alpha * same, both, share_up)
    return folded(given.sub_(pull(conv, beta * crossed, both, share_down)).mul_(both != 0))


def up_and_down(z_up: Tensor, z: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """Return R / z+ and R / z-, with z- = z - z+."""
    z_down = (z - z_up).clamp_(max=0).sub_(STABILIZER)
    return relevance / z_up.add_(STABILIZER), relevance / z_down


def gamma(conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor, *, gamma: float) -> Tensor:
    """Generalised gamma rule (Andeol et al. 2021) for x >= 0: three passes.

    A neuron with z > 0 uses z + gamma z+, one with z < 0 uses z + gamma z-; their sum is
    (2 + gamma) z.
    """
    up, down = signs(conv.weight)
    up, down = conv.weight + gamma * up, conv.weight + gamma * down
    z_up = push(conv, up, raised(conv.bias, gamma), x)
    z_down = ((2 + gamma) * z).sub_(z_up)
    share_up = (z > 0) * relevance / z_up.clamp_(min=0).add_(STABILIZER)
    share_down = (z < 0) * relevance / z_down.clamp_(max=0).sub_(STABILIZER)
    return pull(conv, up, x, share_up).add_(pull(conv, down, x, share_down))


def gamma_signed(layer: Layer, x: Tensor, z: Tensor, relevance: Tensor, *, gamma: float) -> Tensor:
    """Gamma rule for any x: six passes. For the negative part of x the weights change places."""
    (x_up, x_down), (up, down) = signs(x), signs(layer.weight)
    up, down = layer.weight + gamma * up, layer.weight + gamma * down
    z_up = push(layer, up, raised(layer.bias, gamma), x_up).add_(push(layer, down, None, x_down))
    z_down = ((2 + gamma) * z).sub_(z_up)
    share_up = (z > 0) * relevance / z_up.clamp_(min=0).add_(STABILIZER)
    share_down = (z < 0) * relevance / z_down.clamp_(max=0).sub_(STABILIZER)
    of_up = pull(layer, up, x, share_up).add_(pull(layer, down, x, share_down))
    of_down = pull(layer, down, x, share_up).add_(pull(layer, up, x, share_down))
    return by_sign(x, of_up, of_down)


def gamma_before_relu(
    conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor, *, gamma: float
) -> Tensor:
    """Gamma rule for x >= 0 and relevance that is 0 where z <= 0: two passes."""
    up = conv.weight + gamma * conv.weight.clamp(min=0)
    z_up = push(conv, up, raised(conv.bias, gamma), x)
    return pull(conv, up, x, relevance / z_up.clamp_(min=0).add_(STABILIZER))


def box(
    conv: nn.Conv2d, x: Tensor, z: Tensor, relevance: Tensor, *, low: Tensor, high: Tensor
) -> Tensor:
    """ZBox (Montavon et al. 2017) for pixels from `low` to `high`, (1, C, 1, 1): one pass.

    The bias is in none of its terms. What low and high add is the same for all images.
    """
    up, down = signs(conv.weight)
    low, high = low.to(x), high.to(x)
    edges = torch.cat([low, high], 1).expand(1, -1, *x.shape[2:])
    weight = torch.cat([up, down], 1)
    z = z - push(conv, weight, conv.bias, edges)
    both = torch.cat([x - low, x - high], 1)
    return folded(pull(conv, weight, both, relevance / stabilize(z, STABILIZER)).mul_(both))


def positive(bias: Tensor | None) -> Tensor | None:
    """Return the positive part of a bias, if there is one."""
    return None if bias is None else bias.clamp(min=0)


def raised(bias: Tensor | None, gamma: float) -> Tensor | None:
    """Return a bias as the gamma rule weighs it for z > 0."""
    return None if bias is None else bias + gamma * bias.clamp(min=0)


def folded(both: Tensor) -> Tensor:
    """Return the sum of the two halves of the channels."""
    one, other = both.chunk(2, 1)
    return one + other


def plain(layer: nn.Module) -> bool:
    """Return whether `push` and `pull` know this layer: linear, or padded with zeros."""
    if isinstance(layer, nn.Linear):
        return True
    zeros = isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros"
    return zeros and not isinstance(layer.padding, str)


def push(layer: Layer, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """Return what the layer would return with another weight and bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight, bias)
    if isinstance(layer, SameConv2d):
        x = F.pad(x, layer.frame(x))
    return F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def pull(conv: Layer, weight: Tensor, x: Tensor, share: Tensor) -> Tensor:
    """Return sum_j w_ij share_j in the shape of x: the gradient of such a layer's input."""
    if isinstance(conv, nn.Linear):
        return share @ weight
    padding: tuple[int, ...] = conv.padding  # type: ignore[assignment]
    left, right, above, below = conv.frame(x) if isinstance(conv, SameConv2d) else (0, 0, 0, 0)
    sides = (above + x.shape[2] + below, left + x.shape[3] + right)
    unseen = [
        sides[i]
        - (share.shape[2 + i] - 1) * conv.stride[i]
        + 2 * padding[i]
        - conv.dilation[i] * (conv.kernel_size[i] - 1)
        - 1
        for i in (0, 1)
    ]
    # torch.nn.grad.conv2d_input forgets channels-last: 3 times slower for 1 x 1 convolutions.
    given = F.conv_transpose2d(
        share, weight, None, conv.stride, padding, unseen, conv.groups, conv.dilation
    )
    return F.pad(given, (-left, -right, -above, -below)) if sides != x.shape[2:] else given
