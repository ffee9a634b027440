"""Relevance rules of steps that are not linear in the image: activations, norms, products.

Each is a module that is the step forwards, and backwards turns c = R / y of its outputs into R / x
of its inputs (see `_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.saliency._attention import Unit, last_softmax
from rightreasons.saliency._general_rules import stabilize

#: What a value next to 0 is divided by at least.
LEAST = 1e-10

Tensor = torch.Tensor


class _Scaled(torch.autograd.Function):
    """The identity forwards; backwards what comes is multiplied with given numbers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor | float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, share: Tensor) -> Any:
        return share * ctx.factor, None


class Relevance(nn.Module):
    """Pixels, which get relevance x c in place of c."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return _Scaled.apply(x, x.detach())


class Rescaling(nn.Module):
    """Pixels on another scale, whose relevance (not c) stays as it is.

    Parameters
    ----------
    layer
        What brings them to it.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the pixels on their other scale."""
        return _Rescaling.apply(x, self.layer)


class _Rescaling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Module) -> Tensor:
        return layer(x)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> Any:
        return relevance, None


class Damped(nn.Module):
    """The epsilon rule behind a linear layer: z / (z +- epsilon) of what comes (Bach et al. 2015).

    Parameters
    ----------
    epsilon
        What is added to the size of z.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, z: Tensor) -> Tensor:
        """Return z."""
        return _Scaled.apply(z, (z / stabilize(z, self.epsilon)).detach())


class Half(nn.Module):
    """A factor of a product of two, which gets half of its relevance (AttnLRP, eq. 7)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return half(x)


class Constant(nn.Module):
    """Values that count as constants and get no relevance."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x.detach()


class Activated(nn.Module):
    """A function f of each value by itself: c_x = c_y (f(x) - f(0)) / x, and f'(0) next to 0.

    Where f(0) = 0 relevance stays as it is (AttnLRP, eq. 9). Where it is not, as for a sigmoid,
    f(0) is a bias, which keeps its share: all of it would go to values of x next to 0 otherwise.

    Parameters
    ----------
    function
        The module as it was.
    """

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Return what the function returns, in the shape of x."""
        return _Activated.apply(x, self.function)


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, function: nn.Module) -> Tensor:
        y = function(x)
        ctx.save_for_backward(x, y)
        ctx.function = function
        return y

    @staticmethod
    def backward(ctx: Any, share: Tensor) -> Any:
        x, y = ctx.saved_tensors
        zero = ctx.function(torch.zeros_like(x[:1]))
        return (y - zero).div_(stabilize(x, LEAST)).mul_(share), None


class Function(nn.Module):
    """A function as a module.

    Parameters
    ----------
    function
        Of a tensor and more; or the name of a method.
    args, kwargs
        What it gets beside the tensor.
    """

    def __init__(
        self, function: Callable[..., Tensor] | str, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        super().__init__()
        self.function, self.args, self.kwargs = function, args, kwargs

    def forward(self, x: Tensor) -> Tensor:
        """Return what the function returns."""
        if isinstance(self.function, str):
            return getattr(x, self.function)(*self.args, **self.kwargs)
        return self.function(x, *self.args, **self.kwargs)


def half(x: Tensor) -> Tensor:
    """Return x; backwards half of what comes."""
    return _Scaled.apply(x, 0.5)


def halves(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of matrices, each of which gets half of its relevance."""
    return torch.matmul(half(a), half(b))


def constant(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function whose values count as constants."""
    return lambda x: function(x).detach()


def attention(
    products: Literal["half", "signal"],
) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return the products and the softmax of attention.

    half: AttnLRP. Both factors of each product get half, and the softmax s of scores x has the
    rule R_i = x_i (R_i - s_i sum_j R_j), which is its gradient and keeps some relevance to itself.
    signal: weights are constants, and the values get all (Ali et al. 2022).
    """
    if products == "half":
        return halves, last_softmax
    return torch.matmul, constant(last_softmax)


# --- Norms: their means are linear, their deviations constants (AttnLRP, section 3.3.3). ---------


def standardised(x: Tensor, dims: tuple[int, ...], eps: float, *, centre: bool = True) -> Tensor:
    """Return x less its mean, divided by its deviation, which is constant backwards.

    Without `centre` the mean stays.
    """
    centred = x - x.mean(dims, keepdim=True) if centre else x
    with torch.no_grad():
        factor = (centred.square().mean(dims, keepdim=True) + eps).rsqrt()
    return centred * factor


#: From values, the dimensions that they vary in, eps and `centre` to what has mean 0 (if it is to
#: be centred) and deviation 1.
Standardise = Callable[..., Tensor]


def layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    standardise: Standardise = standardised,
) -> Tensor:
    """Return what F.layer_norm returns, whose deviations are constants backwards by default."""
    dims = tuple(range(-len(shape), 0))
    y = standardise(x, dims, eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    standardise: Standardise = standardised,
) -> Tensor:
    """Return what F.group_norm returns of (N, C, ...), as `layer_norm` does."""
    parts = x.unflatten(1, (groups, -1))
    y = standardise(parts, tuple(range(2, parts.dim())), eps).flatten(1, 2)
    shape = (-1, *[1] * (x.dim() - 2))
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)


def rms_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    standardise: Standardise = standardised,
) -> Tensor:
    """Return what F.rms_norm returns, as `layer_norm` does: no mean is taken away."""
    least = torch.finfo(x.dtype).eps if eps is None else eps
    y = standardise(x, tuple(range(-len(shape), 0)), least, centre=False)
    return y if weight is None else y * weight


#: Functions in whose place these are.
NORMS: dict[Any, Callable[..., Tensor]] = {
    F.layer_norm: layer_norm,
    F.group_norm: group_norm,
    F.rms_norm: rms_norm,
}


def norm(layer: nn.Module, standardise: Standardise = standardised) -> nn.Module | None:
    """Return a norm that standardises in this way in the place of a layer, None for no norm."""
    how = {"standardise": standardise}
    if isinstance(layer, nn.LayerNorm):
        told = (layer.normalized_shape, layer.weight, layer.bias, layer.eps)
        return Function(layer_norm, told, how)
    if isinstance(layer, nn.GroupNorm):
        args = (layer.num_groups, layer.weight, layer.bias, layer.eps)
        return Function(group_norm, args, how)
    if isinstance(layer, nn.RMSNorm):
        return Function(rms_norm, (layer.normalized_shape, layer.weight, layer.eps), how)
    return Function(unit, (), {}) if isinstance(layer, Unit) else None


def unit(x: Tensor) -> Tensor:
    """Return vectors of length 1 in the last dimension, whose lengths are constants backwards."""
    return x / x.detach().norm(dim=-1, keepdim=True).clamp_min(1e-12)
