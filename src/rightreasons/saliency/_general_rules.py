"""Relevance rules of any layer that is linear in its inputs, as their formulas have them.

A rule takes the layer, its inputs x and outputs z, and the relevance R of the outputs, and returns
c = R / x of the inputs, in the shape of x, and 0 where x is 0; `box`, `flat` and `pooled` give
relevance to inputs of 0 too, and return R. Layers are linear layers and convolutions of any padding
and grouping. The epsilon rule is `_token_rules.Damped`. `_conv_rules` has cheaper forms for most.

Below, w+ and w- are the positive and the negative part of the weights, the other values 0; x+, x-,
b+ and b- likewise. Each denominator is pushed away from 0, by `STABILIZER` where nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import nn
from torch.func import functional_call

from rightreasons.saliency._passes import pulled_back

STABILIZER = 1e-6

Tensor = torch.Tensor
Weighted = nn.Conv2d | nn.Linear
#: The sums z that a layer makes of contributions, and the function from R / z to c of its inputs.
Contributions = tuple[Tensor, Callable[[Tensor], Tensor]]


def pooled(layer: nn.Module, x: Tensor, z: Tensor, relevance: Tensor) -> Tensor:
    """Share relevance out by the gradient, which adds up to 1: a softmax, of a log-sum-exp."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return pulled_back(layer(x), x, relevance)


def plus(layer: Weighted, x: Tensor, z: Tensor, relevance: Tensor) -> Tensor:
    """ZPlus (Montavon et al. 2017) for any x: by the positive contributions x+ w+ and x- w-."""
    return by_sign(x, *given(positive_contributions(layer, x), relevance))


def alpha_beta(
    layer: Weighted, x: Tensor, z: Tensor, relevance: Tensor, *, alpha: float, beta: float
) -> Tensor:
    """Alpha-beta rule (Bach et al. 2015): alpha by the positive, -beta by the negative ones."""
    (x_up, x_down), (w_up, w_down), (_, b_down) = signs(x), signs(layer.weight), biases(layer)
    negative = [contributions(layer, x_up, w_down, b_down), contributions(layer, x_down, w_up)]
    up = by_sign(x, *given(positive_contributions(layer, x), relevance))
    return alpha * up - beta * by_sign(x, *given(negative, relevance))


def gamma(layer: Weighted, x: Tensor, z: Tensor, relevance: Tensor, *, gamma: float) -> Tensor:
    """Generalised gamma rule (Andeol et al. 2021).

    A neuron with z > 0 counts its positive contributions 1 + gamma times, one with z < 0 its
    negative ones.
    """
    (x_up, x_down), (w_up, w_down) = signs(x), weighed(layer.weight, gamma)
    b_up, b_down = (None, None) if layer.bias is None else weighed(layer.bias, gamma)
    above = [contributions(layer, x_up, w_up, b_up), contributions(layer, x_down, w_down)]
    below = [contributions(layer, x_up, w_down, b_down), contributions(layer, x_down, w_up)]
    return by_sign(x, *given(above, (z > 0) * relevance)).add_(
        by_sign(x, *given(below, (z < 0) * relevance))
    )


def box(
    layer: Weighted, x: Tensor, z: Tensor, relevance: Tensor, *, low: Tensor, high: Tensor
) -> Tensor:
    """ZBox (Montavon et al. 2017) for inputs from `low` to `high`, which broadcast to x.

    By the contributions x w - low w+ - high w-, of which none is below 0.
    """
    (w_up, w_down), (b_up, b_down) = signs(layer.weight), biases(layer)
    low, high = (edge.to(x).expand_as(x) for edge in (low, high))
    of_low, give_low = contributions(layer, low, w_up, b_up)
    of_high, give_high = contributions(layer, high, w_down, b_down)
    share = relevance / stabilize(z - (of_low + of_high), STABILIZER)
    _, give = contributions(layer, x)
    return x * give(share) - (low * give_low(share) + high * give_high(share))


def flat(layer: Weighted, x: Tensor, z: Tensor, relevance: Tensor) -> Tensor:
    """Flat rule (Lapuschkin et al. 2019): the same to all inputs that a neuron sees."""
    seen, give = contributions(layer, torch.ones_like(x), torch.ones_like(layer.weight))
    return give(relevance / stabilize(seen, STABILIZER))


def stabilize(z: Tensor, epsilon: float) -> Tensor:
    """Return values that are `epsilon` further from 0; 0 counts as positive."""
    # A sign is copied in a quarter of the time that `where` takes; + 0.0 makes 0 of -0.
    return torch.copysign(z.new_tensor(epsilon), z + 0.0).add_(z)


def by_sign(x: Tensor, of_up: Tensor, of_down: Tensor) -> Tensor:
    """Return what there is for x > 0 and for x < 0, in place; 0 where x is 0."""
    return of_up.mul_(x > 0).add_(of_down.mul_(x < 0))


def signs(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positive and the negative part, the other values 0."""
    return values.clamp(min=0), values.clamp(max=0)


def weighed(values: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Return values whose positive, and values whose negative part counts 1 + gamma times."""
    up, down = signs(values)
    return values + gamma * up, values + gamma * down


def biases(layer: Weighted) -> tuple[Tensor | None, Tensor | None]:
    """Return the positive and the negative part of a layer's bias, if it has one."""
    return (None, None) if layer.bias is None else signs(layer.bias)


def positive_contributions(layer: Weighted, x: Tensor) -> list[Contributions]:
    """Return x+ w+ + b+ and x- w-."""
    (x_up, x_down), (w_up, w_down) = signs(x), signs(layer.weight)
    return [
        contributions(layer, x_up, w_up, biases(layer)[0]),
        contributions(layer, x_down, w_down),
    ]


def given(parts: list[Contributions], relevance: Tensor) -> list[Tensor]:
    """Return what inputs get of the relevance by each part, all measured by the parts' sum."""
    share = relevance / stabilize(reduce(torch.add, [z for z, _ in parts]), STABILIZER)
    return [give(share) for _, give in parts]


def contributions(
    layer: nn.Module, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
) -> Contributions:
    """Return what a layer makes of x: the sums z_j = sum_i x_i w_ij + b_j.

    Parameters
    ----------
    layer
        A layer that is linear in its inputs.
    x
        (N, ...): its inputs.
    weight, bias
        In place of the layer's own. With a weight and no bias, there is none.

    Returns
    -------
    The sums, and a function from shares s_j in their shape to sum_j w_ij s_j, in that of x.
    """
    changed = {} if weight is None else {"weight": weight}
    if weight is not None and isinstance(layer.bias, Tensor):
        changed["bias"] = torch.zeros_like(layer.bias) if bias is None else bias
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = functional_call(layer, changed, (x,)) if changed else layer(x)

    def give(share: Tensor) -> Tensor:
        return pulled_back(z, x, share)

    return z.detach(), give
