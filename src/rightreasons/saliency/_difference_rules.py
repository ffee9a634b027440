"""DeepLIFT's rules for steps that are not linear in the image: from differences to multipliers.

Images and their one baseline go through the network in one batch, the baseline last. What autograd
carries are multipliers m: of a value x that is x' for the baseline, m (x - x') is what it adds to
the logit's difference. A linear step's gradient is its rule. Every other step is a `Step`, whose
multipliers add up: sum of m_x (x - x') over its inputs = sum of m_y (y - y') over its outputs. They
are linear in what comes, and nothing comes to the baseline, so it gets nothing.

References
----------
Shrikumar et al. 2017, DeepLIFT: linear and rescale rule. Lundberg & Lee 2017 and SHAP's
DeepExplainer: max pooling, and products by averages, which are Shapley values of two factors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from rightreasons.models.classifier import Grouped
from rightreasons.saliency._timm_steps import lengths_and_means

Tensor = torch.Tensor
#: No activation's second derivative is above this (SELU's is 1.76): where two derivatives differ
#: by more than this times the distance, there is a kink between.
CURVATURE = 4.0


class Batch:
    """Images and their baseline, which a network sees together, the baseline last.

    Attributes
    ----------
    size
        How many images there are, the baseline with them.
    """

    def __init__(self) -> None:
        self.size = 1

    def baseline(self, x: Tensor) -> Tensor:
        """Return what a value is for the baseline, in the shape of x or with 1 for images.

        Attention in windows has several rows for each image, side by side.
        """
        rows = max(1, len(x) // self.size)  # a value that is the same for all has one row
        found = x[-rows:]
        return found if rows == 1 else found.repeat(self.size, *[1] * (x.dim() - 1))


class Step(nn.Module):
    """A step whose backward pass is a rule for differences.

    Parameters
    ----------
    batch
        Of the network.
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the step's output."""
        return _Differences.apply(self, *inputs)

    @abstractmethod
    def value(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the step's output, given its inputs."""

    @abstractmethod
    def multipliers(self, m: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        """Return the multipliers of each input, given those of the output and the inputs."""


class _Differences(torch.autograd.Function):
    """A step forwards, its rule backwards; it keeps its inputs alone."""

    @staticmethod
    def forward(ctx: Any, step: Step, *inputs: Tensor) -> Tensor:
        ctx.step = step
        ctx.save_for_backward(*inputs)
        return step.value(*inputs)

    @staticmethod
    def backward(ctx: Any, m: Tensor) -> Any:
        return None, *ctx.step.multipliers(m, *ctx.saved_tensors)


class Activated(Step):
    """A function of each value by itself: m_x = m_y (y - y') / (x - x'), the rescale rule.

    Next to 0 a difference is mostly rounding. Up to a distance of 2 eps^(1/3) (0.01 in 32 bits)
    the mean of the two derivatives is nearer to the quotient than its own rounding, and is taken
    in its place, unless there is a kink between: there is none where they are nearly the same.

    Parameters
    ----------
    function
        The module as it was.
    """

    def __init__(self, batch: Batch, function: nn.Module) -> None:
        super().__init__(batch)
        self.function = function

    def value(self, x: Tensor) -> Tensor:
        """Return what the function returns."""
        return self.function(x)

    def multipliers(self, m: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return m_x."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = self.function(x)
            (derivative,) = torch.autograd.grad(y.sum(), x)
        x, y = x.detach(), y.detach()
        there = self.batch.baseline(derivative)
        apart = x - self.batch.baseline(x)
        slope = (y - self.batch.baseline(y)) / torch.where(apart == 0, 1, apart)
        near = 2 * torch.finfo(x.dtype).eps ** (1 / 3)
        smooth = (derivative - there).abs() <= CURVATURE * apart.abs() + near**2
        close = (apart == 0) | ((apart.abs() < near) & smooth)
        return (m * torch.where(close, (derivative + there) / 2, slope),)


class Rectified(Step):
    """ReLU: the rescale rule as of any activation; the differences of its outputs are exact."""

    def value(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return x.relu()

    def multipliers(self, m: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return m_x, m_y or 0 where x = x'."""
        reference = self.batch.baseline(x)
        slope = (x.relu() - reference.relu()).div_(x - reference)
        return (torch.where(x == reference, x > 0, slope).mul_(m),)


class MaxPooled(Step):
    """Max pooling: max(y, y') - y' for the place of y, y - max(y, y') for the place of y'.

    One of the two is 0. The other is y - y', and the difference of the inputs there is no smaller.

    Parameters
    ----------
    pool
        Gives the maxima, and where they are in their channel.
    """

    def __init__(self, batch: Batch, pool: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__(batch)
        self.pool = pool

    def value(self, x: Tensor) -> Tensor:
        """Return the maxima."""
        return self.pool(x)[0]

    def multipliers(self, m: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return m_x, 0 where y = y'."""
        y, place = (part.flatten(2) for part in self.pool(x))
        gain = y - self.batch.baseline(y)
        place = torch.where(gain > 0, place, self.batch.baseline(place))
        apart = (x - self.batch.baseline(x)).flatten(2)
        given = m.flatten(2) * torch.where(gain == 0, 0, gain / apart.gather(2, place))
        return (torch.zeros_like(apart).scatter_add_(2, place, given).view_as(x),)


class Multiplied(Step):
    """A product of two values: m_a = m_y (b + b') / 2 and m_b = m_y (a + a') / 2.

    That is its gradient halfway between image and baseline.

    Parameters
    ----------
    product
        Linear in each of the two: the product of numbers, matrices, or a sum of products.
    """

    def __init__(self, batch: Batch, product: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__(batch)
        self.product = product

    def value(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the product."""
        return self.product(a, b)

    def multipliers(self, m: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return m_a and m_b."""
        with torch.enable_grad():
            halfway = [_halfway(self.batch, x).requires_grad_() for x in inputs]
            return torch.autograd.grad((self.product(*halfway) * m).sum(), halfway)


class Softmax(Step):
    """Softmax p = e / s of e = exp(x) and their sum s.

    e has the rescale rule, the sum is linear, and the quotient has the rule of `divided`. One
    shift for image and baseline leaves the multipliers as they are, and nothing overflows.

    Parameters
    ----------
    dim
        The dimension whose values sum to 1.
    """

    def __init__(self, batch: Batch, dim: int = -1) -> None:
        super().__init__(batch)
        self.dim = dim

    def value(self, x: Tensor) -> Tensor:
        """Return the softmax."""
        return x.softmax(self.dim)

    def multipliers(self, m: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return m_x, 0 for values of -infinity."""
        reference = self.batch.baseline(x)
        higher = torch.maximum(x, reference)
        shift = higher.amax(self.dim, keepdim=True)
        exps = (x - shift).exp().sum(self.dim, keepdim=True)
        total = exps + (reference - shift).exp().sum(self.dim, keepdim=True)
        slope = (higher - shift).exp() * _decay(_distance(x, reference))
        shares = _halfway(self.batch, x.softmax(self.dim))
        return (2 * slope / total * (m - (m * shares).sum(self.dim, keepdim=True)),)


class LogSumExp(Step):
    """Logarithms of sums of exponentials: the rescale rule for exp and log, the sum is linear.

    With M(a, b) = (a - b) / (log a - log b) the multiplier is M(e, e') / M(s, s').

    Parameters
    ----------
    made
        Which outputs each of two sums takes.
    """

    def __init__(self, batch: Batch, made: Grouped) -> None:
        super().__init__(batch)
        self.made = made

    def value(self, logits: Tensor) -> Tensor:
        """Return (N, 2) of (N, K)."""
        return self.made(logits)

    def multipliers(self, m: Tensor, logits: Tensor) -> tuple[Tensor, ...]:
        """Return those of all K, 0 for what no sum takes."""
        given = torch.zeros_like(logits)
        for group, share in zip(self.made.groups, m.unbind(1), strict=True):
            x = logits[:, group]
            y = x.logsumexp(1, keepdim=True)
            below, above = self.batch.baseline(x), self.batch.baseline(y)
            slope = (torch.maximum(x, below) - torch.maximum(y, above)).exp()
            slope = slope * _decay(_distance(x, below)) / _decay(_distance(y, above))
            given[:, group] = share[:, None] * slope
        return (given,)


class Divided(Step):
    """y = z / d, each vector z by its own deviation d = sqrt(sum of z^2 / n + eps).

    With means of image and baseline z~, d~ and y~, the quotient read as the product z = y d has
    d~ (y - y') = (z - z') - y~ (d - d'), and so m_z = m_y / d~ and m_d = - sum of m_y y~ / d~. The
    difference of d is that of d^2 by 2 d~, so that d hands z~ / (n d~) of its own to z.

    Parameters
    ----------
    dims
        The dimensions of a vector.
    eps
        Added to the squared deviation.
    unit
        Lengths in the place of deviations: n is 1.
    """

    def __init__(
        self, batch: Batch, dims: tuple[int, ...], eps: float, *, unit: bool = False
    ) -> None:
        super().__init__(batch)
        self.dims, self.eps, self.unit = dims, eps, unit

    def deviation(self, z: Tensor) -> Tensor:
        """Return d, with 1 in the dimensions of a vector."""
        if self.unit:
            return z.square().sum(self.dims, keepdim=True).sqrt().clamp_min(self.eps)
        return (z.square().mean(self.dims, keepdim=True) + self.eps).sqrt()

    def value(self, z: Tensor) -> Tensor:
        """Return z / d."""
        return z / self.deviation(z)

    def multipliers(self, m: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Return m_z."""
        deviation = self.deviation(z)
        d = _halfway(self.batch, deviation)
        along = (m * _halfway(self.batch, z / deviation)).sum(self.dims, keepdim=True)
        if not self.unit:
            along = along * (along.numel() / z.numel())
        return ((m - along * _halfway(self.batch, z) / d) / d,)


class Responses(Step):
    """r = g / d of the lengths g of channels and d = mean of g + eps (ResponseNorm).

    The quotient as in `Divided`: m_g = m_r / d~ less the mean of m_r r~ / d~, which is d's. The
    difference of g^2 is that of g by 2 g~, so that g hands z~ / g~ of its own to z.

    Parameters
    ----------
    places, channels
        The dimensions that a length is of, and the one that the mean is over.
    eps
        Added to the mean.
    """

    def __init__(self, batch: Batch, places: tuple[int, ...], channels: int, eps: float) -> None:
        super().__init__(batch)
        self.places, self.channels, self.eps = places, channels, eps

    def value(self, z: Tensor) -> Tensor:
        """Return r, with 1 for places."""
        lengths, means = lengths_and_means(z, self.places, self.channels, self.eps)
        return lengths / means

    def multipliers(self, m: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Return m_z, 0 where a channel is empty for image and baseline."""
        lengths, means = lengths_and_means(z, self.places, self.channels, self.eps)
        g, d = _halfway(self.batch, lengths), _halfway(self.batch, means)
        along = (m * _halfway(self.batch, lengths / means)).mean(self.channels, keepdim=True)
        m_g = (m - along) / d
        return (m_g * _halfway(self.batch, z) / torch.where(g == 0, 1, g),)


def standardised(
    batch: Batch, x: Tensor, dims: tuple[int, ...], eps: float, *, centre: bool = True
) -> Tensor:
    """Return x less its mean, which is linear, divided by its deviation; or x itself divided."""
    return Divided(batch, dims, eps)(x - x.mean(dims, keepdim=True) if centre else x)


class Normalised(nn.Module):
    """A function that normalises, in which what is divided by a deviation has a rule.

    Parameters
    ----------
    function
        Takes what PyTorch's takes, and how to `standardise`.
    """

    def __init__(self, batch: Batch, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = partial(function, standardise=partial(standardised, batch))

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return what the function returns."""
        return self.function(*args, **kwargs)


def _halfway(batch: Batch, x: Tensor) -> Tensor:
    """Return the mean of a value and the baseline's."""
    return torch.lerp(x, batch.baseline(x).expand_as(x), 0.5)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return |a - b|, 0 between infinities."""
    return torch.where(a == b, 0, (a - b).abs())


def _decay(distance: Tensor) -> Tensor:
    """Return (1 - exp(-d)) / d, which is 1 at 0: between exp(x) and exp(x - d) the mean slope."""
    return torch.where(distance == 0, 1, -torch.expm1(-distance) / distance)
